"""full-disk: a host without room is refused; one that fills up on the way fails cleanly, and can be put right."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import REFUSED
from builder.rehearse.scenarios.refusal import must_refuse
from builder.rehearse.site import Site, want
from builder.rehearse.steps import run_installer, said, unpack

_FILLER = "/var/tmp/rehearsal-filler"  # noqa: S108 - on a guest, by root
_LEFT = 40 << 20  # bytes: enough to begin with, too little for the binaries


def run(site: Site) -> None:
    """Refused first; then, told to ignore that, failed in the middle; nothing half-written stays."""

    def one(host: Host) -> None:
        folder = unpack(site, host)
        # all that root may write, who is not bound by what a file system keeps back for root
        free = "stat -f -c '%f * %S' /"
        host.run(f"fallocate -l $(($({free}) - {_LEFT})) {_FILLER}")
        try:
            must_refuse(site, host, folder, "[Disk]")
            done = run_installer(site, host, folder, "--ignore-preflight-errors=Disk")
            want(done.code == 1, f"{host.name}: on a full disk install.sh exited with {done.code}: {said(done)}")
            half = host.run("find /etc /opt /var/lib/bundler -name '*.bundler-new*'", check=False).out.split()
            want(not half, f"{host.name}: half-written files were left: {', '.join(half[:10])}")
        finally:
            host.run(f"rm -f {_FILLER}")
        gone = host.run(f"cd {folder} && ./install.sh --uninstall", check=False, timeout=300)
        want(gone.code == 0, f"{host.name}: --uninstall after it exited with {gone.code}: {said(gone)}")
        left = host.run("find /opt /var/lib/bundler -type f 2>/dev/null | head -n 5", check=False).out.split()
        want(not left, f"{host.name}: --uninstall after it left {', '.join(left)}")
        site.board.enter(host.name, REFUSED)

    site.each(one)
