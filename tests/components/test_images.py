"""The import script against the real containerd, with archives that the fetcher made out of a real registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import time
from contextlib import contextmanager

import pytest

from builder.events import ignore
from builder.fetch.artifacts import FetchOptions, fetch_all
from builder.fetch.lock import Lock
from builder.fetch.store import Store
from builder.model.recipe import Artifact
from tests.kit import NOW, ROOT, SHELLS
from tests.registry import needs_registry, serving_registry

SCRIPT = ROOT / "overlays/images/opt/kubernetes/bin/import-images"
UNIT = "/etc/systemd/system/bundler-images.service"
NAMES = ("registry.k8s.io/pause:3.7", "docker.io/library/old:1")
MISSING = [name for name in ("containerd", "ctr") if not shutil.which(name)]

needs_containerd = pytest.mark.skipif(
    bool(MISSING) or os.geteuid() != 0, reason="needs containerd, ctr and root (tools/setup system)"
)


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Archives of two images for amd64, one of them in docker's format, by name."""
    folder = tmp_path_factory.mktemp("archives")
    with serving_registry(folder) as registry:
        registry.listed("registry.k8s.io/pause", "3.7")
        registry.single("docker.io/library/old", "1", "amd64", docker=True)
        wanted = [Artifact("x", "1", "amd64", f"docker://{name}", "image") for name in NAMES]
        fetched = fetch_all(
            wanted,
            store=Store(folder / "store"),
            lock=Lock.load(folder / "bundler.lock"),
            mirrors={"docker://*": registry.url},
            options=FetchOptions(),
            now=NOW,
            sink=ignore,
        )
    return {artifact.url.removeprefix("docker://"): fetched[artifact].path for artifact in wanted}


class Containerd:
    """A containerd of its own; `ctr` talks to it, `run` runs the script."""

    def __init__(self, folder):
        self.folder = folder
        self.images = folder / "images"
        self.images.mkdir()
        self.environ = os.environ | {
            "CONTAINERD_ADDRESS": f"{folder}/c.sock",
            "CTR": shutil.which("ctr"),
            "IMAGES": str(self.images),
        }

    def ctr(self, *command, check=True):
        done = subprocess.run(
            ["ctr", "-n", "k8s.io", *command], env=self.environ, capture_output=True, text=True, check=check
        )
        return done.stdout

    def run(self, shell, **changed):
        return subprocess.run(
            [*shell, str(SCRIPT)], env=self.environ | changed, capture_output=True, text=True, check=False
        )

    def state(self):
        """Images with digests and labels, and all content."""
        images = sorted(self.ctr("images", "ls").splitlines())
        return images, set(self.ctr("content", "ls", "-q").split())

    def names(self):
        return sorted(self.ctr("images", "ls", "-q").split())

    def clear(self):
        for name in self.names():
            self.ctr("images", "rm", "--sync", name)
        for path in self.images.iterdir():
            path.unlink()

    def carry(self, archives):
        for index, path in enumerate(archives.values()):
            shutil.copy(path, self.images / f"{index}.tar")


@contextmanager
def running_containerd(folder):
    made = Containerd(folder)
    (folder / "config.toml").write_text(
        f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["containerd", "--config", str(folder / "config.toml")], stdout=log, stderr=log)
    try:
        for _ in range(100):
            if (folder / "c.sock").exists() and "Server:" in made.ctr("version", check=False):
                break
            time.sleep(0.05)
        else:
            pytest.fail("containerd does not start: " + (folder / "log").read_text()[-2000:])
        yield made
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")  # short: a socket's path has 107 characters at most
    with running_containerd(folder) as made:
        yield made


@pytest.fixture
def containerd(daemon):
    daemon.clear()
    return daemon


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[-1])
def shell(request):
    return request.param


