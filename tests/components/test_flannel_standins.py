"""The working stand-ins of flannel keep its contract: real etcd 3.5 (v2, TLS), real CNI plugins, hosts as namespaces.

What is held here is what a host sees of flannel v0.17.0 (shared/facts); the daemon is started with the words of the
generated unit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.cluster import unitfile
from tests.components.etcd import running_etcd
from tests.components.lan import lan
from tests.e2e.parts import working
from tests.kit import DATA, HOSTS, KEPT, ROOT, cluster, network
from tests.standins import golang

KEYS = "/coreos.com/network"
ETCD_HOST, ONE, TWO = HOSTS
SUBNETS = {name: f"172.7.{address.rpartition('.')[2]}.0/24" for name, address in HOSTS.items()}
GRAMMAR = json.loads((DATA / "subnet-env-v0.17.json").read_text())["regex"]["ipv4"]
DAY = 24 * 60 * 60
PATIENCE = 120  # seconds: other tests may load the machine


@pytest.fixture(scope="session")
def flanneld():
    return golang.build("flanneld", "v0.17.0", KEPT)


@pytest.fixture(scope="session")
def plugins(cni_plugins, tmp_path_factory):
    """Debian's bridge and host-local, and the stand-in that calls them."""
    folder = tmp_path_factory.mktemp("flannel-cni")
    shutil.copytree(cni_plugins, folder, dirs_exist_ok=True)
    shutil.copy(golang.build("flannel", "v1.0.1", KEPT), folder / "flannel")
    return folder


def until(what, true):
    limit = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < limit, f"not within {PATIENCE} s: {what() if callable(what) else what}"
        time.sleep(0.1)


# flags


def run(flanneld, *words, **environ):
    return subprocess.run(
        [flanneld, *words], capture_output=True, text=True, check=False, env=os.environ | environ, timeout=PATIENCE
    )


def test_the_source_is_formatted():
    done = subprocess.run(["gofmt", "-l", golang.SOURCE], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_it_takes_exactly_the_flags_of_the_real_one(flanneld, flags):
    done = run(flanneld, "-help")
    assert done.returncode == 0
    known = dict(re.findall(r"^  -(\S+).*\n(.*)$", done.stderr, re.MULTILINE))
    table = flags["flanneld-v0.17.0"]
    assert set(known) == set(table)
    for name, about in table.items():
        said = re.search(r'\(default "?(.*?)"?\)$', known[name])
        told = "" if about["default"] in {"0", "false"} else about["default"]  # as the flag package tells them
        assert (said[1] if said else "") == told, name


def test_it_says_that_it_is_a_stand_in(flanneld):
    done = run(flanneld, "--version")
    assert (done.returncode, done.stderr) == (0, "v0.17.0 (STAND-IN, not the real flanneld)\n")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("-etcd-endpoint=https://10.1.1.100:2379", "flag provided but not defined: -etcd-endpoint"),
        ("-healthz-port=x", 'invalid value "x" for flag -healthz-port'),
        ("-ip-masq=perhaps", 'invalid boolean value "perhaps" for -ip-masq'),
        ("-subnet-file", "flag needs an argument: -subnet-file"),
    ],
)
def test_what_the_real_one_refuses_is_refused_as_there_with_its_usage_and_exit_code_0(flanneld, word, said):
    """A trap of the real one: its usage ends the program before the flag package would with 2."""
    done = run(flanneld, word)
    assert done.returncode == 0
    assert done.stderr.startswith(said)
    assert "Usage: " in done.stderr


def test_flags_come_from_the_environment_and_the_command_line_wins(flanneld):
    margin = {"FLANNELD_SUBNET_LEASE_RENEW_MARGIN": "1440", "FLANNELD_ETCD_CAFILE": "/nonexistent"}
    done = run(flanneld, **margin)
    assert done.returncode == 1
    assert "Invalid subnet-lease-renew-margin option" in done.stderr
    done = run(flanneld, "-subnet-lease-renew-margin=60", **margin)
    assert done.returncode == 1
    assert "Failed to create SubnetManager: open /nonexistent" in done.stderr


def test_the_kubernetes_api_as_its_store_is_refused(flanneld):
    done = run(flanneld, "-kube-subnet-mgr")
    assert done.returncode == 1
    assert "this stand-in keeps its leases in etcd only" in done.stderr


