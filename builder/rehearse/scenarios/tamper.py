"""tamper: a bundle with one byte changed is refused, and nothing is written."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.progress import REFUSED
from builder.rehearse.scenarios.refusal import must_refuse
from builder.rehearse.site import Site
from builder.rehearse.steps import unpack

# the last byte of the largest file, turned over: neither its size nor its time says anything
_FLIP = """
cd {folder} &&
file=$(find root -type f -printf '%s %p\\n' | sort -n | tail -n 1 | cut -d' ' -f2-) &&
last=$(($(stat -c %s "$file") - 1)) &&
byte=$(od -An -tu1 -j "$last" -N 1 "$file" | tr -d ' ') &&
printf "\\\\$(printf %03o $((255 - byte)))" | dd of="$file" bs=1 seek="$last" conv=notrunc status=none
"""


def run(site: Site) -> None:
    """The byte is changed, the bundle refused, and the byte put back."""

    def one(host: Host) -> None:
        folder = unpack(site, host)
        flip = _FLIP.format(folder=folder)
        host.run(flip)
        try:
            must_refuse(site, host, folder, "damaged or was altered")
        finally:
            host.run(flip)
        site.board.enter(host.name, REFUSED)

    site.each(one)
