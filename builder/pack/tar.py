"""Tar headers that say the same whoever builds, wherever and whenever."""

from __future__ import annotations

import tarfile

from builder.errors import BundleError

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two empty blocks end an archive (POSIX.1-2008, pax, "ustar Interchange Format")."""

DEFAULT_EPOCH = 1651536000
"""The time of every file in a bundle unless SOURCE_DATE_EPOCH says otherwise: 2022-05-03, Kubernetes 1.24."""


def header(name: str, *, size: int = 0, mode: int, epoch: int = DEFAULT_EPOCH, directory: bool = False) -> bytes:
    """The 512 bytes before a file's content: owner root, no names, one time for all.

    Raises BundleError for a name that ustar cannot hold (over 255 bytes, or not to be split).
    """
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if directory else tarfile.REGTYPE
    info.size = size
    info.mode = mode
    info.mtime = epoch
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except (ValueError, UnicodeEncodeError) as error:
        raise BundleError(f"{name}: no name for a tar archive", "shorten the path") from error


def padding(size: int) -> bytes:
    """The zeros that fill the last block of a file of that size (bytes)."""
    return bytes(-size % BLOCK)
