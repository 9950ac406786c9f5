"""Rehearsals take minutes and gigabytes: they are collected only where BUNDLER_E2E says so (`make core`, `make e2e`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from builder.cli.options import cache_folder
from builder.events import Step
from builder.fetch.mirrors import parse_image_mirror, parse_mirror
from builder.project import Project
from builder.rehearse import machine
from tests.e2e.parts import CLUSTER, as_given, given, mirror, static_busybox
from tests.kit import ROOT

REPORTS = ROOT / "build" / "rehearsal"
WANTED = os.environ.get("BUNDLER_E2E", "")
if not WANTED:
    collect_ignore_glob = ["test_*.py"]


def tell(event):
    """The steps of builds and rehearsals, as they are taken."""
    if isinstance(event, Step):
        print(event.text, flush=True)


def pytest_collection_modifyitems(items):
    """`core` leaves out what is marked for the whole set only."""
    for item in items:
        if WANTED == "core" and item.get_closest_marker("whole"):
            item.add_marker(pytest.mark.skip(reason="not in the core set; make e2e plays it"))


def pytest_terminal_summary(terminalreporter, config):
    """Which parts of the run were upstream's own."""
    for line in getattr(config, "parts_said", ()):
        terminalreporter.write_line(line)


@dataclass(frozen=True)
class Real:
    """Options of `bundler` that build from real parts, and folders of this run."""

    folder: Path
    options: list
    cluster: Path

    def rehearse(self, folder, *words):
        """The command line that rehearses, with all that it writes in `folder`."""
        command = [sys.executable, "-m", "builder", "rehearse", self.cluster, *words]
        command += ["--state", folder / "state", "--lock", folder / "lock", "--output", folder / "dist"]
        return [str(word) for word in (*command, *self.options)]

    def project(self, sink):
        chosen = dict(zip(self.options[::2], self.options[1::2], strict=True))
        return Project(
            file=str(self.cluster),
            text=self.cluster.read_bytes(),
            base=self.folder,
            state=self.folder / "state",
            lock=self.folder / "bundler.lock",
            cache=cache_folder(os.environ),
            dist=self.folder / "dist",
            now=datetime.now(timezone.utc).replace(microsecond=0),
            environ=os.environ,
            recipes=(chosen["--recipes"],),
            mirrors={**parse_mirror(str(chosen["--mirror"])), **parse_image_mirror(chosen["--image-mirror"])},
            sink=sink,
        )


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """Skips where no machine can be started at all, and says why."""
    try:
        machine.require(None)
    except machine.MachineError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("e2e")
    os.environ["PATH"] = f"{static_busybox().parent}:{os.environ['PATH']}"  # the rehearsal looks for one there
    found = given()
    cluster = as_given(folder, CLUSTER, found)
    with mirror(folder, cluster, found) as options:
        yield Real(folder, options, cluster)


def traces():
    """What a rehearsal could leave: namespaces, processes, files of its own."""
    rooms = cache_folder(os.environ) / "rehearsals"
    taps = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    machines = subprocess.run(["ps", "-ww", "-eo", "pid,comm,args"], capture_output=True, text=True, check=True).stdout
    return {
        "namespaces": {path.name for path in Path("/run/netns").glob("bundler-*")},
        "taps": {line.split(": ")[1] for line in taps.splitlines() if ": tap" in line},
        "processes": {
            line.strip() for line in machines.splitlines() if "bundler-" in line and ("qemu" in line or "ssh" in line)
        },
        "files": {str(path) for path in rooms.glob("*")} if rooms.exists() else set(),
    }


def left_since(before):
    """What is there now and was not; what another rehearsal on this machine took away meanwhile is no matter."""
    new = {kind: found - before[kind] for kind, found in traces().items()}
    return {kind: found for kind, found in new.items() if found}


def played_by(command, report):
    """The scenarios by name that a rehearsal's report tells of, with the command run as a user runs it."""
    before = traces()
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert not left_since(before)
    told = json.loads((report / "report.json").read_text())
    assert told["good"] is (done.returncode == 0)
    return {item["name"]: item for item in told["scenarios"]}
