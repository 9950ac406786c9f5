"""Finds the file systems on a raw disk: by its partition table (MBR or GPT), or the whole disk as one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SECTOR = 512
_MAGIC = {  # name -> offset in the partition, bytes
    "ext4": (1024 + 56, b"\x53\xef"),
    "xfs": (0, b"XFSB"),
    "btrfs": (65536 + 64, b"_BHRfS_M"),
    "LVM": (512, b"LABELONE"),
    "LUKS": (0, b"LUKS\xba\xbe"),
}
_MOST_ENTRIES, _ENTRY = 128, 48
_NO_OFFSET = 2**63


@dataclass(frozen=True)
class FileSystem:
    """What lies at `offset` bytes; `kind` is ext4 (2 and 3, too), xfs, btrfs, LVM, LUKS or `unknown`."""

    offset: int
    kind: str


def file_systems(disk: Path) -> list[FileSystem]:
    """Those on the disk, in the order of its table."""
    with disk.open("rb") as file:
        whole = _kind(file, 0)
        if whole != "unknown":
            return [FileSystem(0, whole)]
        return [FileSystem(offset, _kind(file, offset)) for offset in _partitions(file)]


def _partitions(file: BinaryIO) -> Iterator[int]:
    """Where they begin. Logical partitions of an MBR are left out: no cloud image has its root on one."""
    if _at(file, 510, 2) != b"\x55\xaa":
        return
    header = _at(file, _SECTOR, 92)
    if header[:8] == b"EFI PART":
        first, count, size = struct.unpack_from("<QII", header, 72)
        for number in range(min(count, _MOST_ENTRIES)):
            entry = _at(file, first * _SECTOR + number * size, _ENTRY)
            if len(entry) == _ENTRY and any(entry[:16]):  # a type that is not all zeros: in use
                yield struct.unpack_from("<Q", entry, 32)[0] * _SECTOR
        return
    table = _at(file, 446, 64)
    for number in range(4):
        kind, start = table[number * 16 + 4], struct.unpack_from("<I", table, number * 16 + 8)[0]
        if kind and start:
            yield start * _SECTOR


def _kind(file: BinaryIO, offset: int) -> str:
    found = [name for name, (at, magic) in _MAGIC.items() if _at(file, offset + at, len(magic)) == magic]
    return found[0] if found else "unknown"


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Fewer bytes where the disk ends; a table may say anything."""
    if offset >= _NO_OFFSET:
        return b""
    file.seek(offset)
    return file.read(size)
