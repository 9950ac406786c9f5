"""wrong-host: another node's bundle is refused, and nothing is written."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import REFUSED
from builder.rehearse.scenarios.refusal import must_refuse
from builder.rehearse.site import OTHER, NotPlayedError, Site
from builder.rehearse.steps import unpack


def run(site: Site) -> None:
    """On every host the bundle of the next one."""
    if any(OTHER not in sticks for sticks in site.sticks.values()):
        raise NotPlayedError("the cluster has one node, so there is no other's bundle")

    def one(host: Host) -> None:
        folder = unpack(site, host, OTHER)
        must_refuse(site, host, folder, "another host")
        host.run(f"rm -rf {folder}")
        site.board.enter(host.name, REFUSED)

    site.each(one)
