"""A mirror of real parts for the clusters of tests/e2e, upstream's own where given.

For cluster.yaml everything that runs is the real program; for flannel.yaml all but flannel's two, which no package
registry holds: working stand-ins take their place (tests/standins/flannel), and their origin says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from builder.cli.options import cache_folder
from builder.config.recipes import load_recipes
from builder.fetch.store import Store
from demo.given import Given
from demo.images import Content
from demo.mirror import fill, served
from demo.parts import Part, Parts, refuser
from tests.cluster.programs import VERSION, kubernetes
from tests.kit import KEPT, ROOT
from tests.standins import golang

CLUSTER = ROOT / "tests" / "e2e" / "cluster.yaml"
ONE = ROOT / "tests" / "e2e" / "one-node.yaml"
FLANNEL = ROOT / "tests" / "e2e" / "flannel.yaml"

# PID 1 gets no signal that it does not ask for, and would hold up every stop of a pod for half a minute
WAITS = ["/busybox", "sh", "-c", "trap 'exit 0' TERM INT; /busybox sleep 2147483647 & wait"]


def static_busybox():
    """Debian's busybox-static, unpacked and not installed: as a host's own, it would take the plain one's place."""
    part = Parts(KEPT).program("busybox", "busybox", "")
    assert part.origin.startswith("real"), part.origin
    folder = KEPT / "busybox"
    folder.mkdir(exist_ok=True)
    (folder / "busybox").write_bytes(part.content)
    (folder / "busybox").chmod(0o755)
    return folder / "busybox"


def pause(reference, _arch):
    """A pause image that really waits: busybox is all that is in it."""
    files = {"busybox": static_busybox().read_bytes()}
    return Content(f"a real image for {reference}: busybox, which waits", files, {"Entrypoint": WAITS})


def given(environ=os.environ):
    """Upstream's own files: in BUNDLER_ARTIFACTS, or in the store."""
    folder = environ.get("BUNDLER_ARTIFACTS")
    assert not folder or Path(folder).is_dir(), f"BUNDLER_ARTIFACTS={folder}: no such folder"
    return Given(Path(folder) if folder else None, Store(cache_folder(environ)))


def as_given(folder, cluster, found):
    """The cluster file, or a copy with the Kubernetes that is given, and with flannel where flanneld is."""
    text = cluster.read_text()
    recipes = load_recipes(ROOT / "recipes")
    version = found.kubernetes(recipes)
    if version:
        text = text.replace(f"version: {VERSION}", f"version: {version}")
    if all(found.names(recipes[name]) for name in ("flannel", "flannel-cni-plugin")):
        text = text.replace("backend: static", "backend: flannel-host-gw")
    if text == cluster.read_text():
        return cluster
    copy = folder / cluster.name
    copy.write_text(text)
    return copy


def working(name, version):
    """flannel's programs as stand-ins that keep its contract; for any other, one that only refuses."""
    if name not in golang.PROGRAMS:
        return refuser(name, version)
    origin = f"STAND-IN for {name}, not the real program, but one that keeps its contract (tests/standins/flannel)"
    return Part(golang.build(name, version, KEPT).read_bytes(), origin)


@contextmanager
def mirror(folder, cluster=CLUSTER, found=None):
    """The options that make `bundler` build from real parts."""
    found = found or given()
    command = [sys.executable, "-m", "builder", "plan", cluster, "-o", "json", "--state", folder / "none"]
    planned = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    recipes = folder / "recipes"
    built = kubernetes() if planned["kubernetes"] == VERSION else None
    for line in fill(folder / "files", recipes, planned, Parts(KEPT, built, working), pause, found):
        print(line)
    for name in found.unused():
        print(f"{name}: given, and not used")
    with served(folder / "files") as url:
        yield ["--recipes", recipes, "--mirror", folder / "files", "--image-mirror", url]
