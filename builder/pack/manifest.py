"""MANIFEST, manifest.json and SHA256SUMS: written from entries, and read back (docs/bundle-format.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from builder.errors import BundleError
from builder.model.bundle import Entry

FIRST_LINE = "# bundler manifest 1"
_LINE = re.compile(
    r"(?P<kind>file|block|dir|link) (?P<sha256>[0-9a-f]{64}|-) (?P<mode>[0-7]{4}|-) (?P<owner>0:0|-) "
    r"(?P<restarts>[A-Za-z0-9@._,-]+) (?P<path>/[A-Za-z0-9._@+/-]+)(?: (?P<target>/[A-Za-z0-9._@+/-]+))?"
)
_SUM = re.compile(r"(?P<sha256>[0-9a-f]{64})  \./(?P<path>[A-Za-z0-9._@+/-]+)")


def manifest_text(entries: Iterable[Entry]) -> bytes:
    """MANIFEST: one line per host path, sorted by path, for a shell's `read`."""
    lines = [FIRST_LINE, *(_line(entry) for entry in sorted(entries, key=lambda entry: entry.path))]
    return ("\n".join(lines) + "\n").encode("ascii")


def _line(entry: Entry) -> str:
    restarts = ",".join(entry.restarts) or "-"
    owner = "-" if entry.kind == "block" else "0:0"
    mode = f"{entry.mode:04o}" if entry.kind in {"file", "dir"} else "-"
    words = [entry.kind, entry.sha256 or "-", mode, owner, restarts, entry.path]
    return " ".join([*words, entry.target] if entry.kind == "link" else words)


def parse_manifest(text: str) -> list[Entry]:
    """MANIFEST's entries (size unknown: 0). Raises BundleError at the first line that is not one."""
    lines = text.split("\n")
    if lines[0] != FIRST_LINE or lines[-1]:
        raise BundleError("MANIFEST is not a bundler manifest of format 1", "build the bundle again")
    return [_entry(number, line) for number, line in enumerate(lines[1:-1], start=2)]


def _entry(number: int, line: str) -> Entry:
    match = _LINE.fullmatch(line)
    if match is None or (match["kind"] == "link") != (match["target"] is not None):
        raise BundleError(f"MANIFEST line {number} cannot be read", "build the bundle again")
    return Entry(
        kind=match["kind"],  # type: ignore[arg-type] # the pattern admits these four only
        path=match["path"],
        mode=int(match["mode"], 8) if match["mode"] != "-" else 0,
        sha256=match["sha256"].replace("-", ""),
        restarts=tuple(match["restarts"].split(",")) if match["restarts"] != "-" else (),
        target=match["target"] or "",
    )


def manifest_json(about: Mapping[str, Any], entries: Iterable[Entry]) -> bytes:
    """manifest.json: what the bundle is about, and the same entries for machines."""
    files = [_entry_dict(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    return (json.dumps({**about, "files": files}, indent=2, ensure_ascii=True) + "\n").encode()


def _entry_dict(entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": entry.kind, "path": entry.path}
    if entry.kind in {"file", "dir"}:
        fields["mode"] = f"{entry.mode:04o}"
    if entry.kind in {"file", "block"}:
        fields |= {"sha256": entry.sha256, "size": entry.size}
    if entry.restarts:
        fields["restarts"] = list(entry.restarts)
    if entry.component:
        fields["component"] = entry.component
    if entry.target:
        fields["target"] = entry.target
    return fields


def sums_text(digests: Mapping[str, str]) -> bytes:
    """SHA256SUMS for `sha256sum -c`: path below the bundle's folder -> sha256."""
    return "".join(f"{digests[path]}  ./{path}\n" for path in sorted(digests)).encode("ascii")


def parse_sums(text: str) -> dict[str, str]:
    """SHA256SUMS as path -> sha256. Raises BundleError for a line that is not one, or a path twice."""
    found: dict[str, str] = {}
    lines: Sequence[str] = text.split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        match = _SUM.fullmatch(line)
        if match is None or match["path"] in found:
            raise BundleError(f"SHA256SUMS line {number} cannot be read", "build the bundle again")
        found[match["path"]] = match["sha256"]
    if not found or lines[-1]:
        raise BundleError("SHA256SUMS is empty or cut off", "copy the bundle again")
    return found
