"""The static network: routes in real kernels, pods by the real CNI plugins, packets between three hosts."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.components.lan import lan
from tests.components.plans import SUBNETS, workers
from tests.kit import HOSTS, ROOT, SHELLS

SCRIPT = "static-network/opt/kubernetes/bin/pod-routes.j2"
CONFLIST = "static-network/etc/cni/net.d/10-bundler.conflist.j2"
UNIT = ROOT / "overlays/static-network/etc/systemd/system/bundler-routes.service"
MASTER, NODE1, NODE2 = (SUBNETS[name] for name in HOSTS)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[-1])
def shell(request):
    return request.param


@pytest.fixture
def host():
    """k8s-node1, alone on its network: a route needs no neighbour, only an interface in the neighbour's network."""
    with lan() as made:
        yield made.host("k8s-node1")


@pytest.fixture
def routes(host, shell, tmp_path):
    """`routes(verb)` runs the script of k8s-node1; `hosts` are the ones that cluster.yaml has."""

    def run(verb, hosts=HOSTS, check=True):
        described = workers()
        described = replace(described, roles={name: described.roles[name] for name in hosts})
        script = tmp_path / "pod-routes"
        script.write_text(described.render("k8s-node1", SCRIPT))
        return host.run(*shell, script, verb, check=check)

    return run


def test_each_other_workers_pods_have_a_route_and_a_second_start_changes_nothing(host, routes):
    for _ in range(2):
        done = routes("start")
        assert (done.stdout, done.stderr) == ("", "")
        assert host.routes("proto", "118") == [
            f"{MASTER} via 10.1.1.100 dev eth0",
            f"{NODE2} via 10.1.1.130 dev eth0",
        ]


def test_a_host_that_left_loses_its_route_and_nobody_else_does(host, routes):
    host.run("ip", "route", "add", "172.9.0.0/24", "via", "10.1.1.9")
    routes("start")
    routes("start", hosts=("k8s-master1", "k8s-node1"))
    assert host.routes("proto", "118") == [f"{MASTER} via 10.1.1.100 dev eth0"]
    assert host.routes("172.9.0.0/24") == ["172.9.0.0/24 via 10.1.1.9 dev eth0"]


def test_a_subnet_that_moved_to_another_host_is_led_there(host, routes):
    host.run("ip", "route", "add", MASTER, "via", "10.1.1.77", "proto", "118")
    routes("start")
    assert host.routes(MASTER) == [f"{MASTER} via 10.1.1.100 dev eth0 proto 118"]


@pytest.mark.parametrize("foreign", [["proto", "static"], ["metric", "7"], []], ids=["static", "metric", "boot"])
def test_somebody_elses_route_is_told_and_left_alone_and_the_others_are_made(host, routes, foreign):
    host.run("ip", "route", "add", MASTER, "via", "10.1.1.9", *foreign)
    before = host.routes(MASTER)
    done = routes("start", check=False)
    assert done.returncode == 1
    assert f"{MASTER} has a route that is not ours ({MASTER} via 10.1.1.9" in done.stderr
    assert host.routes(MASTER) == before
    assert host.routes("proto", "118") == [f"{NODE2} via 10.1.1.130 dev eth0"]


def test_stop_removes_ours_only(host, routes):
    host.run("ip", "route", "add", "172.9.0.0/24", "via", "10.1.1.9", "proto", "117")
    before = host.routes()
    routes("start")
    for _ in range(2):
        routes("stop")
        assert host.routes() == before


def test_before_the_network_is_up_it_fails_so_that_the_unit_tries_again(host, routes):
    host.run("ip", "link", "set", "eth0", "down")
    done = routes("start", check=False)
    assert done.returncode == 1
    assert f"{MASTER} cannot be reached through 10.1.1.100" in done.stderr
    host.run("ip", "link", "set", "eth0", "up")
    routes("start")
    assert len(host.routes("proto", "118")) == 2


def test_routes_come_back_after_an_interface_that_was_down(host, routes, shell, tmp_path):
    routes("start")
    lose = "ip link set eth0 down; ip link set eth0 up; ip -4 route show proto 118; echo then; sleep 3"
    keep = f"PAUSE=1 timeout 6 {' '.join(shell)} {tmp_path}/pod-routes keep & {lose}; ip -4 route show proto 118; wait"
    lost, found = host.run("sh", "-c", keep, check=False).stdout.split("then\n")
    assert lost == ""
    assert found.count("via") == 2


def test_a_cluster_of_one_has_nothing_to_do(host, routes):
    routes("start", hosts=("k8s-node1",))
    assert host.routes("proto", "118") == []


def test_another_word_is_a_usage_error(routes):
    assert routes("reload", check=False).returncode == 64


def test_hosts_without_pods_get_no_route():
    described = workers()
    described = replace(described, roles=described.roles | {"k8s-master1": ("control-plane", "etcd")})
    assert "10.1.1.100" not in described.render("k8s-node1", SCRIPT)


