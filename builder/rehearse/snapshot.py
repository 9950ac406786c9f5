"""A host as a whole, and what differs between two times: files, units, rules, sysctls, links, routes."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.rehearse.host import Host

# Files are known by all that stat says; those below /etc, /opt, /usr/local and /root by their content, and those below
# the first three by their extended attributes and ACLs, too: few machines have getfattr, but all have tar, which is
# given empty copies. The unused rest of a rule's line (counters) and what differs between any two moments is left out.
_SCRIPT = r"""
echo '== attributes'
copies=/root/rehearsal/attributes
mkdir -p "$copies"
cd / && cp -a --attributes-only --parents etc opt usr/local "$copies"
tar -C "$copies" --xattrs --xattrs-include='*' --acls --pax-option='delete=?time' -cf - . | gzip | base64
rm -rf "$copies"
echo '== files'
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root/rehearsal \) \
    -prune -o -printf '%p\t%y\t%m\t%U:%G\t%s\t%T@\t%C@\t%l\n'
echo '== digests'
find /etc /opt /usr/local /root -xdev -path /root/rehearsal -prune -o -type f -size -{most}k -print0 |
    xargs -0 -r sha256sum
echo '== units'
systemctl list-unit-files --no-legend --no-pager --plain | awk '{ print $1, $2 }' | sort
echo '== rules'
iptables-save | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//g'
echo '== sysctls'
sysctl -a 2>/dev/null | sort
echo '== links'
ip -o link | awk '{ print $2 }' | sort
echo '== routes'
ip -4 route | sort
"""
_MOST_HASHED = 1024  # KiB; a larger one is known by its size and time, or an emulated machine takes minutes

_VOLATILE = (
    "/etc/.updated",
    "/root/.bash_history",
    "/var/.updated",
    "/var/backups",
    "/var/cache",
    "/var/lib/logrotate",
    "/var/lib/private",
    "/var/lib/systemd",
    "/var/log/btmp",
    "/var/log/journal",
    "/var/log/lastlog",
    "/var/log/wtmp",
    "/var/tmp",  # noqa: S108 - a path on a guest
)
_VOLATILE_SYSCTLS = (
    "dev.cdrom",
    "fs.dentry-state",
    "fs.file-nr",
    "fs.inode-",
    "fs.quota",
    "kernel.hostname",
    "kernel.ns_last_pid",
    "kernel.perf_event_max_sample_rate",
    "kernel.pty.nr",
    "kernel.random",
    "net.netfilter.nf_conntrack_count",
    "vm.user_reserve_kbytes",  # the kernel's, by the memory that is free at its boot
)


@dataclass(frozen=True)
class File:
    """What stands at a path: kind by find(1)'s letter, times as it prints them.

    `sha256` and `attributes` (extended attributes and ACLs, by tar's names) are empty where they were not read.
    """

    kind: str
    mode: str
    owner: str
    size: int
    modified: str
    changed: str
    target: str
    sha256: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """`others` are lines by section: units, rules, sysctls, links, routes."""

    files: dict[str, File]
    others: dict[str, frozenset[str]]


def take(host: Host) -> Snapshot:
    """The host as it is now."""
    return parse(host.run(_SCRIPT.replace("{most}", str(_MOST_HASHED)), timeout=300).out)


def parse(text: str) -> Snapshot:
    """What the script printed."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("== "):
            sections[line[3:]] = []
        elif line:
            sections[list(sections)[-1]].append(line)
    digests = {path: digest for digest, path in (line.split("  ", 1) for line in sections.pop("digests"))}
    attributes = _attributes("".join(sections.pop("attributes")))
    files = {}
    for line in sections.pop("files"):
        path, kind, mode, owner, size, modified, changed, target = line.split("\t")
        known = digests.get(path, ""), attributes.get(path, ())
        files[path] = File(kind, mode, owner, int(size), modified, changed, target, *known)
    return Snapshot(files, {name: frozenset(lines) for name, lines in sections.items()})


def _attributes(archive: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """By path, from tar's archive in base64, gzipped; none where the host's tar knows no attributes."""
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive)), mode="r:gz") as members:
            return {
                member.name.removeprefix("."): tuple(sorted(member.pax_headers.items()))
                for member in members
                if member.pax_headers
            }
    except tarfile.ReadError:
        return {}


def changed_since(before: Snapshot, after: Snapshot, only: Sequence[str] = ("/",)) -> list[str]:
    """Paths that were touched in any way, if only written anew with the same content: their time of change says so."""
    return [path for path in _paths(before, after) if path.startswith(tuple(only)) and _touched(path, before, after)]


def _touched(path: str, before: Snapshot, after: Snapshot) -> bool:
    return before.files.get(path) != after.files.get(path)


def different(before: Snapshot, after: Snapshot) -> list[str]:
    """What a person would call different: a sentence for each path and line."""
    found = []
    for path in _paths(before, after):
        was, now = before.files.get(path), after.files.get(path)
        if was is None or now is None:
            found.append(f"{'gone' if now is None else 'new'}: {path}")
        elif what := _difference(was, now):
            found.append(f"{what} changed: {path}")
    for section, lines in before.others.items():
        found += [f"{section}, gone: {line}" for line in sorted(lines - after.others[section]) if _steady(line)]
        found += [f"{section}, new: {line}" for line in sorted(after.others[section] - lines) if _steady(line)]
    return found


def _difference(was: File, now: File) -> str:
    """The kind of difference, or nothing. A folder's size and times say only that something came and went."""
    if (was.kind, was.target) != (now.kind, now.target):
        return "kind"
    if (was.mode, was.owner) != (now.mode, now.owner):
        return "mode"
    if was.attributes != now.attributes:
        return "attributes"
    if was.kind != "f":
        return ""
    if was.sha256 or now.sha256:
        return "content" if was.sha256 != now.sha256 else ""
    return "content" if (was.size, was.modified) != (now.size, now.modified) else ""


def _paths(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for path in sorted(before.files.keys() | after.files.keys()):
        if not any(path == name or path.startswith(f"{name}/") for name in _VOLATILE):
            yield path


def _steady(line: str) -> bool:
    return not line.startswith(_VOLATILE_SYSCTLS)
