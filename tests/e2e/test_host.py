"""What hosts shall bear before they are nodes: `bundler rehearse` of two workers, without the rest of their cluster."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import REPORTS, played_by

pytestmark = pytest.mark.whole
SCENARIOS = ["wrong-host", "tamper", "clock", "full-disk", "power-cut"]


@pytest.fixture(scope="module")
def told(real, tmp_path_factory):
    """The report of the command as a user runs it."""
    folder, report = tmp_path_factory.mktemp("host"), REPORTS / "host"
    scenarios = [word for name in SCENARIOS for word in ("--scenario", name)]
    nodes = [word for name in ("k8s-node1", "k8s-node2") for word in ("--node", name)]
    return played_by(real.rehearse(folder, *nodes, "--power-cuts", "10", *scenarios, "--report", report), report)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_of_a_host_pass(told, name):
    assert told[name]["result"] == "passed", told[name]["message"]