# hosts


@dataclass
class Field:
    """Three hosts on one network: etcd on the first, flanneld on the others; `plans` are what is rendered for them."""

    made: object
    hosts: dict
    etcd: object
    plans: dict
    flanneld: object
    folder: object

    def config(self, **changes):
        said = json.loads(self.plans[ONE].plan.flannel.network) | changes
        self.etcd.v2("set", f"{KEYS}/config", json.dumps(said))

    def lease(self, name, subnet=None):
        key = f"{KEYS}/subnets/{(subnet or SUBNETS[name]).replace('/', '-')}"
        said = self.etcd.v2("-o", "extended", "get", key)
        ttl = int(re.search(r"^TTL: (\d+)$", said, re.MULTILINE)[1])
        return json.loads(said.partition("\n\n")[2]), ttl

    def leases(self):
        listed = self.etcd.v2("ls", f"{KEYS}/subnets", check=False).split()
        return sorted(key.rpartition("/")[2].replace("-", "/") for key in listed)

    def set_lease(self, name, subnet=None):
        reservations = self.plans[name].plan.flannel.reservations
        value = next(item.lease for item in reservations if str(item.address) == HOSTS[name])
        self.etcd.v2("set", f"{KEYS}/subnets/{(subnet or SUBNETS[name]).replace('/', '-')}", value)

    def forget(self, name):
        self.etcd.v2("rm", f"{KEYS}/subnets/{SUBNETS[name].replace('/', '-')}")

    def reserve_all(self):
        for name in (ONE, TWO):
            self.set_lease(name)

    @contextmanager
    def daemon(self, name, *more, ready=True):
        daemon = Daemon(self, name, more)
        try:
            if ready:
                daemon.wait_ready()
            yield daemon
        finally:
            daemon.end()


class Daemon:
    """flanneld of a host, started with the words of its unit, as systemd would start it."""

    def __init__(self, field, name, more=()):
        self.host, self.file = field.hosts[name], field.folder / f"{name}-subnet.env"
        self.log = field.folder / f"{name}.log"
        place = field.folder / f"{name}.notify"
        place.unlink(missing_ok=True)
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(place))
        unit = unitfile.service(field.plans[name].text("/etc/systemd/system/flanneld.service"))
        words = [word for word in unit.start[0].words[1:] if not word.startswith("-etcd-endpoints=")]
        words = [word.replace("/opt/flannel/ssl", str(field.etcd.ssl)) for word in words]
        words = [word.replace("/run/flannel/subnet.env", str(self.file)) for word in words]
        words += [f"-etcd-endpoints=https://10.1.1.77:2379,{field.etcd.endpoint}", *more]  # the first is not there
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.host.command(field.flanneld, *words),
                stdout=log,
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": str(place)},
            )

    def wait_ready(self):
        self.notified.settimeout(PATIENCE)
        assert self.notified.recv(99) == b"READY=1", self.said()

    @property
    def ready(self):
        self.notified.settimeout(0.01)
        try:
            return self.notified.recv(99) == b"READY=1"
        except TimeoutError:
            return False

    def said(self):
        return self.log.read_text()

    def until_it_says(self, text):
        until(lambda: f"{text!r} in {self.said()}", lambda: text in self.said())

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)
        self.notified.close()


@pytest.fixture(scope="module")
def plans(render_once):
    """What is rendered for each backend."""
    return {
        backend: render_once(cluster(network=network(backend=backend)))
        for backend in ("flannel-host-gw", "flannel-vxlan")
    }


@pytest.fixture(params=["flannel-host-gw"])
def backend(request):
    return request.param


@pytest.fixture
def field(backend, plans, flanneld, tmp_path):
    with lan() as made:
        hosts = {name: made.host(name) for name in HOSTS}
        inside = hosts[ETCD_HOST].command()
        with running_etcd(plans[backend][ONE], tmp_path, HOSTS[ETCD_HOST], inside) as etcd:
            yield Field(made, hosts, etcd, plans[backend], flanneld, tmp_path)


both = pytest.mark.parametrize("backend", ["flannel-host-gw", "flannel-vxlan"], indirect=True)


# leases