@needs_registry
@needs_containerd
def test_every_archive_is_imported_once_named_and_pinned(containerd, archives, shell):
    containerd.carry(archives)
    done = containerd.run(shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["imported", name] for name in NAMES]
    assert containerd.names() == sorted(NAMES)
    listed = containerd.ctr("images", "ls")
    assert listed.count("io.cri-containerd.image=managed") == listed.count("io.cri-containerd.pinned=pinned") == 2
    for name, path in archives.items():
        with tarfile.open(path) as archive:
            (found,) = json.loads(archive.extractfile("index.json").read())["manifests"]
        assert any(line.split()[0] == name and found["digest"] in line for line in listed.splitlines())
    images, content = containerd.state()
    done = containerd.run(shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert containerd.state()[0] == images
    assert containerd.state()[1] <= content, "containerd removes the archive's index by itself, at its own time"


@needs_registry
@needs_containerd
def test_what_was_not_there_before_is_written_down_for_the_uninstall(containerd, archives, shell, tmp_path):
    containerd.carry(archives)
    containerd.ctr("images", "import", str(containerd.images / "0.tar"))
    assert containerd.names() == [NAMES[0]]
    for _ in range(2):
        done = containerd.run(shell, STATE=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[0] for line in (tmp_path / "images").read_text().splitlines()] == [NAMES[1]]
    done = containerd.run(shell, STATE=str(tmp_path / "none"))
    assert (done.returncode, (tmp_path / "none").exists()) == (0, False)


@needs_registry
@needs_containerd
def test_what_is_imported_is_whole_and_unpacked(containerd, archives):
    containerd.carry(archives)
    containerd.run(("dash",))
    checked = containerd.ctr("images", "check").splitlines()[1:]
    assert [("complete" in line, line.rstrip().endswith("true")) for line in checked] == [(True, True)] * 2


@needs_registry
@needs_containerd
def test_what_image_gc_removed_or_something_else_replaced_is_imported_again(containerd, archives, shell):
    containerd.carry(archives)
    containerd.run(shell)
    containerd.ctr("images", "rm", "--sync", NAMES[0])
    assert containerd.run(shell).stdout.startswith(f"imported {NAMES[0]} ")
    containerd.ctr("images", "tag", "--force", NAMES[1], NAMES[0])
    assert containerd.run(shell).stdout.startswith(f"imported {NAMES[0]} ")
    containerd.ctr("images", "label", NAMES[0], "io.cri-containerd.pinned=")
    containerd.run(shell)
    assert containerd.ctr("images", "ls").count("io.cri-containerd.pinned=pinned") == 2
    assert containerd.run(shell).stdout == ""


@needs_registry
@needs_containerd
def test_a_lost_layer_is_noticed(containerd, archives):
    containerd.carry(archives)
    containerd.run(("dash",))
    for line in containerd.ctr("content", "ls").splitlines()[1:]:
        if "containerd.io/distribution.source" not in line:
            containerd.ctr("content", "rm", line.split()[0])
    assert containerd.run(("dash",)).stdout.count("imported") == 2


@needs_registry
@needs_containerd
def test_a_damaged_archive_is_named_and_does_not_keep_the_others_out(containerd, archives, shell):
    containerd.carry(archives)
    (containerd.images / "0.tar").write_bytes(b"x" * 10_240)
    (containerd.images / "00.tar").write_bytes(archives[NAMES[0]].read_bytes()[:2048])
    done = containerd.run(shell)
    assert done.returncode == 1
    assert f"{containerd.images}/0.tar was not imported" in done.stderr
    assert containerd.names() == [NAMES[1]]


@needs_containerd
def test_without_archives_nothing_happens_and_without_containerd_it_fails(containerd, shell):
    done = containerd.run(shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    quick = containerd.folder / "ctr"  # the real one waits ten seconds for a socket
    quick.write_text('#!/bin/sh\nexec ctr --connect-timeout 100ms "$@"\n')
    quick.chmod(0o755)
    done = containerd.run(shell, CTR=str(quick), CONTAINERD_ADDRESS=f"{containerd.folder}/none.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.sock" in done.stderr


def test_the_script_is_clean_for_shellcheck():
    done = subprocess.run(["shellcheck", "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_kubelet_waits_for_the_images_and_containerd_comes_first(seed):
    text = seed["k8s-node1"].text(UNIT)
    assert "After=containerd.service\n" in text
    assert "Before=kubelet.service\n" in text
    assert "StartLimitIntervalSec=0\n" in text
    units = seed["k8s-node1"].plan.units
    assert units.index("containerd.service") < units.index("bundler-images.service") < units.index("kubelet.service")
