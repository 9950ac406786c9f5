"""Segments: a file's bytes, padded for tar and compressed once, kept by the digest of what is inside."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.pack.gzip import CHUNK, COMPRESSOR, member
from builder.pack.tar import padding

_READ_AHEAD = 8
"""Chunks under way at once: enough for many cores, at most 32 MiB of memory."""


@dataclass(frozen=True)
class Content:
    """What a file holds: `sha256` in hex, `size` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Segment:
    """A file ready to be appended: `path` holds gzip members, `packed_size` bytes in all."""

    content: Content
    path: Path
    packed_size: int
    packed_sha256: str


class SegmentCache:
    """Segments on disk, one folder per compressor; a segment counts only once its .json is there."""

    def __init__(self, root: Path) -> None:
        self._root = root / COMPRESSOR
        self._checked: set[str] = set()

    def find(self, content: Content) -> Segment | None:
        """The kept segment of that content, if it is whole: its bytes are hashed once per build."""
        data, record = self._places(content.sha256)
        try:
            kept = json.loads(record.read_text())
            segment = Segment(content, data, int(kept["packed_size"]), str(kept["packed_sha256"]))
            if int(kept["size"]) != content.size or data.stat().st_size != segment.packed_size:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if content.sha256 not in self._checked:
            if sha256_of(data) != segment.packed_sha256:
                return None
            self._checked.add(content.sha256)
        return segment

    def make(self, source: BinaryIO, pool: Executor) -> Segment:
        """Read `source` to its end and keep its segment; chunks are compressed by the pool's threads."""
        self._root.mkdir(parents=True, exist_ok=True)
        with _aside(self._root) as (temporary, out):
            plain, packed, sizes = hashlib.sha256(), hashlib.sha256(), [0, 0]
            for piece in _compressed(source, pool, plain, sizes):
                out.write(piece)
                packed.update(piece)
                sizes[1] += len(piece)
            out.flush()
            content = Content(plain.hexdigest(), sizes[0])
            data, record = self._places(content.sha256)
            data.parent.mkdir(exist_ok=True)
            temporary.rename(data)
        segment = Segment(content, data, sizes[1], packed.hexdigest())
        self._record(record, segment)
        self._checked.add(content.sha256)
        return segment

    def _record(self, record: Path, segment: Segment) -> None:
        fields = {
            "size": segment.content.size,
            "packed_size": segment.packed_size,
            "packed_sha256": segment.packed_sha256,
        }
        with _aside(self._root) as (temporary, out):
            out.write(json.dumps(fields).encode())
            out.flush()
            temporary.rename(record)

    def _places(self, sha256: str) -> tuple[Path, Path]:
        folder = self._root / sha256[:2]
        return folder / f"{sha256}.gz", folder / f"{sha256}.json"


class MemberIndex:
    """Remembers what was in an archive, by the archive's sha256, so that it is opened only once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, archive_sha256: str) -> dict[str, Content]:
        """The known members of that archive."""
        try:
            kept = json.loads((self._root / f"{archive_sha256}.json").read_text())
            return {name: Content(str(sha256), int(size)) for name, (sha256, size) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def keep(self, archive_sha256: str, members: dict[str, Content]) -> None:
        """Remember these members beside those known."""
        merged = {**self.find(archive_sha256), **members}
        text = json.dumps({name: [merged[name].sha256, merged[name].size] for name in sorted(merged)})
        self._root.mkdir(parents=True, exist_ok=True)
        with _aside(self._root) as (temporary, out):
            out.write(text.encode())
            out.flush()
            temporary.rename(self._root / f"{archive_sha256}.json")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            found.update(piece)
    return found.hexdigest()


@contextmanager
def _aside(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A temporary file that is gone afterwards unless it was renamed."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield temporary, out
    finally:
        temporary.unlink(missing_ok=True)


def _compressed(source: BinaryIO, pool: Executor, plain: hashlib._Hash, sizes: list[int]) -> Iterator[bytes]:
    """The gzip members of `source` in order; hashes and counts what is read on the way."""
    waiting: deque[Future[bytes]] = deque()
    chunk = source.read(CHUNK)
    while chunk:
        plain.update(chunk)
        sizes[0] += len(chunk)
        following = source.read(CHUNK)
        waiting.append(pool.submit(member, chunk if following else chunk + padding(sizes[0])))
        chunk = following
        if len(waiting) >= _READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