def test_it_waits_for_a_network_that_makes_sense(field):
    with field.daemon(ONE, ready=False) as daemon:
        daemon.until_it_says("Couldn't fetch network config: 100: Key not found")
        field.config(SubnetLen=17)
        daemon.until_it_says("must be able to accommodate at least four subnets")
        assert not daemon.ready
        field.config(SubnetMin="172.8.0.0")
        daemon.until_it_says("SubnetMin is not in the range of the Network")
        assert not daemon.file.exists()
        field.config()
        daemon.wait_ready()
        assert re.fullmatch(GRAMMAR.removeprefix("^").removesuffix("$"), daemon.file.read_text())


def test_a_reservation_is_found_by_the_address_and_stays_one(field):
    field.config()
    field.set_lease(ONE)
    with field.daemon(ONE) as daemon:
        assert daemon.file.read_text() == field.plans[ONE].text("/opt/flannel/subnet.env")
        time.sleep(1.5)  # time enough to renew it, had it a mind to
        value, ttl = field.lease(ONE)
        assert ttl == 0
        assert value == {"PublicIP": HOSTS[ONE], "PublicIPv6": None, "BackendType": "host-gw"}


def test_a_lease_lasts_a_day_and_the_address_goes_before_subnet_env(field):
    field.config()
    (field.folder / f"{ONE}-subnet.env").write_text(field.plans[ONE].text("/opt/flannel/subnet.env"))
    field.etcd.v2("set", "--ttl", "3600", f"{KEYS}/subnets/172.7.57.0-24", json.dumps({"PublicIP": HOSTS[ONE]}))
    with field.daemon(ONE) as daemon:
        assert "FLANNEL_SUBNET=172.7.57.1/24\n" in daemon.file.read_text()
        assert DAY - 300 < field.lease(ONE, "172.7.57.0/24")[1] <= DAY
        assert field.leases() == ["172.7.57.0/24"]


def test_without_a_lease_it_asks_for_the_subnet_of_subnet_env(field):
    field.config()
    (field.folder / f"{ONE}-subnet.env").write_text(field.plans[ONE].text("/opt/flannel/subnet.env"))
    with field.daemon(ONE) as daemon:
        assert "FLANNEL_SUBNET=172.7.120.1/24\n" in daemon.file.read_text()
        assert DAY - 300 < field.lease(ONE)[1] <= DAY


def test_without_both_or_where_neither_fits_it_draws_one(field):
    field.config(SubnetMin="172.7.200.0", SubnetMax="172.7.201.0")
    field.set_lease(ONE)
    field.set_lease(TWO, "172.7.201.0/24")
    other = field.plans[TWO].text("/opt/flannel/subnet.env")
    (field.folder / f"{ONE}-subnet.env").write_text(other)
    with field.daemon(ONE) as daemon:
        assert "FLANNEL_SUBNET=172.7.200.1/24\n" in daemon.file.read_text()
        assert field.leases() == ["172.7.200.0/24", "172.7.201.0/24"]
        assert "Found lease (172.7.120.0/24) for current IP (10.1.1.120) but not compatible" in daemon.said()
        assert "Found previously leased subnet (172.7.130.0/24) that is not compatible" in daemon.said()


def test_where_no_subnet_is_free_it_gives_up(field):
    field.config(SubnetMin="172.7.200.0", SubnetMax="172.7.200.0")
    field.set_lease(TWO, "172.7.200.0/24")
    with field.daemon(ONE, ready=False) as daemon:
        assert daemon.process.wait(PATIENCE) == 1
        assert "failed to acquire lease: out of subnets" in daemon.said()


def test_a_lease_that_is_near_its_end_is_renewed(field):
    field.config()
    field.set_lease(ONE)
    with field.daemon(ONE):
        value, _ = field.lease(ONE)
        field.etcd.v2("set", "--ttl", "3602", f"{KEYS}/subnets/172.7.120.0-24", json.dumps(value))
        until("the lease renewed", lambda: field.lease(ONE)[1] > DAY - 300)


def test_a_lease_that_is_taken_away_ends_it(field):
    field.config()
    field.reserve_all()
    with field.daemon(ONE) as daemon:
        field.forget(ONE)
        assert daemon.process.wait(PATIENCE) == 0
        assert "Lease has been revoked. Shutting down daemon." in daemon.said()


def test_host_gw_refuses_an_address_that_is_not_the_interfaces(field):
    field.config()
    with field.daemon(ONE, "-public-ip=10.1.1.99", ready=False) as daemon:
        assert daemon.process.wait(PATIENCE) == 1
        assert "your PublicIP differs from interface IP" in daemon.said()


