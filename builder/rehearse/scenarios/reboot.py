"""reboot: each host in turn; its node is Ready again, and pods still reach each other with their own addresses."""

from __future__ import annotations

from builder.rehearse.progress import BOOTING
from builder.rehearse.scenarios import pods
from builder.rehearse.site import Site, want
from builder.rehearse.steps import wait_for_cluster

_ROUTES = "ip -4 route | sort"


def run(site: Site) -> None:
    """Routes after the boot are those from before; rules are proved by the pods at the end."""
    for host in site.hosts.values():
        before = _lasting(host.run(_ROUTES).out)
        site.board.enter(host.name, BOOTING)
        host.reboot()
        wait_for_cluster(site)
        lost = before - _lasting(host.run(_ROUTES).out)
        want(not lost, f"{host.name}: routes that the reboot lost: {'; '.join(sorted(lost))}")
    if site.having("control-plane"):
        pods.run(site)


def _lasting(routes: str) -> set[str]:
    """Without what the CNI plugin makes with the first pod."""
    return {line.strip() for line in routes.splitlines() if " cni0 " not in f"{line} "}
