"""The store: downloads by digest. A file is in it only when it is whole and right."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.model.recipe import Digest

_PIECE = 1024 * 1024


class Store:
    """Content-addressed files below one folder; several builds may use it at once.

    artifacts/sha256/<hex>    whole files, named by what they hash to
    artifacts/sha512/<hex>    the sha256 of the file that has this sha512
    images/<arch>/<hex>.tar   an image's archive; <hex> is the sha256 of REGISTRY/PATH:TAG@DIGEST
    images/<arch>/<hex>.sha256    the archive's own sha256
    unverified/<name>.part    what is being downloaded, or was cut off
    unverified/<name>.blobs/  the parts of an image that is being downloaded
    unverified/<name>.lock    held by the one who downloads it, or who writes bundler.lock
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, digest: Digest) -> Path | None:
        """The file of that digest, or None. Its name is its proof; it was hashed on its way in."""
        sha256 = digest.hex if digest.algorithm == "sha256" else self._sha256_of(digest)
        path = self._artifact(sha256) if sha256 else None
        return path if path is not None and path.is_file() else None

    def add(self, part: Path, digests: dict[str, str]) -> Path:
        """Take in a whole file, whose digests by algorithm are known: synced, then renamed."""
        target = self._artifact(digests["sha256"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.rename(target)
        if "sha512" in digests:
            self._remember(digests["sha512"], digests["sha256"])
        return target

    def image(self, name: str, digest: Digest, arch: str) -> tuple[Path, Digest] | None:
        """The archive of the image REGISTRY/PATH:TAG with that manifest digest, and the archive's own digest."""
        path = self._image(name, digest, arch)
        try:
            sha256 = path.with_suffix(".sha256").read_text().strip()
        except OSError:
            return None
        return (path, Digest("sha256", sha256)) if path.is_file() and re.fullmatch("[0-9a-f]{64}", sha256) else None

    def add_image(self, part: Path, sha256: str, name: str, digest: Digest, arch: str) -> Path:
        """Take in an image's whole archive, whose sha256 is known: synced, then renamed, its sha256 first."""
        target = self._image(name, digest, arch)
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        aside = part.with_suffix(".sha256")
        aside.write_text(sha256)
        aside.rename(target.with_suffix(".sha256"))
        part.rename(target)
        return target

    def verify(self, digest: Digest) -> bool:
        """Whether the file of that digest is there and still hashes to it."""
        path = self.path_of(digest)
        return path is not None and digest_of(path, digest.algorithm) == digest.hex

    @contextmanager
    def partial(self, name: str) -> Iterator[Path]:
        """The place for a download of that name, held against other builds for as long as the block runs."""
        with self.held(name):
            yield self.root / "unverified" / f"{name}.part"

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold that name against other threads and builds for as long as the block runs."""
        folder = self.root / "unverified"
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _artifact(self, sha256: str) -> Path:
        return self.root / "artifacts" / "sha256" / sha256

    def _image(self, name: str, digest: Digest, arch: str) -> Path:
        return self.root / "images" / arch / f"{hashlib.sha256(f'{name}@{digest}'.encode()).hexdigest()}.tar"

    def _sha256_of(self, digest: Digest) -> str:
        try:
            return (self.root / "artifacts" / "sha512" / digest.hex).read_text().strip()
        except OSError:
            return ""

    def _remember(self, sha512: str, sha256: str) -> None:
        folder = self.root / "artifacts" / "sha512"
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".new-{os.getpid()}-{sha512[:16]}"
        aside.write_text(sha256)
        aside.rename(folder / sha512)


def digest_of(path: Path, algorithm: str) -> str:
    """A file's digest, in hex."""
    found = hashlib.new(algorithm)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()
