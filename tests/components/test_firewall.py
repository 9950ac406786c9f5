"""The firewall and route scripts against the real iptables and ip, in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest

from tests.kit import SHELLS

POD = "172.7.120.0/24"
JUMP = "-A POSTROUTING -j BUNDLER-POSTROUTING"


class Host:
    """A network namespace with this node's files in a folder; commands run inside it."""

    def __init__(self, folder, node):
        self.name = f"bundler-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for path in ("/opt/kubernetes/cfg/iptables.rules", "/opt/kubernetes/bin/bundler-firewall"):
            place = folder / os.path.basename(path)
            place.write_bytes(node.files[path].replace(b"/opt/kubernetes/cfg", str(folder).encode()))
        (folder / "service-route").write_bytes(node.files["/opt/kubernetes/bin/service-route"])

    def run(self, *command, check=True):
        enter = ["ip", "netns", "exec", self.name]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=check)

    def script(self, shell, name, verb):
        return self.run(*shell, str(self.folder / name), verb)

    def rules(self, table, chain):
        return self.run("iptables", "-t", table, "-S", chain).stdout.splitlines()[1:]

    def saved(self):
        lines = self.run("iptables-save").stdout.splitlines()
        return [line.split(" [")[0] for line in lines if not line.startswith("#")]


@pytest.fixture
def host(seed, tmp_path):
    made = Host(tmp_path, seed["k8s-node1"])
    yield made
    subprocess.run(["ip", "netns", "del", made.name], check=True)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[-1])
def shell(request):
    return request.param


def test_iptables_restore_accepts_the_rule_set(host):
    with (host.folder / "iptables.rules").open() as rules:
        done = subprocess.run(
            ["ip", "netns", "exec", host.name, "iptables-restore", "--test", "--noflush"],
            stdin=rules,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_at_boot_the_rule_ends_up_between_kube_proxys_and_the_cnis(host, shell):
    """pitfalls 16 and 18: ours first, then kube-proxy inserts on top and the CNI appends, as they do."""
    host.script(shell, "bundler-firewall", "start")
    host.run("iptables", "-t", "nat", "-N", "KUBE-POSTROUTING")
    host.run("iptables", "-t", "nat", "-I", "POSTROUTING", "-j", "KUBE-POSTROUTING")
    host.run("iptables", "-t", "nat", "-N", "CNI-abc")
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.7.120.5/32", "-j", "CNI-abc")
    order = [rule.rpartition(" ")[2] for rule in host.rules("nat", "POSTROUTING")]
    assert order == ["KUBE-POSTROUTING", "BUNDLER-POSTROUTING", "CNI-abc"]


def test_on_a_live_host_the_rule_is_put_between_kube_proxys_and_the_cnis(host, shell):
    host.run("iptables", "-t", "nat", "-N", "KUBE-POSTROUTING")
    host.run("iptables", "-t", "nat", "-N", "CNI-abc")
    host.run(
        "iptables",
        "-t",
        "nat",
        "-A",
        "POSTROUTING",
        "-m",
        "comment",
        "--comment",
        "kubernetes postrouting rules",
        "-j",
        "KUBE-POSTROUTING",
    )
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.7.120.5/32", "-j", "CNI-abc")
    for _ in range(2):
        host.script(shell, "bundler-firewall", "start")
        order = [rule.rpartition(" ")[2] for rule in host.rules("nat", "POSTROUTING")]
        assert order == ["KUBE-POSTROUTING", "BUNDLER-POSTROUTING", "CNI-abc"]


def test_a_rule_in_the_wrong_place_is_moved(host, shell):
    host.script(shell, "bundler-firewall", "start")
    host.run("iptables", "-t", "nat", "-N", "KUBE-POSTROUTING")
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "KUBE-POSTROUTING")
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "BUNDLER-POSTROUTING")
    host.script(shell, "bundler-firewall", "start")
    assert host.rules("nat", "POSTROUTING") == ["-A POSTROUTING -j KUBE-POSTROUTING", JUMP]


