"""Reads archives from outside without trusting names, links, sizes or devices in them."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from builder.errors import ArchiveError


@dataclass(frozen=True)
class Limits:
    """What an honest archive stays below: entries, unpacked bytes, and unpacked bytes per packed byte."""

    entries: int = 20_000
    size: int = 4 * 1024**3
    ratio: int = 200


DEFAULT_LIMITS = Limits()
_PIECE = 1024 * 1024
_REMEDY = "do not use this archive"
_HEADERS = 1024 * 1024
"""Bytes that may stand between two entries' contents; tarfile keeps all of them in memory."""

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, UnicodeError, gzip.BadGzipFile, ValueError, RecursionError)


class _Counted:
    """The unpacked stream, counted as it is read: a bomb ends here and not on the disk."""

    def __init__(self, source: IO[bytes], path: Path, limits: Limits) -> None:
        self._source = source
        self._path = path
        self._most = min(limits.size, max(path.stat().st_size, 4096) * limits.ratio)
        self._count = 0
        self._headers_end = _HEADERS

    def read(self, size: int = -1) -> bytes:
        """Bytes of the stream."""
        piece = self._source.read(size)
        self._count += len(piece)
        if self._count > self._headers_end:
            raise ArchiveError(f"{self._path}: a header of more than {_HEADERS} bytes", _REMEDY)
        self._below_most(self._count)
        return piece

    def expect(self, offset: int) -> None:
        """The next entry's header is said to begin at `offset`. Checked at once: tarfile would seek there for hours."""
        self._below_most(offset)
        self._headers_end = offset + _HEADERS

    def drain(self) -> None:
        """Read to the end, where gzip's own checksum stands."""
        self._headers_end = self._most
        while self.read(_PIECE):
            pass

    def _below_most(self, size: int) -> None:
        if size > self._most:
            raise ArchiveError(f"{self._path}: unpacks to more than {self._most} bytes, like a bomb", _REMEDY)


class _Content:
    """A member's content; what is wrong with the archive shows up while it is read, too."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self._source = source
        self._path = path

    def read(self, size: int = -1) -> bytes:
        """Bytes of the member; all that are left without a size."""
        try:
            return self._source.read() if size < 0 else self._source.read(size)
        except _DAMAGE as error:
            raise _damaged(self._path, error) from error


def _damaged(path: Path, error: Exception) -> ArchiveError:
    return ArchiveError(f"{path}: not a whole tar archive ({error})", "fetch it again")


def read_members(
    path: Path, wanted: Sequence[str], limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[str, int, BinaryIO]]:
    """Give (name, size in bytes, content) of each wanted member, in the archive's order, as a stream.

    Names are compared without a leading `./`. Each content must be read before the next one is asked for.
    Only regular files are given out; nothing is written. Raises ArchiveError when the archive is damaged,
    too large, or hostile in any entry, or when members are missing, which lists them all.
    """
    sought = {_normal(name): name for name in wanted}
    found: set[str] = set()
    try:
        with path.open("rb") as file, _unpacked(file) as plain:
            counted = _Counted(plain, path, limits)
            with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|") as archive:
                for info in _checked(archive, path, limits):
                    counted.expect(archive.offset)
                    name = sought.get(_normal(info.name))
                    if name is not None:
                        yield name, info.size, _content(archive, info, path, found)
                counted.drain()
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    missing = sorted(set(wanted) - {sought[name] for name in found})
    if missing:
        raise ArchiveError(f"{path}: holds no {', '.join(missing)}", "mend [[file]] member in the recipe")


def _unpacked(file: BinaryIO) -> IO[bytes]:
    """The tar stream inside: gzip by its first two bytes, else as it is."""
    magic = file.read(2)
    file.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb")) if magic == b"\x1f\x8b" else file


def _checked(archive: tarfile.TarFile, path: Path, limits: Limits) -> Iterator[tarfile.TarInfo]:
    """The entries, each safe to look at; one that could lead outside condemns the whole archive."""
    for count, info in enumerate(archive, start=1):
        if count > limits.entries:
            raise ArchiveError(f"{path}: more than {limits.entries} entries", _REMEDY)
        if not _is_inside(info.name):
            raise ArchiveError(f"{path}: {info.name!r} lies outside the archive", _REMEDY)
        if (info.issym() or info.islnk()) and not _is_inside(_target(info)):
            raise ArchiveError(f"{path}: {info.name!r} is a link that leads outside the archive", _REMEDY)
        if info.ischr() or info.isblk() or info.isfifo():
            raise ArchiveError(f"{path}: {info.name!r} is a device or a pipe", _REMEDY)
        yield info


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path, found: set[str]) -> BinaryIO:
    name = _normal(info.name)
    if not info.isreg() or info.issparse():
        raise ArchiveError(f"{path}: {info.name!r} is not a regular file", _REMEDY)
    if name in found:
        raise ArchiveError(f"{path}: {info.name!r} stands in it twice", _REMEDY)
    found.add(name)
    content = archive.extractfile(info)
    if content is None:
        raise ArchiveError(f"{path}: {info.name!r} has no content", _REMEDY)
    return cast("BinaryIO", _Content(content, path))


def _normal(name: str) -> str:
    return name.removeprefix("./")


def _target(info: tarfile.TarInfo) -> str:
    """Where a link leads: a symbolic one from its own folder, a hard one from the archive's top."""
    if info.linkname.startswith("/") or info.islnk():
        return info.linkname
    return str(PurePosixPath(info.name).parent / info.linkname)


def _is_inside(name: str) -> bool:
    depth = 0
    for part in name.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return False
    return bool(name) and not name.startswith("/") and "\0" not in name
