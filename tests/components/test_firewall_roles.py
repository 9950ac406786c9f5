"""What the firewall opens on hosts of each role, as the real iptables reads it."""

from __future__ import annotations

import subprocess

import pytest

from tests.components.lan import lan
from tests.components.plans import Fixed, workers
from tests.kit import HOSTS, ROOT, SHELLS

RULES = "firewall/opt/kubernetes/cfg/iptables.rules.j2"
MASTER, NODE1, NODE2 = HOSTS
APART = {MASTER: ("control-plane",), NODE1: ("etcd",), NODE2: ("worker",)}


@pytest.fixture
def host(tmp_path):
    """`host(described, name)` starts the firewall of that node in a namespace and gives the namespace."""
    with lan() as made:

        def start(described, name, shell=("dash",)):
            (tmp_path / "iptables.rules").write_text(described.render(name, RULES))
            script = (ROOT / "overlays/firewall/opt/kubernetes/bin/bundler-firewall").read_text()
            (tmp_path / "bundler-firewall").write_text(script.replace("/opt/kubernetes/cfg", str(tmp_path)))
            space = made.host(name)
            space.run(*shell, tmp_path / "bundler-firewall", "start")
            space.firewall = tmp_path / "bundler-firewall"
            return space

        yield start


def rules(space, table, chain):
    lines = space.run("iptables", "-t", table, "-S", f"BUNDLER-{chain}").stdout.splitlines()[1:]
    return [line.removeprefix(f"-A BUNDLER-{chain} ") for line in lines]


def tcp(address, port):
    return f"-s {address}/32 -p tcp -m tcp --dport {port} -j ACCEPT"


def test_a_control_plane_takes_calls_from_anywhere_and_nothing_else(host):
    space = host(Fixed(APART), MASTER)
    assert rules(space, "filter", "INPUT") == ["-p tcp -m tcp --dport 6443 -j ACCEPT"]
    assert rules(space, "filter", "FORWARD") == rules(space, "nat", "POSTROUTING") == []


def test_the_port_is_the_clusters(host):
    assert rules(host(Fixed(APART, port=8443), MASTER), "filter", "INPUT") == ["-p tcp -m tcp --dport 8443 -j ACCEPT"]


def test_etcd_takes_calls_from_api_servers_and_members_only(host):
    space = host(Fixed(APART), NODE1)
    assert rules(space, "filter", "INPUT") == [
        tcp("10.1.1.100", 2379),
        tcp("10.1.1.120", 2379),
        tcp("10.1.1.120", 2380),
    ]
    assert rules(space, "filter", "FORWARD") == rules(space, "nat", "POSTROUTING") == []


@pytest.mark.parametrize("backend", ["flannel-host-gw", "flannel-vxlan"])
def test_flanneld_on_every_worker_is_a_client_of_etcd(host, backend):
    space = host(Fixed(APART, backend=backend), NODE1)
    assert rules(space, "filter", "INPUT") == [
        *(tcp(address, 2379) for address in HOSTS.values()),
        tcp("10.1.1.120", 2380),
    ]


def test_a_worker_opens_neither_etcd_nor_the_api_server(host):
    space = host(Fixed(APART), NODE2)
    assert rules(space, "filter", "INPUT") == [
        "-s 172.7.0.0/16 -j ACCEPT",
        *(tcp(address, 10250) for address in HOSTS.values()),
    ]
    assert len(rules(space, "filter", "FORWARD")) == 2
    assert rules(space, "nat", "POSTROUTING") == ["-s 172.7.130.0/24 -d 172.7.0.0/16 -j ACCEPT"]


def test_vxlan_is_taken_from_the_other_workers_only(host):
    roles = {MASTER: ("worker",), NODE1: ("worker",), NODE2: ("control-plane", "etcd")}
    space = host(Fixed(roles, backend="flannel-vxlan"), NODE1)
    udp = [rule for rule in rules(space, "filter", "INPUT") if "8472" in rule]
    assert udp == ["-s 10.1.1.100/32 -p udp -m udp --dport 8472 -j ACCEPT"]
    assert "8472" not in Fixed(roles, backend="flannel-vxlan").render(NODE2, RULES)


@pytest.mark.parametrize("backend", ["static", "flannel-host-gw"])
def test_without_vxlan_its_port_stays_shut(backend):
    assert "8472" not in workers(backend=backend).render(NODE1, RULES)


@pytest.mark.parametrize("backend", ["static", "flannel-host-gw", "flannel-vxlan"])
@pytest.mark.parametrize("name", HOSTS)
def test_a_host_of_all_roles_has_the_rules_of_each(host, name, backend):
    everything = Fixed(dict.fromkeys(HOSTS, ("control-plane", "etcd", "worker")), backend=backend)
    found = rules(host(everything, name), "filter", "INPUT")
    assert "-p tcp -m tcp --dport 6443 -j ACCEPT" in found
    for address in HOSTS.values():
        for port in (10250, 2379, 2380):
            assert found.count(tcp(address, port)) == 1


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])
@pytest.mark.parametrize("name", HOSTS)
def test_start_and_stop_leave_nothing_behind_whatever_the_role(host, name, shell):
    space = host(Fixed(APART), name, shell)
    assert space.run("iptables", "-S", "INPUT").stdout.splitlines()[1:] == ["-A INPUT -j BUNDLER-INPUT"]
    space.run(*shell, space.firewall, "start")
    space.run(*shell, space.firewall, "stop")
    assert "BUNDLER" not in space.run("iptables-save").stdout


@pytest.mark.parametrize("backend", ["static", "flannel-host-gw", "flannel-vxlan"])
@pytest.mark.parametrize("roles", [("control-plane",), ("etcd",), ("worker",), ("control-plane", "etcd", "worker")])
def test_iptables_restore_accepts_every_combination(host, roles, backend):
    """Also that --noflush with empty chains is no error."""
    described = Fixed(dict.fromkeys(HOSTS, roles), backend=backend)
    space = host(described, NODE1)
    check = space.command("iptables-restore", "--test", "--noflush")
    text = described.render(NODE1, RULES)
    done = subprocess.run(check, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
