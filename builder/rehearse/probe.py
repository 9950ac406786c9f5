"""The image that the rehearsal's pods run: busybox, which answers with the caller's address; made on the spot."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.fetch.ociarchive import Image, write_archive

IMAGE = "bundler.local/rehearsal:1"
PORT = 8080
PATH = "/cgi-bin/ip"

_ANSWER = "#!/busybox sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s\\n' \"$REMOTE_ADDR\"\n"
# process 1 gets no signal that it does not ask for: without the trap each pod would take half a minute to stop
# 0.0.0.0: on an IPv6 socket the caller would be called [::ffff:ADDRESS]
_SERVE = f"trap 'exit 0' TERM INT; /busybox httpd -f -p 0.0.0.0:{PORT} -h /www & wait"
_INTERPRETER = 3  # PT_INTERP: the program header of one that needs shared libraries
_MEDIA = "application/vnd.oci.image"


def static_busybox() -> Path | None:
    """A busybox of this machine that runs without libraries, or none."""
    found = shutil.which("busybox")
    return Path(found) if found and is_static(Path(found).read_bytes()) else None


def is_static(program: bytes) -> bool:
    """Whether it is a 64-bit ELF program (ELF-64 object file format) that asks for no interpreter."""
    if program[:5] != b"\x7fELF\x02":
        return False
    offset = struct.unpack_from("<Q", program, 32)[0]
    size, count = struct.unpack_from("<HH", program, 54)
    kinds = [struct.unpack_from("<I", program, offset + index * size)[0] for index in range(count)]
    return _INTERPRETER not in kinds


def write_image(busybox: bytes, place: Path) -> None:
    """The image as an OCI archive at `place`, as `ctr images import` reads it; what it is made of lies beside it."""
    layer = _tar({"busybox": busybox, f"www{PATH}": _ANSWER.encode()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/busybox", "sh", "-c", _SERVE]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    blobs = place.with_suffix(".blobs")
    blobs.mkdir()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": _blob(blobs, f"{_MEDIA}.config.v1+json", json.dumps(config).encode()),
        "layers": [_blob(blobs, f"{_MEDIA}.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
    }
    descriptor = _blob(blobs, f"{_MEDIA}.manifest.v1+json", json.dumps(manifest).encode())
    image = Image(IMAGE, IMAGE.rpartition(":")[2], descriptor, {blob.name: blob for blob in blobs.iterdir()})
    write_archive(image, place)


def _blob(blobs: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()
