"""A mirror of real parts for tests/e2e/cluster.yaml: everything that runs is the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from demo.images import Content
from demo.mirror import fill, served
from demo.parts import Parts
from tests.cluster.programs import kubernetes
from tests.kit import ROOT

CLUSTER = ROOT / "tests" / "e2e" / "cluster.yaml"
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bundler-tests"

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


@contextmanager
def mirror(folder, cluster=CLUSTER):
    """The options that make `bundler` build from real parts."""
    command = [sys.executable, "-m", "builder", "plan", cluster, "-o", "json", "--state", folder / "none"]
    planned = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    recipes = folder / "recipes"
    for line in fill(folder / "files", recipes, planned, Parts(KEPT, kubernetes()), pause):
        print(line)
    with served(folder / "files") as url:
        yield ["--recipes", recipes, "--mirror", folder / "files", "--image-mirror", url]
