"""What all refusals have in common: exit code 1, a reason, and a host on which nothing was touched."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.site import Site, want
from builder.rehearse.snapshot import changed_since, take
from builder.rehearse.steps import run_installer, said


def must_refuse(site: Site, host: Host, folder: str, reason: str) -> None:
    """install.sh there is refused for that reason, and writes nothing. Raises ScenarioError."""
    before = take(host)
    done = run_installer(site, host, folder)
    want(done.code == 1, f"{host.name}: install.sh exited with {done.code} instead of 1: {said(done)}")
    want(reason in done.err, f"{host.name}: install.sh was refused, but not for '{reason}': {said(done)}")
    touched = changed_since(before, take(host))
    want(not touched, f"{host.name}: install.sh was refused, but touched {', '.join(touched[:10])}")
