"""The scenarios, each a small file; the order in which they are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from builder.errors import BundlerError
from builder.rehearse.scenarios import (
    clock,
    full_disk,
    install,
    pods,
    power_cut,
    reboot,
    rerun,
    tamper,
    uninstall,
    upgrade,
    wrong_host,
)
from builder.rehearse.site import Site


@dataclass(frozen=True)
class Scenario:
    """What it is called, what it shows in a sentence, and how it is played: on fresh hosts, or on the cluster."""

    name: str
    summary: str
    run: Callable[[Site], None]
    on_cluster: bool = False


ALL = (
    Scenario("wrong-host", "another node's bundle is refused, and nothing is written", wrong_host.run),
    Scenario("tamper", "a bundle with one byte changed is refused", tamper.run),
    Scenario("clock", "a host whose clock is outside the certificates' time is refused", clock.run),
    Scenario("full-disk", "a host without room is refused, and nothing is half there", full_disk.run),
    Scenario("install", "every bundle is installed, in any order; the nodes become Ready", install.run),
    Scenario("rerun", "install.sh again changes nothing and restarts nothing", rerun.run, on_cluster=True),
    Scenario("pods", "pods reach pods, Services and the outside, with the right addresses", pods.run, on_cluster=True),
    Scenario("reboot", "each host is rebooted; the node is Ready again", reboot.run, on_cluster=True),
    Scenario("upgrade", "over the bundles of before, host by host; one goes back, and forward again", upgrade.run),
    Scenario("uninstall", "the hosts are as they were before", uninstall.run, on_cluster=True),
    Scenario("power-cut", "power fails during install.sh; the next run completes", power_cut.run),
)
DEFAULT = ("install", "rerun", "pods")
DEFAULT_FROM = ("upgrade", "rerun", "pods")
"""Where there are bundles of before."""


def chosen(names: Sequence[str], default: Sequence[str] = DEFAULT) -> list[Scenario]:
    """The scenarios of these names, in the order in which they are played; no names: `default`; `all`: all of them.

    Raises BundlerError for a name that is none.
    """
    known = {scenario.name for scenario in ALL}
    unknown = sorted(set(names) - known - {"all"})
    if unknown:
        raise BundlerError(f"no scenario is called {', '.join(unknown)}", f"there are: all, {', '.join(sorted(known))}")
    wanted = known if "all" in names else set(names or default)
    return [scenario for scenario in ALL if scenario.name in wanted]
