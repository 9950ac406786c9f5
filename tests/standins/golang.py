"""Stand-ins that do the work: flannel's two programs in Go, as virtual machines have no Python.

They are built once, and kept by what they are made of. None of them ever ships in the product.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "flannel"
PROGRAMS = {"flanneld": "flanneld", "flannel": "cni"}
"""Name of a program -> its folder below SOURCE."""


class NoGoError(Exception):
    """They cannot be built here."""


def build(name: str, version: str, cache: Path) -> Path:
    """The program, statically linked; `version` is what it says it stands for. Raises NoGoError without a Go."""
    go = shutil.which("go")
    if go is None:
        raise NoGoError(f"the stand-in for {name} is a Go program, and there is no go here: apt-get install golang-go")
    place = cache / "standins" / f"{name}-{_key(go, name, version)}"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        _build(go, name, version, place)
    return place


def _key(go: str, name: str, version: str) -> str:
    """Of all that the program is made of, in 16 hex digits."""
    compiler = subprocess.run([go, "version"], check=True, capture_output=True).stdout
    digest = hashlib.sha256(compiler + f"{name} {version}".encode())
    for path in sorted([SOURCE / "go.mod", *(SOURCE / PROGRAMS[name]).glob("*.go")]):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(go: str, name: str, version: str, place: Path) -> None:
    """Put it in its place in one step: other tests may be building the same."""
    aside = place.with_name(f"{place.name}.{os.getpid()}")
    flags = f"-s -w -X main.version={version}"
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(aside), f"./{PROGRAMS[name]}"]
    # CGO_ENABLED=0 links statically; nothing is fetched: there is only the standard library
    environ = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOPROXY": "off", "GO111MODULE": "on"}
    done = subprocess.run(command, cwd=SOURCE, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoGoError(f"the stand-in for {name} does not build:\n{done.stderr}")
    aside.replace(place)
