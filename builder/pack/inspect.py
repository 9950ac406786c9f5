"""Reads a bundle without unpacking it and without trusting it: names, kinds, digests, manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from builder.errors import BundleError
from builder.model.bundle import Entry
from builder.pack.manifest import parse_manifest, parse_sums

_SMALL = 16 * 1024 * 1024
"""Bytes: no MANIFEST, manifest.json or SHA256SUMS is larger."""

_KEPT = ("MANIFEST", "manifest.json", "SHA256SUMS")
_OWN = ("install.sh", *_KEPT)
_SIGNATURE = "SHA256SUMS.sig"
_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Found:
    """One file as it lies in the tarball."""

    sha256: str
    size: int
    mode: int


@dataclass(frozen=True)
class Bundle:
    """What a bundle says and holds. `files` is by name below the bundle's folder."""

    node: str
    about: dict[str, Any]
    entries: tuple[Entry, ...]
    sums: dict[str, str]
    files: dict[str, Found] = field(repr=False)
    sums_text: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)


def about_bundle(path: Path) -> dict[str, Any]:
    """manifest.json alone: it stands at the front, so a bundle of any size answers at once."""
    with _Opened(path) as archive:
        for info in archive:
            if info.isfile() and info.name.endswith("/manifest.json") and info.name.count("/") == 1:
                return _json(_text(archive, info))
    raise BundleError(f"{path}: holds no manifest.json", "give a tarball that bundler built")


def read_bundle(path: Path) -> Bundle:
    """Read and hash everything. Raises BundleError for whatever is not a whole, honest bundle."""
    kept: dict[str, str] = {}
    files: dict[str, Found] = {}
    signature = None
    top = ""
    opened = _Opened(path)
    with opened as archive:
        for info in archive:
            top = top or info.name.split("/", 1)[0]
            name = _name_below(info, top, path)
            if info.isdir():
                continue
            if name in files or (name == _SIGNATURE and signature is not None):
                raise BundleError(f"{path}: {name} stands in it twice", "do not use this bundle")
            if name in _KEPT:
                kept[name] = _text(archive, info)
                content = kept[name].encode()
                files[name] = Found(hashlib.sha256(content).hexdigest(), len(content), info.mode)
            elif name == _SIGNATURE:
                signature = _content(archive, info).read(_PIECE)
            else:
                files[name] = _hashed(archive, info)
        opened.nothing_behind()
    missing = [name for name in _OWN if name not in files]
    if missing:
        raise BundleError(f"{path}: holds no {', '.join(missing)}", "give a tarball that bundler built")
    entries = tuple(parse_manifest(kept["MANIFEST"]))
    sums = kept["SHA256SUMS"]
    return Bundle(top, _json(kept["manifest.json"]), entries, parse_sums(sums), files, sums.encode(), signature)


def verify_bundle(path: Path) -> Bundle:
    """Check every digest, and that the bundle holds just what it lists.

    Raises BundleError that lists everything that is wrong.
    """
    bundle = read_bundle(path)
    wrong = sorted({*_against_sums(bundle), *_against_manifest(bundle)})
    if wrong:
        listed = "\n".join(f"  {line}" for line in wrong)
        raise BundleError(f"{path}: damaged or altered\n{listed}", "copy or build it again")
    return bundle


def _against_sums(bundle: Bundle) -> Iterator[str]:
    for name in bundle.sums.keys() - bundle.files.keys():
        yield f"{name}: missing"
    for name, found in bundle.files.items():
        if name == "SHA256SUMS":
            continue
        if name not in bundle.sums:
            yield f"{name}: not listed in SHA256SUMS"
        elif bundle.sums[name] != found.sha256:
            yield f"{name}: its digest is {found.sha256[:12]}…, listed is {bundle.sums[name][:12]}…"


def _against_manifest(bundle: Bundle) -> Iterator[str]:
    listed = {}
    for entry in bundle.entries:
        if entry.kind in {"file", "block"}:
            folder = "root" if entry.kind == "file" else "blocks"
            listed[folder + entry.path] = entry
    for name in bundle.files.keys() - listed.keys() - set(_OWN):
        yield f"{name}: not listed in MANIFEST"
    for name, entry in listed.items():
        found = bundle.files.get(name)
        if found is None:
            yield f"{name}: listed in MANIFEST, missing"
        elif found.sha256 != entry.sha256:
            yield f"{name}: not what MANIFEST says"
    if bundle.about.get("node") != bundle.node:
        yield f"manifest.json is about {bundle.about.get('node')!r}, the folder is {bundle.node!r}"


class _Opened:
    """A tarball as a stream of entries; what is wrong with the file itself becomes one BundleError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> tarfile.TarFile:
        try:
            self._gzip = gzip.open(self._path, "rb")
            self._tar = tarfile.open(fileobj=self._gzip, mode="r|")
        except BaseException as error:
            raise self._said(error) from error
        return self._tar

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._gzip.close()
        if error is not None and not isinstance(error, BundleError):
            raise self._said(error) from error

    def nothing_behind(self) -> None:
        """After the end of the archive only zeros may follow: hidden bytes would pass no check."""
        while piece := self._gzip.read(_PIECE):
            if piece.strip(b"\0"):
                raise BundleError(f"{self._path}: bytes behind its end", "do not use this bundle")

    def _said(self, error: BaseException) -> BaseException:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            return BundleError(f"{self._path}: {error.strerror}", "give the path of a bundle")
        if isinstance(error, OSError | EOFError | zlib.error | tarfile.TarError | UnicodeDecodeError):
            return BundleError(f"{self._path}: not a whole bundle ({error})", "copy or build it again")
        return error


def _name_below(info: tarfile.TarInfo, top: str, path: Path) -> str:
    """The name below the bundle's one folder; refuses everything that is not a plain file or folder."""
    parts = info.name.split("/")
    if not (info.isfile() or info.isdir()) or info.issparse():
        raise BundleError(f"{path}: {info.name} is neither file nor folder", "do not use this bundle")
    if parts[0] != top or not top or any(part in {"", ".", ".."} for part in parts):
        raise BundleError(f"{path}: {info.name} lies outside the bundle", "do not use this bundle")
    return "/".join(parts[1:])


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(info)
    if content is None:
        raise BundleError(f"{info.name}: has no content", "do not use this bundle")
    return content


def _text(archive: tarfile.TarFile, info: tarfile.TarInfo) -> str:
    if info.size > _SMALL:
        raise BundleError(f"{info.name}: implausibly large", "do not use this bundle")
    try:
        return _content(archive, info).read().decode("ascii")
    except UnicodeDecodeError as error:
        raise BundleError(f"{info.name}: not plain text", "copy or build the bundle again") from error


def _hashed(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Found:
    found = hashlib.sha256()
    content = _content(archive, info)
    while piece := content.read(_PIECE):
        found.update(piece)
    return Found(found.hexdigest(), info.size, info.mode)


def _json(text: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
    except ValueError as error:
        raise BundleError("manifest.json cannot be read", "copy or build the bundle again") from error
    if not isinstance(about, dict):
        raise BundleError("manifest.json is not a mapping", "copy or build the bundle again")
    return about
