"""bundler.lock: the digests of what no recipe pins, as they were first seen; every later build holds to them."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from builder.errors import LockError
from builder.model.recipe import Artifact, Digest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Origin = Literal["first-download", "upstream-checksum"]

_HEADER = """\
# Digests of what no recipe pins, as bundler first saw them. Commit this file: every build holds to it.
# origin: upstream-checksum (read from upstream's own checksum file) or first-download (nobody publishes one).
# To accept a changed file, delete its entry and run `bundler lock`.
"""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Locked:
    """One entry: `size` in bytes, `date` as YYYY-MM-DDTHH:MM:SSZ.

    Of an image, `digest` and `size` are of the manifest that its tag names, the same for every arch.
    """

    url: str
    digest: Digest
    size: int
    date: str
    origin: Origin


class Lock:
    """The lock file as it was read, and what this run adds. Whoever adds sees to it that nobody else does meanwhile."""

    def __init__(self, path: Path, entries: dict[str, Locked]) -> None:
        self._path = path
        self._entries = entries

    @classmethod
    def load(cls, path: Path) -> Lock:
        """Read a lock file; a missing one is empty. Raises LockError when it cannot be understood."""
        return cls(path, _read(path))

    def reread(self) -> None:
        """See what another build has written meanwhile. Raises LockError as `load` does."""
        self._entries = _read(self._path)

    def get(self, url: str) -> Locked | None:
        """What is known of upstream's URL."""
        return self._entries.get(url)

    def hold(self, pinned: Mapping[Artifact, Digest]) -> None:
        """Raise LockError where the lock says otherwise than a recipe, whose pins are given as sha256."""
        lines = [
            f"{artifact.title} is {locked.digest}, but {artifact.recipe} pins {sha256}"
            for artifact, sha256 in pinned.items()
            if (locked := self.get(artifact.url)) and locked.digest != sha256
        ]
        if lines:
            raise LockError(
                f"{self._path}: {'; '.join(lines)}",
                "find out which is right, then delete the lock's entry or mend the recipe",
            )

    def add(self, url: str, digest: Digest, size: int, now: datetime, origin: Origin) -> None:
        """Record a first sight, beside what other builds have recorded meanwhile."""
        self.reread()
        self._entries[url] = Locked(url, digest, size, now.strftime("%Y-%m-%dT%H:%M:%SZ"), origin)
        self._save()

    def _save(self) -> None:
        """Write aside, rename; entries sorted by URL."""
        parts = [_HEADER, *(_text(self._entries[url]) for url in sorted(self._entries))]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=self._path.parent, prefix=".bundler.lock-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write("\n".join(parts))
                out.flush()
                os.fsync(out.fileno())
            Path(aside).chmod(0o644)
            Path(aside).rename(self._path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise


def _read(path: Path) -> dict[str, Locked]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"{path}: cannot be read", "put it back from version control") from error
    try:
        entries = [_entry(item) for item in tomllib.loads(text).get("artifact", [])]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockError(f"{path}: damaged ({error})", "put it back from version control") from error
    found = {entry.url: entry for entry in entries}
    if len(found) != len(entries):
        raise LockError(f"{path}: damaged (a URL stands in it twice)", "find out which entry is right")
    return found


def _entry(item: dict[str, Any]) -> Locked:
    if not _DIGEST.fullmatch(item["digest"]) or item["origin"] not in {"first-download", "upstream-checksum"}:
        raise ValueError(f"entry of {item['url']}")
    digest = Digest("sha256", item["digest"].removeprefix("sha256:"))
    return Locked(str(item["url"]), digest, int(item["size"]), str(item["date"]), item["origin"])


def _text(entry: Locked) -> str:
    return (
        "[[artifact]]\n"
        f"url = {json.dumps(entry.url)}\n"
        f'digest = "{entry.digest}"\n'
        f"size = {entry.size}\n"
        f'date = "{entry.date}"\n'
        f'origin = "{entry.origin}"\n'
    )
