"""reboot: each host in turn; its node is Ready again, and pods still reach each other with their own addresses."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import BOOTING
from builder.rehearse.scenarios import pods
from builder.rehearse.site import Site, want
from builder.rehearse.steps import wait_for_cluster

_ROUTES = "ip -4 route | sort"
_SUBNET = "/run/flannel/subnet.env"
# 0 where the kernel does not know when a folder of /run was made
_MADE = f"stat -c %.6W {_SUBNET.rpartition('/')[0]}"
# in seconds as above; systemd counts microseconds from the boot, as /proc/uptime does seconds
_STARTED = r"""
systemctl show --property=InactiveExitTimestampMonotonic flanneld.service |
    awk -F = -v now="$(date +%s.%N)" -v up="$(cut -d ' ' -f 1 /proc/uptime)" '{ printf "%.6f", now - up + $2 / 1e6 }'
"""


def run(site: Site) -> None:
    """Routes and subnet.env after the boot are those from before; rules are proved by the pods at the end."""
    for host in site.hosts.values():
        one(site, host)
    if site.having("control-plane"):
        pods.run(site)


def one(site: Site, host: Host) -> None:
    """Raises ScenarioError with what the boot lost."""
    before, subnet = _lasting(host.run(_ROUTES).out), _subnet(host)
    site.board.enter(host.name, BOOTING)
    host.reboot()
    wait_for_cluster(site)
    lost = before - _lasting(host.run(_ROUTES).out)
    want(not lost, f"{host.name}: routes that the reboot lost: {'; '.join(sorted(lost))}")
    if subnet:
        want(_subnet(host) == subnet, f"{host.name}: {_SUBNET} is another one after the reboot")
        made, started = host.run(_MADE).out.strip(), host.run(_STARTED).out.strip()
        early = float(made) < float(started)
        want(early, f"{host.name}: {_SUBNET} was not there before flanneld: tmpfiles.d did not bring it back")


def _subnet(host: Host) -> str:
    """What flanneld and the CNI plugin go by; nothing on a host without flannel."""
    return host.run(f"cat {_SUBNET}", check=False).out


def _lasting(routes: str) -> set[str]:
    """Without what the CNI plugin makes with the first pod."""
    return {line.strip() for line in routes.splitlines() if " cni0 " not in f"{line} "}
