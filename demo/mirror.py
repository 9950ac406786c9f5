"""A local mirror for the demo: a folder of HOST/PATH files, recipes that pin just those, an HTTP server.

Images lie in it as a registry would serve them (v2/REGISTRY/PATH/manifests and blobs), so the same server is the
registry, too: bundler only asks for names.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.parts import Part, Parts

NOTICE = "not upstream's own file (demo, upstream cannot be reached): "


def fill(folder: Path, recipes: Path, planned: Mapping[str, Any], parts: Parts) -> list[str]:
    """Make every artifact of `bundler plan -o json`, and recipes for them; returns a line on each part.

    The digests go into recipes of the demo alone: the shipped ones stay as they are, and every build with
    these says aloud that it replaces them.
    """
    lines: list[str] = []
    recipes.mkdir(parents=True, exist_ok=True)
    for artifact in planned["artifacts"]:
        if artifact["url"].startswith("docker://"):
            digest = _image(folder, artifact["url"].removeprefix("docker://"))
            origin = f"STAND-IN for the image {artifact['component']}, which does not run"
            (recipes / f"{artifact['component']}.toml").write_text(_image_recipe(artifact, digest, origin))
            lines.append(origin)
            continue
        content, origins = _artifact(artifact, parts)
        place = folder / artifact["url"].partition("://")[2]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" == artifact["digest"]:
            lines += [f"{origin}: upstream's own bytes, by the recipe's digest" for origin in origins]
        else:
            (recipes / f"{artifact['component']}.toml").write_text(_recipe(artifact, content, origins))
            lines += origins
    return lines


def _artifact(artifact: Mapping[str, Any], parts: Parts) -> tuple[bytes, list[str]]:
    """The file as upstream would serve it, and where its programs come from."""
    component, version = artifact["component"], artifact["version"]
    if not artifact["members"]:
        part = parts.program(component, component, version)
        return part.content, [part.origin]
    found = {
        member: parts.program(component, _program(member, artifact["arch"]), version) for member in artifact["members"]
    }
    return _tgz(found), sorted({part.origin for part in found.values()})


def _program(member: str, arch: str) -> str:
    return member.rpartition("/")[2].removesuffix(f"-{arch}")


def _tgz(members: Mapping[str, Part]) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, part in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(part.content), 0o755
            archive.addfile(info, io.BytesIO(part.content))
    return out.getvalue()


def _image(folder: Path, name: str) -> str:
    """A list of two images with one file each below `folder`/v2; gives its digest."""
    repository, _, tag = name.rpartition(":")
    place = folder / "v2" / repository
    kind = "application/vnd.oci.image"
    entries = []
    for arch in ("amd64", "arm64"):
        tar = gzip.decompress(_tgz({"STAND-IN": Part(f"{name} {arch}".encode(), "")}))
        about = {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": _put(place / "blobs", f"{kind}.config.v1+json", json.dumps(about).encode()),
            "layers": [_put(place / "blobs", f"{kind}.layer.v1.tar", tar)],
        }
        entry = _put(place / "manifests", str(manifest["mediaType"]), json.dumps(manifest).encode())
        entries.append({**entry, "platform": {"os": "linux", "architecture": arch}})
    listed = {"schemaVersion": 2, "mediaType": f"{kind}.index.v1+json", "manifests": entries}
    content = json.dumps(listed).encode()
    (place / "manifests" / tag).write_bytes(content)
    return str(_put(place / "manifests", str(listed["mediaType"]), content)["digest"])


def _put(folder: Path, kind: str, content: bytes) -> dict[str, Any]:
    """Keep something under its digest; gives its descriptor."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _digest(content)).write_bytes(content)
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _image_recipe(artifact: Mapping[str, Any], digest: str, origin: str) -> str:
    """As `_recipe`, for both arches: an image's digest is that of the list."""
    return (
        f'name = "{artifact["component"]}"\n'
        f"notice = {json.dumps(NOTICE + origin)}\n\n"
        f'[digests."{artifact["version"]}"]\namd64 = "{digest}"\narm64 = "{digest}"\n'
    )


def _recipe(artifact: Mapping[str, Any], content: bytes, origins: list[str]) -> str:
    """A recipe that overrides the shipped one of the same name: a notice, and the digest of this file."""
    digest = hashlib.sha256(content).hexdigest()
    return (
        f'name = "{artifact["component"]}"\n'
        f"notice = {json.dumps(NOTICE + '; '.join(_short(origins)))}\n\n"
        f'[digests."{artifact["version"]}"]\n{artifact["arch"]} = "sha256:{digest}"\n'
    )


def _short(origins: list[str]) -> list[str]:
    return origins if len(origins) <= 2 else [f"{origins[0]} and {len(origins) - 1} more"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on http://127.0.0.1:PORT for as long as the block runs."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
