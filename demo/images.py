"""Images for the demo's registry, right in every digest: stand-ins with nothing to run in them, or small real ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHES = ("amd64", "arm64")
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True)
class Content:
    """What is in an image: files by name, all executable, and how it is run. `origin` says where it comes from."""

    origin: str
    files: dict[str, bytes]
    config: dict[str, Any] = field(default_factory=dict)


Images = Callable[[str, str], Content]
"""The content of an image, by reference and arch."""


def standin_image(reference: str, arch: str) -> Content:
    """An image with nothing to run in it."""
    said = f"STAND-IN for {reference} ({arch}): nothing in this image runs\n"
    return Content(f"STAND-IN for the image {reference}, with nothing in it", {"STAND-IN": said.encode()})


def put_image(registry: Path, reference: str, images: Images = standin_image) -> str:
    """A list of two images as REGISTRY/PATH:TAG below `registry`, a folder in the form of the registry API.

    Returns the list's digest (`sha256:<hex>`), which the tag leads to.
    """
    repository, _, tag = reference.rpartition(":")
    place = registry / "v2" / repository
    entries = []
    for arch in ARCHES:
        content = images(reference, arch)
        layer = _layer(content.files)
        config = _json(
            {
                "architecture": arch,
                "os": "linux",
                "config": content.config,
                "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
            }
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": {"mediaType": f"{_OCI}.config.v1+json", **_put(place / "blobs", config)},
            "layers": [{"mediaType": f"{_OCI}.layer.v1.tar+gzip", **_put(place / "blobs", layer)}],
        }
        found = _put(place / "manifests", _json(manifest))
        entries.append({"mediaType": manifest["mediaType"], **found, "platform": {"os": "linux", "architecture": arch}})
    index = _json({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": entries})
    _put(place / "manifests", index)
    (place / "manifests" / tag).write_bytes(index)
    return _digest(index)


def media_type(content: bytes) -> str:
    """What a registry says a manifest is."""
    return str(json.loads(content)["mediaType"])


def _layer(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def _put(folder: Path, content: bytes) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _digest(content)).write_bytes(content)
    return {"digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
