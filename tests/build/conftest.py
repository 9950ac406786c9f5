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

    def bundler(self, *arguments, environ=None, check=True, stdin=None):
        command = [sys.executable, "-m", "builder", *map(str, arguments)]
        surroundings = os.environ | {"PYTHONPATH": str(ROOT), **(environ or {})}
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


@dataclass(frozen=True)
class Mirror:
    """A folder of HOST/PATH files and the recipes that pin them; `url` serves it, its images by the registry API."""

    folder: Path
    url: str

    def __truediv__(self, name):
        return self.folder / name

    @property
    def options(self):
        return ("--recipes", self / "recipes", "--mirror", self / "files", "--image-mirror", self.url)


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    planned = subprocess.run(
        [sys.executable, "-m", "builder", "plan", str(EXAMPLE), "-o", "json", "--state", str(folder / "none")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    fill(folder / "files", folder / "recipes", json.loads(planned), Standins())
    with served(folder / "files") as url:
        yield Mirror(folder, url)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One store for all tests that do not test the store."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def site(tmp_path, mirror, store):
    """The example's cluster.yaml in an empty folder."""
    shutil.copy(EXAMPLE, tmp_path / "cluster.yaml")
    return Site(tmp_path, (*mirror.options, "--cache", store))


@pytest.fixture(scope="session")
def built(tmp_path_factory, mirror, store):
    """The example, built once and unpacked: `built.folder / NODE / install.sh`."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(EXAMPLE, folder / "cluster.yaml")
    made = Site(folder, (*mirror.options, "--cache", store))
    made.build()
    for tarball in made.dist.glob("*.tar.gz"):
        subprocess.run(["tar", "xzf", tarball, "-C", folder], check=True)
    return made
