"""A user's folder with the seed's cluster.yaml, and a mirror of stand-ins that every build here is made from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.mirror import fill, served
from demo.parts import Part
from tests.kit import ROOT
from tests.standins import standin

EXAMPLE = ROOT / "examples" / "three-node" / "cluster.yaml"


class Standins:
    """Parts of which every one is a stand-in."""

    def program(self, component, name, version):
        return Part(standin(name, version), f"STAND-IN for {name}")


@dataclass(frozen=True)
class Site:
    """A folder in which `bundler` is run as a user would; `options` make it use the mirror and an own store."""

    folder: Path
    options: tuple
    images: str

    def bundler(self, *arguments, environ=None, check=True, stdin=None):
        command = [sys.executable, "-m", "builder", *map(str, arguments)]
        surroundings = os.environ | {"PYTHONPATH": str(ROOT), "BUNDLER_IMAGE_MIRROR": self.images, **(environ or {})}
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, env=surroundings, input=stdin
        )
        assert "Traceback" not in done.stderr
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def build(self, *arguments, **more):
        return self.bundler("build", *arguments, *self.options, **more)

    @property
    def dist(self):
        return self.folder / "dist" / "three-node"


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    """A folder of HOST/PATH files and the recipes that pin them."""
    folder = tmp_path_factory.mktemp("mirror")
    planned = subprocess.run(
        [sys.executable, "-m", "builder", "plan", str(EXAMPLE), "-o", "json", "--state", str(folder / "none")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    fill(folder / "files", folder / "recipes", json.loads(planned), Standins())
    return folder


@pytest.fixture(scope="session")
def images(mirror):
    """The URL of the mirror as a registry of images."""
    with served(mirror / "files") as url:
        yield url


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One store for all tests that do not test the store."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def site(tmp_path, mirror, images, store):
    """The example's cluster.yaml in an empty folder."""
    shutil.copy(EXAMPLE, tmp_path / "cluster.yaml")
    options = (
        "--recipes",
        mirror / "recipes",
        "--mirror",
        mirror / "files",
        "--cache",
        store,
    )
    return Site(tmp_path, options, images)


@pytest.fixture(scope="session")
def built(tmp_path_factory, mirror, images, store):
    """The example, built once and unpacked: `built.folder / NODE / install.sh`."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(EXAMPLE, folder / "cluster.yaml")
    options = (
        "--recipes",
        mirror / "recipes",
        "--mirror",
        mirror / "files",
        "--cache",
        store,
    )
    made = Site(folder, options, images)
    made.build()
    for tarball in made.dist.glob("*.tar.gz"):
        subprocess.run(["tar", "xzf", tarball, "-C", folder], check=True)
    return made