def test_healthz_answers_and_the_rules_of_the_network_are_there(field):
    field.config()
    field.reserve_all()
    with field.daemon(ONE, "-ip-masq=true", "-iptables-resync=1") as daemon:
        port = field.plans[ONE].text("/etc/systemd/system/flanneld.service").partition("-healthz-port=")[2].split()[0]
        ask = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}/healthz').read().decode())"
        assert daemon.host.run(sys.executable, "-c", ask).stdout == "flanneld is running\n"
        assert "FLANNEL_IPMASQ=true\n" in daemon.file.read_text()

        def rules(table, comment):
            saved = daemon.host.run("iptables-save", "-t", table).stdout.splitlines()
            return [line for line in saved if f'"{comment}"' in line]

        until(
            "rules", lambda: len(rules("nat", "flanneld masq")) == 4 and len(rules("filter", "flanneld forward")) == 2
        )
        daemon.host.run("iptables", "-w", "-F", "FORWARD")
        until("rules that came back", lambda: len(rules("filter", "flanneld forward")) == 2)


# ways to other hosts' pods


def test_host_gw_has_a_route_for_each_other_lease(field):
    field.config()
    field.reserve_all()
    with field.daemon(ONE) as daemon:
        route = f"{SUBNETS[TWO]} via {HOSTS[TWO]} dev eth0"
        until(daemon.said, lambda: daemon.host.routes(SUBNETS[TWO]) == [route])
        assert daemon.host.routes(SUBNETS[ONE]) == []
        daemon.host.run("ip", "route", "del", SUBNETS[TWO])
        until("the route back", lambda: daemon.host.routes(SUBNETS[TWO]) == [route])
        field.set_lease(ETCD_HOST)
        until("a route for a new lease", lambda: len(daemon.host.routes(SUBNETS[ETCD_HOST])) == 1)
        field.forget(TWO)
        until("the route removed", lambda: daemon.host.routes(SUBNETS[TWO]) == [])
        assert len(daemon.host.routes(SUBNETS[ETCD_HOST])) == 1
    assert len(daemon.host.routes(SUBNETS[ETCD_HOST])) == 1, "its end leaves the routes"


def test_a_lease_of_another_backend_is_left_alone(field):
    field.config()
    field.set_lease(ONE)
    other = {"PublicIP": HOSTS[TWO], "PublicIPv6": None, "BackendType": "vxlan", "BackendData": {"VNI": 1}}
    field.etcd.v2("set", f"{KEYS}/subnets/172.7.130.0-24", json.dumps(other))
    with field.daemon(ONE) as daemon:
        daemon.until_it_says("Ignoring non-host-gw subnet (172.7.130.0/24): type=vxlan")
        assert daemon.host.routes(SUBNETS[TWO]) == []


MANY = """
import http.client, json, ssl, sys, urllib.parse
host, port, folder = sys.argv[1:]
context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
context.load_cert_chain(f"{folder}/etcd.pem", f"{folder}/etcd-key.pem")
connection = http.client.HTTPSConnection(host, int(port), context=context)
for number in range(1100):
    connection.request("PUT", "/v2/keys/elsewhere", f"value={number}", {"Content-Type": "application/x-www-form-urlencoded"})
    connection.getresponse().read()
"""


def test_a_watch_that_etcd_has_no_history_for_lists_again(field):
    """etcd keeps 1000 changes of its v2 API, of all keys."""
    field.config()
    field.reserve_all()
    with field.daemon(ONE) as daemon:
        until("the route", lambda: daemon.host.routes(SUBNETS[TWO]))
        daemon.process.send_signal(19)  # SIGSTOP
        field.set_lease(ETCD_HOST)  # this one reaches the wait that is under way
        field.forget(TWO)
        address, _, port = field.etcd.endpoint.removeprefix("https://").partition(":")
        field.hosts[ETCD_HOST].run(sys.executable, "-c", MANY, address, port, field.etcd.ssl)
        daemon.process.send_signal(18)  # SIGCONT
        until(daemon.said, lambda: not daemon.host.routes(SUBNETS[TWO]))
        assert "outside history window" in daemon.said()
        assert daemon.host.routes(SUBNETS[ETCD_HOST])


