"""What hosts shall bear before they are nodes: `bundler rehearse` of two workers, without the rest of their cluster."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.conftest import REPORTS, left_since, traces
from tests.kit import ROOT

pytestmark = pytest.mark.whole
SCENARIOS = ["wrong-host", "tamper", "clock", "full-disk", "power-cut"]


@pytest.fixture(scope="module")
def told(real, tmp_path_factory):
    """The report of the command as a user runs it."""
    folder, before = tmp_path_factory.mktemp("host"), traces()
    scenarios = [word for name in SCENARIOS for word in ("--scenario", name)]
    nodes = [word for name in ("k8s-node1", "k8s-node2") for word in ("--node", name)]
    command = real.rehearse(folder, *nodes, "--power-cuts", "10", *scenarios, "--report", REPORTS / "host")
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert not left_since(before)
    report = json.loads((REPORTS / "host" / "report.json").read_text())
    assert report["good"] is (done.returncode == 0)
    return {item["name"]: item for item in report["scenarios"]}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_of_a_host_pass(told, name):
    assert told[name]["result"] == "passed", told[name]["message"]
