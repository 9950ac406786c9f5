"""A mirror of real parts for the clusters of tests/e2e.

For cluster.yaml everything that runs is the real program; for flannel.yaml all but flannel's two, which no package
registry holds: working stand-ins take their place (tests/standins/flannel), and their origin says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

from demo.images import Content
from demo.mirror import fill, served
from demo.parts import Part, Parts, refuser
from tests.cluster.programs import kubernetes
from tests.kit import KEPT, ROOT
from tests.standins import golang

CLUSTER = ROOT / "tests" / "e2e" / "cluster.yaml"
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


def working(name, version):
    """flannel's programs as stand-ins that keep its contract; for any other, one that only refuses."""
    if name not in golang.PROGRAMS:
        return refuser(name, version)
    origin = f"STAND-IN for {name}, not the real program, but one that keeps its contract (tests/standins/flannel)"
    return Part(golang.build(name, version, KEPT).read_bytes(), origin)


@contextmanager
def mirror(folder, cluster=CLUSTER):
    """The options that make `bundler` build from real parts."""
    command = [sys.executable, "-m", "builder", "plan", cluster, "-o", "json", "--state", folder / "none"]
    planned = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    recipes = folder / "recipes"
    for line in fill(folder / "files", recipes, planned, Parts(KEPT, kubernetes(), working), pause):
        print(line)
    with served(folder / "files") as url:
        yield ["--recipes", recipes, "--mirror", folder / "files", "--image-mirror", url]