@pytest.mark.parametrize("backend", ["flannel-vxlan"], indirect=True)
def test_vxlan_has_a_device_and_a_way_for_each_other_lease(field):
    field.config()
    field.reserve_all()
    with field.daemon(ONE) as one, field.daemon(TWO) as two:
        value, ttl = field.lease(TWO)
        (link,) = json.loads(two.host.run("ip", "-d", "-j", "link", "show", "flannel.1").stdout)
        assert (value["BackendType"], ttl) == ("vxlan", 0)
        assert value["BackendData"] == {"VNI": 1, "VtepMAC": link["address"]}
        assert (link["mtu"], link["linkinfo"]["info_data"]["port"]) == (1450, 8472)
        assert "FLANNEL_MTU=1450\n" in two.file.read_text()
        assert "172.7.130.0/32" in two.host.run("ip", "-4", "-o", "addr", "show", "flannel.1").stdout

        def ways():
            fdb = one.host.run("bridge", "fdb", "show", "dev", "flannel.1").stdout
            neighbours = one.host.run("ip", "neigh", "show", "dev", "flannel.1").stdout
            return one.host.routes(SUBNETS[TWO]), link["address"] in fdb, link["address"] in neighbours

        until(one.said, lambda: ways() == ([f"{SUBNETS[TWO]} via 172.7.130.0 dev flannel.1 onlink"], True, True))
        two.end()
        field.forget(TWO)
        until(one.said, lambda: ways() == ([], False, False))
    with field.daemon(ONE) as one:
        assert "flannel.1 already exists; reusing" in one.said()


# pods

ANSWER = "import socket; s = socket.create_server(('0.0.0.0', 8080)); print('ready', flush=True)\nwhile True: c, who = s.accept(); c.sendall(who[0].encode()); c.close()"
ASK = "import socket, sys; print(socket.create_connection((sys.argv[1], 8080), timeout=30).recv(99).decode())"


class Pod:
    """A pod as containerd makes one: a namespace, and the first plugin of the node's configuration."""

    def __init__(self, field, name, plugins, **changes):
        self.host, self.space = field.hosts[name], field.made.space(f"p{name}")
        self.plugins, self.name, folder = plugins, name, field.folder
        listed = json.loads(field.plans[name].text("/etc/cni/net.d/10-flannel.conflist"))
        self.kept = folder / f"{name}-kept"
        own = {"ipam": {"dataDir": f"{folder}/{name}-ipam"}, "dataDir": str(self.kept)}
        own["subnetFile"] = str(folder / f"{name}-subnet.env")
        self.config = {
            "name": listed["name"],
            "cniVersion": listed["cniVersion"],
            **listed["plugins"][0],
            **own,
            **changes,
        }

    def call(self, verb):
        environ = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": self.name,
            "CNI_NETNS": f"/run/netns/{self.space.name}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.plugins),
        }
        return self.host.run(
            self.plugins / "flannel", input=json.dumps(self.config), env=os.environ | environ, check=False
        )

    def add(self):
        done = self.call("ADD")
        assert done.returncode == 0, done.stdout + done.stderr
        self.address = json.loads(done.stdout)["ips"][0]["address"].partition("/")[0]
        return self.address

    @contextmanager
    def answering(self):
        with subprocess.Popen(
            self.space.command(sys.executable, "-c", ANSWER), stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout.readline() == "ready\n"
                yield
            finally:
                server.terminate()

    def asks(self, other):
        return self.space.run(sys.executable, "-c", ASK, other.address).stdout.strip()


@both
def test_pods_of_two_hosts_reach_each_other(field, plugins, backend):
    field.config()
    field.reserve_all()
    mtu = 1450 if backend == "flannel-vxlan" else 1500
    with field.daemon(ONE) as one, field.daemon(TWO) as two:
        first, second = (Pod(field, name, plugins) for name in (ONE, TWO))
        assert first.add().startswith("172.7.120.")
        assert second.add().startswith("172.7.130.")
        assert f"mtu {mtu} " in first.space.run("ip", "link", "show", "eth0").stdout
        until(one.said, lambda: one.host.routes(SUBNETS[TWO]))
        until(two.said, lambda: two.host.routes(SUBNETS[ONE]))
        with second.answering():
            # subnet.env says that flanneld does not masquerade, so the plugin does (pitfall 16)
            seen = first.asks(second)
            assert seen == (HOSTS[ONE] if backend == "flannel-host-gw" else "172.7.120.0")
        assert json.loads((second.kept / TWO).read_text())["ipam"]["ranges"] == [[{"subnet": SUBNETS[TWO]}]]


def test_the_plugin_gives_everything_back(field, plugins):
    (field.folder / f"{ONE}-subnet.env").write_text(field.plans[ONE].text("/opt/flannel/subnet.env"))
    pod = Pod(field, ONE, plugins)
    address = pod.add()
    delegate = json.loads((pod.kept / ONE).read_text())
    assert delegate == {
        "name": "flannel",
        "type": "bridge",
        "cniVersion": "0.3.1",
        "hairpinMode": True,
        "isDefaultGateway": True,
        "isGateway": True,
        "ipMasq": True,
        "mtu": 1500,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{field.folder}/{ONE}-ipam",
            "ranges": [[{"subnet": SUBNETS[ONE]}]],
            "routes": [{"dst": "172.7.0.0/16"}],
        },
    }
    assert (pod.kept / ONE).stat().st_mode & 0o777 == 0o600
    assert (field.folder / f"{ONE}-ipam" / "flannel" / address).exists()
    assert pod.call("CHECK").returncode == 0
    for _ in range(2):
        assert pod.call("DEL").returncode == 0
        assert not (pod.kept / ONE).exists()
        assert not (field.folder / f"{ONE}-ipam" / "flannel" / address).exists()


