"""rerun: install.sh again says that there is nothing to do, touches no file and restarts no unit."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.site import Site, want
from builder.rehearse.snapshot import changed_since, take
from builder.rehearse.steps import run_installer, said, units, unpack

OURS = ("/etc/", "/opt/", "/usr/", "/var/lib/bundler")
_PROPERTIES = "Id,ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic,NRestarts"


def starts(host: Host) -> dict[str, dict[str, int]]:
    """Unit -> when it was started (microseconds since boot) and how often systemd itself restarted it."""
    shown = host.run(f"systemctl show --property={_PROPERTIES} {' '.join(units(host))}").out
    found = {}
    for block in shown.strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines())
        unit = fields.pop("Id")
        found[unit] = {name: int(value or 0) for name, value in fields.items()}
    return found


def restarted(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> tuple[list[str], list[str]]:
    """The units that somebody restarted; and those that failed, which systemd restarted: not install.sh's doing."""
    by_hand: list[str] = []
    by_systemd: list[str] = []
    for unit, was in before.items():
        now = after.get(unit, {})
        if now == was:
            continue
        (by_systemd if now.get("NRestarts", 0) > was["NRestarts"] else by_hand).append(unit)
    return by_hand, by_systemd


def run(site: Site) -> None:
    """On all hosts at once."""

    def one(host: Host) -> None:
        folder = unpack(site, host)
        files, units_before = take(host), starts(host)
        done = run_installer(site, host, folder)
        units_after, after = starts(host), take(host)
        want(done.code == 0 and "nothing to do" in done.out, f"{host.name}: install.sh again: {said(done)}")
        by_hand, by_systemd = restarted(units_before, units_after)
        want(not by_hand, f"{host.name}: install.sh again restarted {', '.join(by_hand)}")
        if by_systemd:
            site.note(f"{host.name}: {', '.join(by_systemd)} failed meanwhile, and systemd restarted it")
        touched = changed_since(files, after, only=OURS)
        want(not touched, f"{host.name}: install.sh again touched {', '.join(touched[:10])}")

    site.each(one)
