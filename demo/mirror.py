"""A local mirror for the demo: a folder of HOST/PATH files, recipes that pin just those, an HTTP server."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.given import Given
from demo.images import ARCHES, Images, media_type, put_image, standin_image
from demo.parts import Part, Parts

NOTICE = "not upstream's own file (demo, upstream cannot be reached): "


def fill(
    folder: Path,
    recipes: Path,
    planned: Mapping[str, Any],
    parts: Parts,
    images: Images = standin_image,
    given: Given | None = None,
) -> list[str]:
    """Make every artifact of `bundler plan -o json`, and recipes for them; returns a line on each part.

    What is given is taken before anything else. Digests that the shipped recipes do not have go into recipes of the
    demo alone: the shipped ones stay as they are, and every build with these says aloud that it replaces them.
    """
    lines: list[str] = []
    recipes.mkdir(parents=True, exist_ok=True)
    for artifact in planned["artifacts"]:
        if artifact["url"].startswith("docker://"):
            if given and given.image(artifact, folder):
                lines.append(f"the image {artifact['url']}, given: upstream's own bytes, by the recipe's digest")
            else:
                lines.append(_image(artifact, folder, recipes, images))
            continue
        found = given.file(artifact) if given else None
        content, origins = (found[0], [found[1]]) if found else _artifact(artifact, parts)
        place = folder / artifact["url"].partition("://")[2]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" == artifact["digest"]:
            lines += [f"{origin}: upstream's own bytes, by the recipe's digest" for origin in origins]
        else:
            (recipes / f"{artifact['component']}.toml").write_text(
                _recipe(artifact, content, found[1] if found else _notice(origins))
            )
            lines += origins
    return lines


def _image(artifact: Mapping[str, Any], folder: Path, recipes: Path, images: Images) -> str:
    """An image in the mirror's registry, and a recipe that pins it."""
    reference = artifact["url"].removeprefix("docker://")
    digest = put_image(folder, reference, images)
    origin = images(reference, artifact["arch"]).origin
    pins = "".join(f'{arch} = "{digest}"\n' for arch in ARCHES)
    (recipes / f"{artifact['component']}.toml").write_text(_override(artifact, _notice([origin]), pins))
    return origin


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


def _recipe(artifact: Mapping[str, Any], content: bytes, notice: str) -> str:
    """A recipe that overrides the shipped one of the same name: a notice, and the digest of this file."""
    digest = hashlib.sha256(content).hexdigest()
    return _override(artifact, notice, f'{artifact["arch"]} = "sha256:{digest}"\n')


def _override(artifact: Mapping[str, Any], notice: str, pins: str) -> str:
    return (
        f'name = "{artifact["component"]}"\nnotice = {json.dumps(notice)}\n\n[digests."{artifact["version"]}"]\n{pins}'
    )


def _notice(origins: list[str]) -> str:
    return NOTICE + "; ".join(origins if len(origins) <= 2 else [f"{origins[0]} and {len(origins) - 1} more"])


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
    """Files by HOST/PATH, and below /v2/ a registry that can only be read."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """A registry says what a manifest is."""
        if "/manifests/" in str(path):
            return media_type(Path(path).read_bytes())
        return super().guess_type(path)

    def log_message(self, *_: object) -> None:
        pass
