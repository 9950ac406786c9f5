"""power-cut: the power fails in the middle of install.sh; the next run completes it."""

from __future__ import annotations

import random

from builder.errors import BundlerError
from builder.rehearse.host import Host
from builder.rehearse.progress import BOOTING, INSTALLED, INSTALLING, OFF
from builder.rehearse.site import Site, want
from builder.rehearse.steps import run_installer, said, unpack, wait_for_cluster
from builder.rehearse.tree import differences


def run(site: Site) -> None:
    """Each host fails `power_cuts` times, after lines of install.sh that were drawn by lot, and is then installed."""
    seed = random.SystemRandom().randrange(10**6)
    site.note(f"power-cut: the moments were drawn with seed {seed}")

    def one(host: Host) -> None:
        lot = random.Random(f"{seed} {host.name}")  # noqa: S311 - no secret
        folder = unpack(site, host)
        dry = host.run(f"cd {folder} && ./install.sh --dry-run", check=False, timeout=600)
        steps = sum(line.startswith("would ") for line in dry.out.splitlines())
        # the run after a cut goes on from there, so that all of them together come about through the whole of it
        most = max(1, 2 * steps // (site.power_cuts + 1))
        at_work = 0
        for _ in range(site.power_cuts):
            at_work += cut(site, host, folder, lot.randint(1, most))
            site.board.enter(host.name, BOOTING)
            host.boot()
        site.note(f"{host.name}: of {site.power_cuts} power cuts {at_work} hit install.sh at work, in {steps} steps")
        site.board.enter(host.name, INSTALLING)
        done = run_installer(site, host, folder)
        want(done.code == 0, f"{host.name}: install.sh after the power cuts exited with {done.code}: {said(done)}")
        site.installed.add(host.name)
        site.board.enter(host.name, INSTALLED)
        wrong = differences(host)
        want(not wrong, f"{host.name}: after the power cuts not as MANIFEST says: {', '.join(wrong[:10])}")

    site.each(one)
    if site.whole:
        wait_for_cluster(site)


def cut(site: Site, host: Host, folder: str, line: int) -> bool:
    """Pull the plug as soon as install.sh has said so many lines, else when it has ended; whether it was at work."""
    left = line

    def follow(_line: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            site.board.enter(host.name, OFF)
            host.power_cut()

    try:
        host.run(f"cd {folder} && ./install.sh --wait 0", check=False, timeout=600, listener=follow)
    except BundlerError:
        if host.alive:
            raise
    at_work = not host.alive
    if not at_work:
        host.power_cut()
    return at_work
