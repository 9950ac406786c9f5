"""Three guests from three tarballs: the core set, and each scenario that has to see when something is wrong."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree as ET

import pytest

from builder import __version__
from builder.build import build, prepare
from builder.cli.nodes import nodes_shown
from builder.events import Step
from builder.rehearse.parts import lines, parts
from builder.rehearse.play import play
from builder.rehearse.report import Report, clear, write
from builder.rehearse.scenarios import chosen, pods, rerun
from builder.rehearse.site import ScenarioError
from builder.rehearse.steps import ready_nodes
from builder.rehearse.venue import Wanted, venue
from tests.e2e.conftest import traces
from tests.kit import ROOT

REPORT = ROOT / "build" / "rehearsal"


def tell(event):
    if isinstance(event, Step):
        print(event.text, flush=True)


@pytest.fixture(scope="module")
def before():
    return traces()


@pytest.fixture(scope="module")
def place(real, before):
    project = real.project(tell)
    cluster = prepare(project).cluster
    dist = build(project).folder
    wanted = Wanted(cluster, cluster.nodes, dist, project.cache, power_cuts=7)  # of each host, 21 in all
    with nodes_shown(tell, sys.stdout) as watch, venue(wanted, tell, watch) as made:
        yield made
    left = {kind: found - before[kind] for kind, found in traces().items()}
    assert not any(left.values()), left


@pytest.fixture(scope="module")
def played(place):
    """The core scenarios, played once."""
    done = play(place.site, chosen(("wrong-host", "install", "rerun", "pods")), tell)
    return {item.name: item for item in done}


@pytest.mark.parametrize("name", ["wrong-host", "install", "rerun", "pods"])
def test_the_core_scenarios_pass(played, name):
    assert played[name].result == "passed", played[name].message


def test_three_nodes_are_ready(place, played):
    assert ready_nodes(place.site) == {"k8s-master1", "k8s-node1", "k8s-node2"}
    print(place.site.kubectl("get nodes -o wide").out)


def test_a_needless_restart_is_seen(place, played):
    host = place.site.hosts["k8s-node1"]
    before = rerun.starts(host)
    host.run("systemctl restart kube-proxy")
    assert rerun.restarted(before, rerun.starts(host)) == (["kube-proxy.service"], [])


def test_pods_fail_without_the_rule_that_keeps_their_addresses(place, played):
    host = place.site.hosts["k8s-node1"]
    host.run("iptables -t nat -D POSTROUTING -j BUNDLER-POSTROUTING")
    with pytest.raises(
        ScenarioError, match=r"k8s-node1: 172\.7\.120\.\d+ called 172\.7\.\d+\.\d+, which saw 10\.1\.1\.120"
    ):
        pods.run(place.site)
    host.run("systemctl restart bundler-firewall")


@pytest.mark.whole
@pytest.mark.parametrize("name", ["reboot", "uninstall", "tamper", "clock", "full-disk", "power-cut"])
def test_the_other_scenarios_pass(place, played, name):
    (done,) = play(place.site, chosen((name,)), tell)
    assert done.result == "passed", done.message


def test_report(real, place, played, pytestconfig):
    clear(REPORT)
    stages, timings = place.site.board.stages(), place.site.board.timings()
    cluster, found = place.site.cluster, parts(prepare(real.project(tell)), set(place.site.hosts))
    started, scenarios = "2026-01-01T00:00:00Z", tuple(played.values())
    about = (cluster.name, cluster.kubernetes, __version__, started, 1, place.machine, scenarios, stages, timings)
    write(REPORT, Report(*about, parts=found))
    told = json.loads((REPORT / "report.json").read_text())
    assert told["good"]
    assert len(told["parts"]) >= 12
    assert ET.parse(REPORT / "junit.xml").getroot().get("failures") == "0"
    pytestconfig.parts_said = list(lines(found))
