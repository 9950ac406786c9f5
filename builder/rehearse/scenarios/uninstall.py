"""uninstall: after it and a boot the hosts are as before; without --purge, but for the data of the programs."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import BOOTING, WAITING
from builder.rehearse.site import NotPlayedError, Site, want
from builder.rehearse.snapshot import different, take
from builder.rehearse.steps import said, unpack

DATA = (
    "/etc/cni",
    "/opt/kubernetes/ssl/kubelet",
    "/var/lib/bundler/left",  # which says that they are
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
    """On every host, held to the snapshot from before the install; the first one is purged only after it was seen."""
    if not site.before:
        raise NotPlayedError("no snapshot was taken before the install")
    first = next(iter(site.hosts))

    def one(host: Host) -> None:
        left = _uninstalled(site, host, "--uninstall") if host.name == first else []
        more = [line for line in left if not _is_data(line)]
        want(not more, f"{host.name}: not as before: {'; '.join(more[:20])}")
        if left:
            site.note(f"{host.name}: --uninstall left the programs' own data ({len(left)} paths)")
        left = _uninstalled(site, host, "--uninstall --purge")
        want(not left, f"{host.name}: not as before, though it was purged: {'; '.join(left[:20])}")

    site.each(one)


def _uninstalled(site: Site, host: Host, words: str) -> list[str]:
    """What is not as before after that and a boot."""
    folder = unpack(site, host)
    done = host.run(f"cd {folder} && ./install.sh {words}", check=False, timeout=600)
    want(done.code == 0, f"{host.name}: install.sh {words} exited with {done.code}: {said(done)}")
    site.installed.discard(host.name)
    site.board.enter(host.name, BOOTING)
    host.reboot()
    site.board.enter(host.name, WAITING)
    return different(site.before[host.name], take(host))


def _is_data(line: str) -> bool:
    """Whether it is about such data, or a folder that holds nothing else."""
    what, _, path = line.partition(": ")
    if what != "new":
        return False
    return path.startswith(DATA) or any(data.startswith(f"{path}/") for data in DATA)
