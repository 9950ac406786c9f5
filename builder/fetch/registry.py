"""Images from a registry, without any container engine: manifests, config and layers, each by its digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import FetchError
from builder.fetch.http import Http, StatusError
from builder.fetch.mirrors import registry_of, without_credentials
from builder.fetch.ociarchive import Image
from builder.fetch.registryauth import RegistryAuth
from builder.model.recipe import Digest

SCHEME = "docker://"

_SMALL = 4 * 1024 * 1024
"""Bytes: what a registry has to take as a manifest, and more than any has; a config is as small."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ACCEPT = (
    f"{_MANIFEST}, {_DOCKER_MANIFEST}, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_HOST = r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost)(?::[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5}"
_PATH = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_REFERENCE = re.compile(rf"(?P<registry>{_HOST})/(?P<path>{_PATH}):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})")
_PLATFORM = ("os", "architecture", "variant")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_NOT_FOUND = 404
_REMEDIES = {
    401: "log in (`docker login`, `skopeo login --authfile`, or DOCKER_CONFIG), or check the name: many registries "
    "answer so for what they do not have",
    403: "log in as somebody who may read it, or check the name",
    404: "check the image's name and tag, or use another mirror",
    429: "log in, wait, or use --image-mirror",
}


@dataclass(frozen=True)
class Reference:
    """REGISTRY/PATH:TAG, as containerd and the kubelet name the image."""

    registry: str
    path: str
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def repository(self) -> str:
        """The name without its tag."""
        return f"{self.registry}/{self.path}"


def parse_reference(url: str) -> Reference:
    """The image of a docker:// URL. Raises FetchError when registry, path or tag is missing."""
    match = _REFERENCE.fullmatch(url.removeprefix(SCHEME))
    if match is None or not url.startswith(SCHEME):
        raise FetchError(
            f"{url}: not docker://REGISTRY/PATH:TAG", "write it in full, e.g. docker://docker.io/library/busybox:1.36"
        )
    path = match["path"]
    if match["registry"] == "docker.io" and "/" not in path:
        path = f"library/{path}"  # as every runtime reads that short name
    return Reference(match["registry"], path, match["tag"])


def docker_config(environ: Mapping[str, str]) -> Path | None:
    """docker's config.json of this user, where there is one."""
    folder = environ.get("DOCKER_CONFIG") or (f"{environ['HOME']}/.docker" if environ.get("HOME") else "")
    path = Path(folder, "config.json")
    return path if folder and path.is_file() else None


@dataclass(frozen=True)
class Pulled:
    """An image that was fetched; `digest` and `size` (bytes) are of the manifest that its tag names."""

    image: Image
    digest: Digest
    size: int


@dataclass(frozen=True)
class _Blob:
    """What a manifest says of a blob."""

    hex: str
    size: int
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{self.hex}"


class Puller:
    """Fetches one image; not for two threads. `config` is docker's config.json, or None for no credentials."""

    def __init__(self, http: Http, reference: Reference, mirrors: Mapping[str, str], config: Path | None) -> None:
        with _named(str(reference)):
            registry, path = registry_of(reference.repository, mirrors)
            scheme, _, host = registry.partition("://")
            self._base = f"{scheme}://{host.rpartition('@')[2]}/v2/{path}"
            self._auth = RegistryAuth(http.session(), registry, config)
        self._http = http
        self._reference = reference
        served = without_credentials(registry).partition("://")[2]
        self._shown = str(reference) if served == reference.registry else f"{reference} (from {self._base})"

    def pull(
        self, arch: str, expected: Digest | None, folder: Path, progress: Callable[[int, int | None], None]
    ) -> Pulled:
        """Fetch the image for `arch` into `folder`, where whole blobs of an earlier run are used.

        `expected` is the digest of what the tag names. Raises FetchError naming the image, and the mirror.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with _named(self._shown):
            top = self._top(expected)
            digest = Digest("sha256", hashlib.sha256(top).hexdigest())
            document = _parsed(top)
            platform: dict[str, Any] | None = None
            raw = top
            if "manifests" in document:
                blob, platform = _member(document, arch)
                raw = self._manifest(blob.digest)
                _hold(blob, hashlib.sha256(raw).hexdigest(), len(raw))
                document = _parsed(raw)
            kind = _media_type(document)
            config, layers = _parts(document)
            blobs = self._blobs([config, *layers], folder, progress)
            if platform is None:
                platform = _platform(blobs[config.hex], arch)
            name = hashlib.sha256(raw).hexdigest()
            (folder / name).write_bytes(raw)
            descriptor = {
                "mediaType": kind,
                "digest": f"sha256:{name}",
                "size": len(raw),
                "platform": platform,
            }
            image = Image(str(self._reference), self._reference.tag, descriptor, {**blobs, name: folder / name})
        return Pulled(image, digest, len(top))

    def _top(self, expected: Digest | None) -> bytes:
        """What the tag names, or what `expected` does, whatever the tag names now."""
        if expected is None:
            return self._manifest(self._reference.tag)
        try:
            content = self._manifest(str(expected))
        except StatusError as error:
            if error.status != _NOT_FOUND:
                raise
            content = self._manifest(self._reference.tag)  # to say what is there instead
        found = hashlib.new(expected.algorithm, content).hexdigest()
        if found != expected.hex:
            raise FetchError(
                f"its digest is {expected.algorithm}:{found}, wanted {expected}",
                "use another mirror (one that holds all architectures: skopeo copy --all), or mend the pinned digest",
            )
        return content

    def _manifest(self, name: str) -> bytes:
        return self._http.content(f"{self._base}/manifests/{name}", {"Accept": _ACCEPT}, self._auth, _SMALL)

    def _blobs(self, wanted: list[_Blob], folder: Path, progress: Callable[[int, int | None], None]) -> dict[str, Path]:
        """Every blob once, by its hex."""
        unique = {blob.hex: blob for blob in wanted}
        total, before = sum(blob.size for blob in unique.values()), 0

        def report(received: int, _total: int | None) -> None:
            progress(before + received, total)

        for blob in unique.values():
            self._blob(blob, folder, report)
            before += blob.size
        return {name: folder / name for name in unique}

    def _blob(self, blob: _Blob, folder: Path, progress: Callable[[int, int | None], None]) -> None:
        """A blob that is whole and right has its digest as its name; one under way ends in .part."""
        whole, part = folder / blob.hex, folder / f"{blob.hex}.part"
        if whole.exists():
            return
        place = f"{self._base}/blobs/{blob.digest}"
        continued = part.exists()
        received = self._http.download(place, part, {"sha256"}, progress, resume=True, auth=self._auth)
        if continued and received.digests["sha256"] != blob.hex:
            part.unlink(missing_ok=True)  # what an earlier run left was no beginning of it
            received = self._http.download(place, part, {"sha256"}, progress, resume=True, auth=self._auth)
        part.touch()  # an empty one leaves no file
        try:
            _hold(blob, received.digests["sha256"], received.size)
        except FetchError:
            part.unlink()
            raise
        part.rename(whole)


@contextmanager
def _named(shown: str) -> Iterator[None]:
    """Name the image in whatever goes wrong with it."""
    try:
        yield
    except StatusError as error:
        raise FetchError(
            f"{shown}: {error.message}", _REMEDIES.get(error.status, "try again, or use a mirror")
        ) from error
    except FetchError as error:
        raise FetchError(f"{shown}: {error.message}", error.remedy.replace("--mirror", "--image-mirror")) from error


def _parsed(content: bytes) -> dict[str, Any]:
    """A manifest or a list of them. Raises FetchError for what is neither, or may be read as both."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or ("manifests" in document) == ("layers" in document):
        raise _damaged("is neither an image nor a list of images")
    return document


