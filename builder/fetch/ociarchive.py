"""An image as one file: an OCI image layout in a tar, the same bytes from every build."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from builder.errors import FetchError

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Image:
    """One image for one arch, all of it on disk.

    `name` is REGISTRY/PATH:TAG, `descriptor` that of its manifest (mediaType, digest, size, platform), `blobs`
    the files of manifest, config and layers by the hex of their sha256.
    """

    name: str
    tag: str
    descriptor: Mapping[str, Any]
    blobs: Mapping[str, Path]


def write_archive(image: Image, path: Path) -> str:
    """Write the archive, its index in front, and give its sha256 in hex.

    No time, owner or order of this machine is in it. Every blob is hashed on its way in; one that rotted on
    this disk is removed and raises FetchError.
    """
    with path.open("wb") as file:
        out = _Hashing(file)
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:  # type: ignore[call-overload]
            _add(archive, "oci-layout", io.BytesIO(_LAYOUT), len(_LAYOUT))
            index = _index(image)
            _add(archive, "index.json", io.BytesIO(index), len(index))
            for name in sorted(image.blobs):
                _add_blob(archive, name, image.blobs[name])
    return out.hexdigest()


def _index(image: Image) -> bytes:
    """index.json on one line: the host's script reads name and digest out of it by sed."""
    named = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.tag}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX_TYPE,
        "manifests": [{**image.descriptor, "annotations": named}],
    }
    return json.dumps(index, sort_keys=True, separators=(",", ":")).encode()


def _add_blob(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as file:
        source = _Hashing(file)
        _add(archive, f"blobs/sha256/{name}", source, path.stat().st_size)
    if source.hexdigest() != name:
        path.unlink()
        raise FetchError(f"{path}: damaged on this disk", "run it again to fetch it again")


def _add(archive: tarfile.TarFile, name: str, source: Any, size: int) -> None:
    info = tarfile.TarInfo(name)  # mtime, uid and gid are 0 and the owner's names empty by themselves
    info.size = size
    info.mode = 0o644
    archive.addfile(info, source)


class _Hashing:
    """A file that hashes what is read from it or written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes."""
        piece = self._file.read(size)
        self._hash.update(piece)
        return piece

    def write(self, piece: bytes) -> int:
        """Append a piece."""
        self._hash.update(piece)
        return self._file.write(piece)

    def hexdigest(self) -> str:
        """The sha256 of all that passed."""
        return self._hash.hexdigest()