def test_pod_to_pod_is_accepted_before_any_masquerade_and_only_from_this_node(host, shell):
    host.script(shell, "bundler-firewall", "start")
    assert host.rules("nat", "BUNDLER-POSTROUTING") == [f"-A BUNDLER-POSTROUTING -s {POD} -d 172.7.0.0/16 -j ACCEPT"]


def test_stock_reject_rules_stay_and_are_passed(host, shell):
    """pitfall 18: the seed deleted them; ours stand above."""
    for chain in ("INPUT", "FORWARD"):
        host.run("iptables", "-A", chain, "-j", "REJECT", "--reject-with", "icmp-host-prohibited")
    host.script(shell, "bundler-firewall", "start")
    for chain in ("INPUT", "FORWARD"):
        assert host.rules("filter", chain) == [
            f"-A {chain} -j BUNDLER-{chain}",
            f"-A {chain} -j REJECT --reject-with icmp-host-prohibited",
        ]


def test_the_nodes_and_the_api_server_reach_the_kubelet(host, shell):
    host.script(shell, "bundler-firewall", "start")
    rules = host.rules("filter", "BUNDLER-INPUT")
    assert rules[0] == "-A BUNDLER-INPUT -s 172.7.0.0/16 -j ACCEPT"
    assert rules[1:] == [
        f"-A BUNDLER-INPUT -s 10.1.1.{n}/32 -p tcp -m tcp --dport 10250 -j ACCEPT" for n in (100, 120, 130)
    ]


def test_a_second_start_changes_nothing_and_stop_gives_back_what_was(host, shell):
    host.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth9", "-j", "MASQUERADE")
    before = host.saved()
    host.script(shell, "bundler-firewall", "start")
    first = host.saved()
    host.script(shell, "bundler-firewall", "start")
    assert host.saved() == first != before
    host.script(shell, "bundler-firewall", "stop")
    assert [line for line in host.saved() if "filter" not in line] == [line for line in before if "filter" not in line]
    host.script(shell, "bundler-firewall", "stop")


def addressed(host):
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
    host.run("ip", "addr", "add", "10.1.1.120/24", "dev", "eth0")
    for name in ("eth0", "far"):
        host.run("ip", "link", "set", name, "up")


def service_routes(host):
    return host.run("ip", "-4", "route", "show", "10.96.0.0/12").stdout.split()


def test_without_a_default_route_the_service_network_gets_one_of_its_own(host, shell):
    """pitfall 19"""
    addressed(host)
    for _ in range(2):
        host.script(shell, "service-route", "start")
        assert service_routes(host)[:3] == ["10.96.0.0/12", "dev", "eth0"]
    host.script(shell, "service-route", "stop")
    assert service_routes(host) == []
    host.script(shell, "service-route", "stop")


def test_with_a_default_route_nothing_is_added(host, shell):
    addressed(host)
    host.run("ip", "route", "add", "default", "via", "10.1.1.1")
    host.script(shell, "service-route", "start")
    assert service_routes(host) == []


def test_somebody_elses_route_is_left_alone(host, shell):
    addressed(host)
    host.run("ip", "route", "add", "10.96.0.0/12", "via", "10.1.1.9")
    host.script(shell, "service-route", "start")
    host.script(shell, "service-route", "stop")
    assert service_routes(host)[:3] == ["10.96.0.0/12", "via", "10.1.1.9"]


def test_a_host_without_the_address_is_an_error(host, shell):
    done = host.run(*shell, str(host.folder / "service-route"), "start", check=False)
    assert done.returncode == 1
    assert "no interface has 10.1.1.120" in done.stderr


@pytest.mark.parametrize("name", ["bundler-firewall", "service-route"])
def test_scripts_are_clean_for_shellcheck(host, name):
    done = subprocess.run(["shellcheck", "-s", "sh", host.folder / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
