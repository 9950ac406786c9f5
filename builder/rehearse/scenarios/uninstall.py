"""uninstall: after it and a boot the hosts are as they were before; the first one's programs may keep their data."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import BOOTING, WAITING
from builder.rehearse.site import NotPlayedError, Site, want
from builder.rehearse.snapshot import different, take
from builder.rehearse.steps import said, unpack

DATA = (
    "/etc/cni",
    "/opt/kubernetes/ssl/kubelet",
    "/root/.kube",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/kubernetes",
    "/var/log/pods",
)
"""What the cluster's programs keep; docs/installer.md: only --purge removes data."""


def run(site: Site) -> None:
    """On every host, held to the snapshot from before the first install; with --purge on all but the first."""
    if not site.before:
        raise NotPlayedError("no snapshot was taken before the install")

    first = next(iter(site.hosts))

    def one(host: Host) -> None:
        folder = unpack(site, host)
        purged = host.name != first
        words = "--uninstall --purge" if purged else "--uninstall"
        done = host.run(f"cd {folder} && ./install.sh {words}", check=False, timeout=600)
        want(done.code == 0, f"{host.name}: install.sh {words} exited with {done.code}: {said(done)}")
        site.installed.discard(host.name)
        site.board.enter(host.name, BOOTING)
        host.reboot()
        site.board.enter(host.name, WAITING)
        found = different(site.before[host.name], take(host))
        left = [line for line in found if purged or not _is_data(line)]
        want(not left, f"{host.name}: not as before: {'; '.join(left[:20])}")
        if len(found) > len(left):
            site.note(f"{host.name}: --uninstall left the programs' own data ({len(found) - len(left)} paths)")

    site.each(one)


def _is_data(line: str) -> bool:
    """Whether it is about such data, or a folder that holds nothing else."""
    what, _, path = line.partition(": ")
    if what != "new":
        return False
    return path.startswith(DATA) or any(data.startswith(f"{path}/") for data in DATA)
