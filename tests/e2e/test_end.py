"""A rehearsal that is killed leaves nothing: processes, namespaces, taps and files before and after."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.e2e.conftest import left_since, traces
from tests.kit import ROOT


@pytest.fixture
def before():
    return traces()


@pytest.fixture
def rehearsal(before, real, tmp_path):
    """One machine's rehearsal, started as a command; ended with the test, whatever that came to."""
    words = real.rehearse(tmp_path, "--node", "k8s-node1", "--scenario", "install", "--report", tmp_path / "report")
    # where the tests run in the background, SIGINT is ignored, and so it would be by what they start
    with (tmp_path / "log").open("w") as log:
        command = ["env", "--default-signal=INT", *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=60)


def wait_for(path, text, process, seconds=600):
    limit = time.monotonic() + seconds
    while text not in path.read_text():
        assert process.poll() is None, path.read_text()[-2000:]
        assert time.monotonic() < limit, path.read_text()[-2000:]
        time.sleep(0.2)


@pytest.mark.parametrize(("number", "moment"), [(signal.SIGTERM, "copying"), (signal.SIGINT, "booting")])
def test_a_killed_rehearsal_leaves_nothing(before, rehearsal, tmp_path, number, moment):
    wait_for(tmp_path / "log", f"k8s-node1: {moment}", rehearsal)
    during = traces()
    assert during["namespaces"] > before["namespaces"]
    assert during["processes"] > before["processes"]
    os.kill(rehearsal.pid, number)
    assert rehearsal.wait(timeout=60) not in (0, 1) or number == signal.SIGINT
    assert not left_since(before)


@pytest.mark.whole
def test_a_machine_that_dies_is_seen_at_once(rehearsal, tmp_path):
    wait_for(tmp_path / "log", "k8s-node1: copying", rehearsal)
    (machine,) = [line.split()[0] for line in traces()["processes"] if "-name k8s-node1" in line]
    os.kill(int(machine), signal.SIGKILL)
    assert rehearsal.wait(timeout=60) == 1
    assert "k8s-node1: its virtual machine ended" in (tmp_path / "log").read_text()
