"""`make demo`: build examples/three-node for real, then install every bundle into a folder and check it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import requests

from demo.mirror import fill, served
from demo.parts import Parts

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "demo"
CLUSTER = "examples/three-node/cluster.yaml"
PROBES = (
    "https://dl.k8s.io/release/v1.24.0/bin/linux/amd64/kubelet.sha256",
    "https://github.com/flannel-io/flannel/releases",
)
DIST = ROOT / "dist" / "three-node"


def main() -> None:
    """Build from upstream where it answers, else from a mirror on this machine; then try every bundle."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    options = ["--state", str(WORK / "state"), "--lock", str(WORK / "bundler.lock")]
    if _upstream_answers():
        print("Upstream answers: building from upstream's own files.\n")
        _bundler("build", CLUSTER, *options)
    else:
        _build_from_mirror(options)
    for tarball in sorted(DIST.glob("*.tar.gz")):
        _try_out(tarball)
    print(f"\nThe bundles are in {DIST}:")
    for tarball in sorted(DIST.glob("*.tar.gz")):
        print(f"  {tarball.relative_to(ROOT)}  {tarball.stat().st_size / 1e6:.1f} MB")


def _upstream_answers() -> bool:
    try:
        return all(requests.head(url, timeout=5, allow_redirects=True).ok for url in PROBES)
    except requests.RequestException:
        return False


def _build_from_mirror(options: list[str]) -> None:
    print("Upstream cannot be reached from here. The same cluster.yaml is built from a mirror on this machine,")
    print("made of what package registries hold, and of STAND-INS for the rest:\n")
    planned = json.loads(_bundler("plan", CLUSTER, "-o", "json", *options, quiet=True))
    recipes = WORK / "recipes"
    for line in fill(WORK / "mirror", recipes, planned, Parts(ROOT / "build" / "parts")):
        print(f"  {line}")
    print("\nThese bundles show how bundler works. They are not for a real cluster.\n")
    with served(WORK / "mirror") as url:
        _bundler("build", CLUSTER, *options, "--recipes", str(recipes), "--mirror", url, "--image-mirror", url)


def _try_out(tarball: Path) -> None:
    """Verify, unpack, install into an empty tree, and install again: the second run must change nothing."""
    node = tarball.name.removesuffix(".tar.gz")
    print(f"\n{node}:", flush=True)
    _bundler("verify", str(tarball))
    unpacked, host = WORK / "unpacked", WORK / "hosts" / node
    host.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", tarball, "-C", unpacked.mkdir(exist_ok=True) or unpacked], check=True)
    install = [str(unpacked / node / "install.sh"), "--root", str(host)]
    first = subprocess.run(install, check=True, capture_output=True, text=True).stdout.splitlines()
    print(f"  install.sh --root {host.relative_to(ROOT)}: {first[-1]}")
    before = _snapshot(host)
    second = subprocess.run(install, check=True, capture_output=True, text=True).stdout.splitlines()
    print(f"  again: {second[-1]}")
    if _snapshot(host) != before:
        sys.exit(f"{node}: the second run changed something")


def _snapshot(host: Path) -> dict[str, tuple[int, int, int]]:
    """Everything but the log: path -> (mode, size, time of change in ns)."""
    found = {}
    for path in sorted(host.rglob("*")):
        status = path.lstat()
        if path.is_file() and "log/bundler" not in str(path):
            found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def _bundler(*arguments: str, quiet: bool = False) -> str:
    command = [sys.executable, "-m", "builder", *arguments]
    if not quiet:
        print("$ bundler " + " ".join(arguments), flush=True)
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE if quiet else None)
    return done.stdout or ""


main()
