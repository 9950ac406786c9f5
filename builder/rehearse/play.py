"""Plays scenarios one after the other, each from where it has to begin."""

from __future__ import annotations

import time
from collections.abc import Sequence

from builder.errors import BundlerError
from builder.events import Sink, Step
from builder.rehearse.progress import BOOTING
from builder.rehearse.report import Played, Result
from builder.rehearse.scenarios import Scenario
from builder.rehearse.scenarios import install as install_scenario
from builder.rehearse.site import NotPlayedError, Site
from builder.rehearse.snapshot import take


def play(site: Site, scenarios: Sequence[Scenario], sink: Sink) -> list[Played]:
    """One that fails does not stop those that do not build on it."""
    played: list[Played] = []
    names = [scenario.name for scenario in scenarios]
    for scenario in scenarios:
        sink(Step(f"{scenario.name}: {scenario.summary}"))
        began = time.monotonic()
        without_cluster = any(item.name == "install" and item.result == "failed" for item in played)
        result, message = _play_one(site, scenario, names, without_cluster=without_cluster)
        seconds = round(time.monotonic() - began, 1)
        sink(Step(f"{scenario.name}: {result} after {seconds:.0f} s" + (f": {message}" if message else "")))
        played.append(Played(scenario.name, scenario.summary, result, seconds, message))
    return played


def _play_one(site: Site, scenario: Scenario, names: Sequence[str], *, without_cluster: bool) -> tuple[Result, str]:
    if without_cluster and scenario.on_cluster:
        return "skipped", "install failed"
    try:
        prepare(site, scenario, names)
        scenario.run(site)
    except NotPlayedError as error:
        return "skipped", str(error)
    except BundlerError as error:
        site.spoilt.update(site.hosts)
        return "failed", str(error)
    return "passed", ""


def prepare(site: Site, scenario: Scenario, names: Sequence[str]) -> None:
    """Bring the hosts to where the scenario begins: nothing installed, or the cluster up."""
    if scenario.on_cluster:
        if site.installed != set(site.hosts):
            _look(site, names)
            install_scenario.run(site)
        return
    known = site.installed | site.spoilt
    used = [host for name, host in site.hosts.items() if name in known or not host.alive]
    for host in used:
        site.board.enter(host.name, BOOTING)
    site.each(lambda host: host.renew(), used)
    for host in used:
        for state in (site.installed, site.spoilt):
            state.discard(host.name)
        site.before.pop(host.name, None)
    _look(site, names)


def _look(site: Site, names: Sequence[str]) -> None:
    """How the fresh hosts are, where `uninstall` is going to ask: no two fresh ones are wholly alike."""
    if "uninstall" in names:
        new = [host for name, host in site.hosts.items() if name not in site.before.keys() | site.installed]
        site.before.update(site.each(take, new))