def test_the_script_is_clean_for_shellcheck(tmp_path):
    script = tmp_path / "pod-routes"
    script.write_text(workers().render("k8s-node1", SCRIPT))
    done = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_unit_never_gives_up_and_comes_before_what_needs_it():
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(UNIT)
    assert unit["Unit"]["Before"].split() == ["containerd.service", "kubelet.service"]
    assert unit["Unit"]["After"] == unit["Unit"]["Wants"] == "network-online.target"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert (unit["Service"]["Restart"], unit["Service"]["RestartSec"]) == ("always", "5")
    assert unit["Service"]["ExecStartPre"].endswith("pod-routes start"), "what comes after it finds the routes"
    assert unit["Service"]["ExecStart"].endswith("pod-routes keep")
    assert unit["Service"]["ExecStopPost"].endswith("pod-routes stop")
    assert unit["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("name", HOSTS)
def test_the_cni_configuration_fits_its_schema(schema, name):
    config = json.loads(workers().render(name, CONFLIST))
    assert [error.message for error in schema("cni-conflist").iter_errors(config)] == []
    bridge, portmap = config["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": SUBNETS[name]}]]
    assert bridge["hairpinMode"] is bridge["isDefaultGateway"] is bridge["ipMasq"] is True
    assert bridge["mtu"] == 1500
    assert portmap["capabilities"] == {"portMappings": True}


# pods


ANSWERS = """
import socket
listening = socket.create_server(("0.0.0.0", 8080))
print("ready", flush=True)
while True:
    connection, caller = listening.accept()
    connection.sendall(caller[0].encode())
    connection.close()
"""
ASKS = "import socket, sys; print(socket.create_connection((sys.argv[1], 8080), timeout=5).recv(99).decode())"


class PodHost:
    """A host with routes and firewall of its own files, and one pod that says who called it."""

    def __init__(self, made, name, folder, plugins):
        self.space, self.pod = made.host(name), made.space(f"p{name}")
        folder.mkdir()
        self._files(name, folder)
        self.space.run("dash", folder / "pod-routes", "start")
        self.space.run("dash", folder / "bundler-firewall", "start")
        self.firewall = folder / "bundler-firewall"
        self.address = self._attach(name, plugins)
        serve = self.pod.command(sys.executable, "-c", ANSWERS)
        self.server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"

    def _files(self, name, folder):
        described = workers()
        (folder / "pod-routes").write_text(described.render(name, SCRIPT))
        rules = "firewall/opt/kubernetes/cfg/iptables.rules.j2"
        (folder / "iptables.rules").write_text(described.render(name, rules))
        script = (ROOT / "overlays/firewall/opt/kubernetes/bin/bundler-firewall").read_text()
        (folder / "bundler-firewall").write_text(script.replace("/opt/kubernetes/cfg", str(folder)))

    def _attach(self, name, plugins):
        """What containerd does: the first plugin of the list, ADD. host-local's folder is a tmpfs for this moment."""
        listed = json.loads(workers().render(name, CONFLIST))
        config = {"name": listed["name"], "cniVersion": listed["cniVersion"], **listed["plugins"][0]}
        environ = {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": name,
            "CNI_NETNS": f"/run/netns/{self.pod.name}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(plugins),
        }
        pairs = [f"{key}={value}" for key, value in environ.items()]
        add = f"mount -t tmpfs none /var/lib && exec env {' '.join(pairs)} {plugins}/bridge"
        done = self.space.run("sh", "-c", add, input=json.dumps(config), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["ips"][0]["address"].partition("/")[0]

    def calls(self, address):
        """The caller's address as the pod at `address` sees it."""
        return self.pod.run(sys.executable, "-c", ASKS, address).stdout.strip()


@pytest.fixture
def pod_hosts(cni_plugins, tmp_path):
    with lan() as made:
        hosts = [PodHost(made, name, tmp_path / name, cni_plugins) for name in HOSTS]
        yield hosts
        for host in hosts:
            host.server.terminate()
            host.server.communicate(timeout=10)


def test_pods_of_three_hosts_reach_each_other_and_see_the_real_address(pod_hosts):
    assert [host.address.rpartition(".")[0] for host in pod_hosts] == ["172.7.100", "172.7.120", "172.7.130"]
    for caller in pod_hosts:
        for called in pod_hosts:
            if caller is not called:
                assert caller.calls(called.address) == caller.address
    # and it is the firewall's doing: without it the CNI's MASQUERADE shows the host's address
    one, other = pod_hosts[1:]
    one.space.run("dash", one.firewall, "stop")
    assert one.calls(other.address) == "10.1.1.120"


def test_pods_reach_the_world_under_their_hosts_address(pod_hosts):
    master, one = pod_hosts[:2]
    serve = master.space.command(sys.executable, "-c", ANSWERS)
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        assert one.calls("10.1.1.100") == "10.1.1.120"
        server.terminate()