def _member(document: Mapping[str, Any], arch: str) -> tuple[_Blob, dict[str, Any]]:
    """The manifest for linux on that arch, and its platform. Raises FetchError when the list has none."""
    entries = document["manifests"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _damaged("has no list of manifests")
    platforms = [entry.get("platform") or {} for entry in entries]
    for entry, platform in zip(entries, platforms, strict=True):
        if isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", arch):
            return _blob(entry), {key: str(platform[key]) for key in _PLATFORM if key in platform}
    known = sorted({str(platform.get("architecture")) for platform in platforms if isinstance(platform, dict)})
    raise FetchError(f"is not there for linux/{arch}, only for {', '.join(known)}", "choose another image or tag")


def _media_type(document: Mapping[str, Any]) -> str:
    """The kind of a manifest, which OCI's own may leave out."""
    found = document.get("mediaType", _MANIFEST)
    if found not in {_MANIFEST, _DOCKER_MANIFEST}:
        raise _damaged("is of a kind that containerd does not import")
    return str(found)


def _parts(document: Mapping[str, Any]) -> tuple[_Blob, list[_Blob]]:
    """The config and the layers of a manifest."""
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise _damaged("has no list of layers")
    return _blob(document.get("config")), [_blob(layer) for layer in layers]


def _blob(entry: Any) -> _Blob:
    try:
        match = _SHA256.fullmatch(entry["digest"])
        blob = _Blob(match[1] if match else "", entry["size"], str(entry["mediaType"]))
    except (KeyError, TypeError) as error:
        raise _damaged("has an entry without digest, size or mediaType") from error
    if not blob.hex or type(blob.size) is not int or blob.size < 0:
        raise _damaged("has an entry whose digest or size is none")
    return blob


def _platform(config: Path, arch: str) -> dict[str, Any]:
    """The platform that the config of an image without a list says. Raises FetchError when it is another."""
    try:
        about = json.loads(config.read_bytes()) if config.stat().st_size <= _SMALL else {}
        found = (str(about.get("os")), str(about.get("architecture")))
    except (ValueError, RecursionError, AttributeError) as error:
        raise _damaged("has no image config") from error
    if found != ("linux", arch):
        raise FetchError(f"is for {'/'.join(found)}, not for linux/{arch}", "choose another image or tag")
    return {"os": "linux", "architecture": arch}


def _hold(blob: _Blob, found: str, size: int) -> None:
    """Raise FetchError when something is not what its manifest says."""
    if found != blob.hex:
        raise FetchError(
            f"{blob.media_type}: its digest is sha256:{found}, wanted {blob.digest}",
            "it was damaged or changed on its way; use another mirror",
        )
    if size != blob.size:
        raise FetchError(f"{blob.digest} has {size} bytes, not {blob.size} as its manifest says", "use another mirror")


def _damaged(what: str) -> FetchError:
    return FetchError(f"its manifest {what}", "use another mirror, or choose another image")
