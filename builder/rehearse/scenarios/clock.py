"""clock: a host whose clock stands before or after the time of its certificates is refused."""

from __future__ import annotations

import re

from builder.rehearse.host import Host
from builder.rehearse.progress import REFUSED
from builder.rehearse.scenarios.refusal import must_refuse
from builder.rehearse.site import Site, want
from builder.rehearse.steps import unpack

_DAY = 86400


def run(site: Site) -> None:
    """A day before, a day after, and back to the true time."""

    def one(host: Host) -> None:
        folder = unpack(site, host)
        first, last = window(host.run(f"head -n 60 {folder}/install.sh").out)
        true, awake = (float(number) for number in host.run("date +%s; cut -d' ' -f1 /proc/uptime").out.split())
        try:
            for wrong in (first - _DAY, last + _DAY):
                host.run(f"date -s @{wrong}")
                must_refuse(site, host, folder, "[Clock]")
        finally:
            host.run(f"date -s @$(awk '{{ print int($1 + {true - awake}) }}' /proc/uptime)")
        site.board.enter(host.name, REFUSED)

    site.each(one)


def window(head: str) -> tuple[int, int]:
    """NOT_BEFORE and NOT_AFTER of install.sh's head, in epoch seconds."""
    found = [re.search(rf"^{name}='?(\d+)'?$", head, re.MULTILINE) for name in ("NOT_BEFORE", "NOT_AFTER")]
    want(all(found), "install.sh does not say from when until when it is good")
    first, last = (int(match.group(1)) for match in found if match)
    return first, last
