"""Two guests with flannel, once with host-gw and once with vxlan: its programs are stand-ins that keep its contract."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from builder.build import build, prepare
from builder.cli.nodes import nodes_shown
from builder.rehearse.play import play
from builder.rehearse.scenarios import chosen, reboot
from builder.rehearse.site import ScenarioError
from builder.rehearse.steps import ready_nodes
from builder.rehearse.venue import Wanted, venue
from tests.e2e.conftest import Real, left_since, tell, traces
from tests.e2e.parts import FLANNEL, mirror, static_busybox

pytestmark = pytest.mark.whole
MASTER, NODE = "k8s-master1", "k8s-node1"


@pytest.fixture(scope="module", params=["host-gw", "vxlan"])
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def built(backend, tmp_path_factory):
    """The project, its cluster, the folder of its bundles, and what the build says."""
    folder = tmp_path_factory.mktemp(backend)
    described = folder / "cluster.yaml"
    described.write_text(FLANNEL.read_text().replace("backend: flannel-host-gw", f"backend: flannel-{backend}"))
    said = []

    def sink(event):
        said.append(str(event))
        tell(event)

    with mirror(folder, described) as options, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{static_busybox().parent}:{os.environ['PATH']}")  # the rehearsal looks for one there
        project = Real(folder, options, described).project(sink)
        cluster = prepare(project).cluster
        yield project, cluster, build(project).folder, said


@pytest.fixture(scope="module")
def place(built):
    project, cluster, dist, _ = built
    before = traces()
    wanted = Wanted(cluster, cluster.nodes, dist, project.cache)
    with nodes_shown(tell, sys.stdout) as watch, venue(wanted, tell, watch) as made:
        yield made
    assert not left_since(before)


@pytest.fixture(scope="module")
def played(place):
    return {item.name: item for item in play(place.site, chosen(("install", "rerun", "pods")), tell)}


@pytest.mark.parametrize("name", ["install", "rerun", "pods"])
def test_the_scenarios_pass(played, name):
    assert played[name].result == "passed", played[name].message


def test_the_build_says_that_flannel_is_a_stand_in(built):
    """A rehearsal's report lists these notices."""
    for name in ("flanneld", "flannel"):
        assert any(f"STAND-IN for {name}, not the real program" in notice for notice in built[3])


def test_both_nodes_are_ready_and_flanneld_says_what_it_is(place, played):
    assert ready_nodes(place.site) == {MASTER, NODE}
    for host in place.site.hosts.values():
        assert "STAND-IN" in host.run("/opt/flannel/flanneld --version 2>&1").out
        assert "STAND-IN for flanneld v0.17.0" in host.run("journalctl --no-pager -u flanneld").out


def test_each_node_keeps_its_reserved_subnet(place, played):
    """In etcd without an end, in subnet.env, and on the bridge of the pods."""
    host = place.site.hosts[MASTER]
    v2 = (
        "ETCDCTL_API=2 /opt/etcd/etcdctl --endpoints https://10.1.1.100:2379 --ca-file /opt/flannel/ssl/ca.pem "
        "--cert-file /opt/flannel/ssl/etcd.pem --key-file /opt/flannel/ssl/etcd-key.pem"
    )
    for name, subnet in ((MASTER, "172.7.100"), (NODE, "172.7.120")):
        said = host.run(f"{v2} -o extended get /coreos.com/network/subnets/{subnet}.0-24").out
        assert re.search(r"^TTL: 0$", said, re.MULTILINE)
        other = place.site.hosts[name]
        assert f"FLANNEL_SUBNET={subnet}.1/24\n" in other.run("cat /run/flannel/subnet.env").out
        assert f"{subnet}.1/24" in other.run("ip -4 -o addr show cni0").out


def test_the_way_to_the_other_nodes_pods(place, played, backend):
    host = place.site.hosts[NODE]
    route = host.run("ip -4 route show 172.7.100.0/24").out.split()
    if backend == "host-gw":
        assert route[:5] == ["172.7.100.0/24", "via", "10.1.1.100", "dev", "eth0"]
    else:
        assert route[:5] == ["172.7.100.0/24", "via", "172.7.100.0", "dev", "flannel.1"]
        (link,) = json.loads(host.run("ip -j link show flannel.1").out)
        assert link["mtu"] == 1450


def test_a_boot_without_the_tmpfiles_entry_is_seen(place, played):
    host = place.site.hosts[NODE]
    host.run("mv /etc/tmpfiles.d/bundler-flannel.conf /root")
    with pytest.raises(ScenarioError, match=r"k8s-node1: .*subnet\.env was not there before flanneld"):
        reboot.one(place.site, host)
    host.run("mv /root/bundler-flannel.conf /etc/tmpfiles.d")


def test_flanneld_that_is_restarted_keeps_pods_reachable(place, played):
    place.site.each(lambda host: host.run("systemctl restart flanneld"))
    (done,) = play(place.site, chosen(("pods",)), tell)
    assert done.result == "passed", done.message
