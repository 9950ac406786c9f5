"""Writes a bundle: the node's own files first, then each shared file's header and its ready segment."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from builder.errors import BundleError
from builder.pack.gzip import CHUNK, member
from builder.pack.segment import Segment
from builder.pack.tar import DEFAULT_EPOCH, END, header, padding

OWN_FIRST = ("install.sh", "MANIFEST", "manifest.json", "SHA256SUMS")
"""These stand first, so that a reader of a large bundle knows at once what it is."""


@dataclass(frozen=True)
class OwnFile:
    """A file of this node alone; `name` is below the bundle's folder."""

    name: str
    mode: int
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class SharedFile:
    """A file that other bundles hold as well, by its segment."""

    name: str
    mode: int
    segment: Segment


def write_bundle(
    out: BinaryIO,
    top: str,
    own: Sequence[OwnFile],
    shared: Sequence[SharedFile],
    epoch: int = DEFAULT_EPOCH,
) -> None:
    """Write one tarball: gzip members end to end, the same bytes for the same files.

    Only headers and own files are compressed here; segments are appended as they are, by the kernel where
    `out` is a file. Raises BundleError for a name that tar cannot hold or that stands twice.
    """
    _no_name_twice([file.name for file in own] + [file.name for file in shared])
    out.write(member(_own_part(top, own, shared, epoch)))
    for file in sorted(shared, key=lambda file: file.name):
        content = file.segment.content
        out.write(member(header(f"{top}/{file.name}", size=content.size, mode=file.mode, epoch=epoch)))
        _append(out, file.segment)
    out.write(member(END))
    out.flush()


def _own_part(top: str, own: Sequence[OwnFile], shared: Iterable[SharedFile], epoch: int) -> bytes:
    """The folders of the whole bundle, then the node's own files, as plain tar."""
    part = io.BytesIO()
    # 0700: what is unpacked holds keys, whatever the umask of the one who unpacks
    part.write(header(f"{top}/", mode=0o700, epoch=epoch, directory=True))
    first = [file for name in OWN_FIRST for file in own if file.name == name]
    rest = sorted((file for file in own if file.name not in OWN_FIRST), key=lambda file: file.name)
    for file in first:
        _add(part, top, file, epoch)
    for folder in _folders([*(file.name for file in own), *(file.name for file in shared)]):
        part.write(header(f"{top}/{folder}/", mode=0o755, epoch=epoch, directory=True))
    for file in rest:
        _add(part, top, file, epoch)
    return part.getvalue()


def _add(part: BinaryIO, top: str, file: OwnFile, epoch: int) -> None:
    part.write(header(f"{top}/{file.name}", size=len(file.content), mode=file.mode, epoch=epoch))
    part.write(file.content + padding(len(file.content)))


def _folders(names: Iterable[str]) -> list[str]:
    found = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return sorted(found - {"."})


def _no_name_twice(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BundleError(f"{name} stands twice in one bundle", "let one component give it up")
        seen.add(name)


def _append(out: BinaryIO, segment: Segment) -> None:
    """Copy a segment to the end of `out` without bringing it into this process, where the kernel can."""
    with segment.path.open("rb") as source:
        try:
            target = out.fileno()
        except (OSError, AttributeError):
            shutil.copyfileobj(source, out, CHUNK)
            return
        out.flush()
        left = segment.packed_size
        while left:
            copied = os.sendfile(target, source.fileno(), None, left)
            if copied == 0:
                raise BundleError(f"{segment.path}: shorter than it was", "run the build again")
            left -= copied


def tarball_digest(path: Path) -> tuple[str, int]:
    """sha256 (hex) and size (bytes) of a finished tarball.

    The node's name stands in every header, so this one digest cannot be put together from its segments'.
    """
    found, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(CHUNK)
        while count := file.readinto(buffer):
            found.update(memoryview(buffer)[:count])
            size += count
    return found.hexdigest(), size
