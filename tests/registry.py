"""Debian's real docker-registry on loopback, and tiny images to put into it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from contextlib import contextmanager

import pytest
import requests

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
MISSING = [name for name in ("docker-registry", "skopeo") if not shutil.which(name)]
needs_registry = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (tools/setup system)")


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def packed(value):
    return json.dumps(value).encode()


def layer(name, content):
    """A layer of one file, the tar's bytes; gzip without time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Registry:
    """A registry: `url` of its API, `host` as references name it."""

    def __init__(self, host):
        self.host = host
        self.url = f"http://{host}"

    def blob(self, repository, content):
        begun = requests.post(f"{self.url}/v2/{repository}/blobs/uploads/", timeout=10)
        done = requests.put(begun.headers["Location"], params={"digest": digest(content)}, data=content, timeout=10)
        done.raise_for_status()
        return {"digest": digest(content), "size": len(content)}

    def manifest(self, repository, name, value, media_type):
        content = value if isinstance(value, bytes) else packed(value)
        place = f"{self.url}/v2/{repository}/manifests/{name}"
        requests.put(place, data=content, headers={"Content-Type": media_type}, timeout=10).raise_for_status()
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    def single(self, repository, name, arch, files=None, *, docker=False):
        """An image for one arch, of one layer for each file; gives its descriptor."""
        tars = [layer(path, content) for path, content in (files or {"hello": arch.encode()}).items()]
        config = {
            "architecture": arch,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        }
        kinds = [f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar+gzip"]
        if docker:
            names = ("container.image.v1+json", "image.rootfs.diff.tar.gzip")
            kinds = [f"{DOCKER}.v2+json", *(f"application/vnd.docker.{kind}" for kind in names)]
        layers = [self.blob(repository, gzip.compress(tar, mtime=0)) for tar in tars]
        manifest = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], **self.blob(repository, packed(config))},
            "layers": [{"mediaType": kinds[2], **found} for found in layers],
        }
        return self.manifest(repository, name or digest(packed(manifest)), manifest, kinds[0])

    def listed(self, repository, tag, arches=("amd64", "arm64"), files=None, *, docker=False):
        """A list of images, one for each arch; gives the list's descriptor."""
        kind = f"{DOCKER}.list.v2+json" if docker else f"{OCI}.index.v1+json"
        entries = []
        for arch in arches:
            found = self.single(repository, None, arch, files and files[arch], docker=docker)
            entries.append({**found, "platform": {"os": "linux", "architecture": arch}})
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": kind, "manifests": entries}, kind)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving_registry(folder):
    """A docker-registry with its storage in `folder`, on a port of its own."""
    for _ in range(5):
        port = free_port()
        config = folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/storage}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "OTEL_"))}
        with (folder / "log").open("wb") as log:
            command = ["docker-registry", "serve", str(config)]
            running = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            if answers(running, f"http://127.0.0.1:{port}/v2/"):
                yield Registry(f"127.0.0.1:{port}")
                return
        finally:
            running.kill()
            running.wait()
    pytest.fail("docker-registry does not start: " + (folder / "log").read_text()[-2000:])


def answers(process, url):
    for _ in range(100):
        if process.poll() is not None:
            return False
        try:
            return requests.get(url, timeout=2).ok
        except requests.ConnectionError:
            time.sleep(0.05)
    return False