@pytest.mark.parametrize(
    ("env", "changes", "said"),
    [
        (None, {}, "no such file or directory"),
        (
            "FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.1.1/24\nFLANNEL_IPMASQ=false\n",
            {},
            "is missing FLANNEL_MTU",
        ),
        ('FLANNEL_NETWORK="172.7.0.0/16"\n', {}, "invalid CIDR address"),
        ("", {"delegate": {"ipam": {}}}, "must not have 'ipam' field"),
        ("", {"delegate": {"name": "x"}}, "must not have 'name' field"),
        ("", {"delegate": {"type": "absent"}}, 'failed to find plugin \\"absent\\"'),
        ("", {"cniVersion": "9.0.0"}, "incompatible CNI versions"),
        ("", {"name": ""}, "missing network name"),
    ],
)
def test_what_the_real_plugin_refuses_is_refused(plugins, tmp_path, env, changes, said):
    whole = "FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.1.1/24\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n"
    file = tmp_path / "subnet.env"
    if env is not None:
        file.write_text(env or whole)
    config = {"name": "flannel", "cniVersion": "0.3.1", "type": "flannel", "subnetFile": str(file)}
    config |= {"dataDir": str(tmp_path / "kept")} | changes
    done = plugin(plugins, config, CNI_COMMAND="ADD", CNI_CONTAINERID="c", CNI_NETNS="/x", CNI_IFNAME="eth0")
    assert done.returncode == 1
    assert set(json.loads(done.stdout)) >= {"cniVersion", "code", "msg"}
    assert said in done.stdout


def plugin(plugins, config, **environ):
    environ = os.environ | {"CNI_PATH": str(plugins)} | environ
    return subprocess.run(
        [plugins / "flannel"], input=json.dumps(config), capture_output=True, text=True, check=False, env=environ
    )


def test_the_plugin_says_what_it_is(plugins):
    done = plugin(plugins, {})
    assert done.returncode == 0
    assert done.stderr.startswith("CNI Plugin flannel version v1.0.1 (STAND-IN, not the real plugin)\n")
    done = plugin(plugins, {}, CNI_COMMAND="VERSION")
    assert json.loads(done.stdout)["supportedVersions"] == ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"]
    done = plugin(plugins, {}, CNI_COMMAND="ADD", CNI_CONTAINERID="c")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, 4)


# where there is no Go


def test_without_go_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(golang.NoGoError, match="apt-get install golang-go"):
        golang.build("flanneld", "v0.17.0", tmp_path)


def test_the_tests_mirror_calls_them_stand_ins():
    for name in golang.PROGRAMS:
        part = working(name, "v0.17.0")
        assert part.origin.startswith(f"STAND-IN for {name}, not the real program")
        assert part.content[:4] == b"\x7fELF"
    assert ROOT / "tests" in golang.SOURCE.parents
