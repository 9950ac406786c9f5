"""Three guests from three tarballs: the core set, and each scenario that has to see when something is wrong."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree as ET

import pytest

from builder.build import build, prepare
from builder.cli.nodes import nodes_shown
from builder.rehearse.parts import lines
from builder.rehearse.play import play
from builder.rehearse.rehearsal import reported
from builder.rehearse.report import clear
from builder.rehearse.scenarios import chosen, pods, rerun
from builder.rehearse.site import ScenarioError
from builder.rehearse.snapshot import take
from builder.rehearse.steps import ready_nodes
from builder.rehearse.venue import Wanted, venue
from tests.e2e.conftest import REPORTS, left_since, tell, traces
from tests.unit.rehearse.fakes import archive

THEIRS = "/etc/containerd/config.toml"


@pytest.fixture(scope="module")
def before():
    return traces()


@pytest.fixture(scope="module")
def place(real, before):
    project = real.project(tell)
    cluster = prepare(project).cluster
    dist = build(project).folder
    wanted = Wanted(cluster, cluster.nodes, dist, project.cache)
    with nodes_shown(tell, sys.stdout) as watch, venue(wanted, tell, watch) as made:
        yield made
    assert not left_since(before)


@pytest.fixture(scope="module")
def played(place):
    """The first scenarios, played once; the snapshots are for `uninstall`, which comes last.

    One host has a file of its administrator where the bundle has one, with an extended attribute.
    """
    theirs = archive({f".{THEIRS}": {"SCHILY.xattr.user.origin": "administrator"}})
    unpack = "base64 -d | tar -C / --xattrs --xattrs-include='*' -xzf -"
    place.site.hosts["k8s-node2"].run(unpack, text=theirs)
    place.site.before.update(place.site.each(take))
    assert place.site.before["k8s-node2"].files[THEIRS].attributes
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


@pytest.mark.whole
def test_pods_fail_without_the_rule_that_keeps_their_addresses(place, played):
    host = place.site.hosts["k8s-node1"]
    host.run("iptables -t nat -D POSTROUTING -j BUNDLER-POSTROUTING")
    with pytest.raises(
        ScenarioError, match=r"k8s-node1: 172\.7\.120\.\d+ called 172\.7\.\d+\.\d+, which saw 10\.1\.1\.120"
    ):
        pods.run(place.site)
    host.run("systemctl restart bundler-firewall")


@pytest.mark.parametrize("name", [pytest.param("reboot", marks=pytest.mark.whole), "uninstall"])
def test_the_other_scenarios_pass(place, played, name):
    (played[name],) = play(place.site, chosen((name,)), tell)
    assert played[name].result == "passed", played[name].message


def test_report(real, place, played, pytestconfig):
    folder, project = REPORTS / "cluster", real.project(tell)
    clear(folder)
    seconds = sum(item.seconds for item in played.values())
    report = reported(place, prepare(project), tuple(played.values()), folder, project.now, seconds)
    told = json.loads((folder / "report.json").read_text())
    assert told["good"]
    assert len(told["parts"]) >= 12
    assert ET.parse(folder / "junit.xml").getroot().get("failures") == "0"
    units = (folder / "nodes" / "k8s-master1" / "units.txt").read_text()
    assert "kube-apiserver.service" not in units  # uninstalled by now
    pytestconfig.parts_said = list(lines(report.parts))
