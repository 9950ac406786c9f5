"""wrong-host: another node's bundle is refused, and nothing is written."""

from __future__ import annotations

from builder.rehearse.progress import REFUSED
from builder.rehearse.scenarios.refusal import must_refuse
from builder.rehearse.site import OTHER, NotPlayedError, Site
from builder.rehearse.steps import unpack


def run(site: Site) -> None:
    """On the first host the bundle of the next one: unpacking another on each would take minutes, and show no more."""
    host = next(iter(site.hosts.values()))
    if OTHER not in site.sticks[host.name]:
        raise NotPlayedError("the cluster has one node, so there is no other's bundle")
    folder = unpack(site, host, OTHER)
    must_refuse(site, host, folder, "another host")
    host.run(f"rm -rf {folder}")
    site.board.enter(host.name, REFUSED)
