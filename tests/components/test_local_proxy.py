"""The local proxy: a real HAProxy with the generated file, before three HTTPS servers that come and go."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from tests.components import apiserver
from tests.components.etcd import free_port
from tests.components.plans import EVERYTHING, Fixed
from tests.kit import HOSTS

CONFIG = "haproxy/opt/kubernetes/cfg/haproxy.cfg.j2"
MANIFEST = "haproxy/opt/kubernetes/manifests/local-proxy.yaml.j2"
ADDRESSES = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
HA = Fixed(dict.fromkeys(HOSTS, EVERYTHING))


# files


def test_every_control_plane_is_a_server_and_nobody_else():
    described = replace(HA, roles=HA.roles | {"k8s-node2": ("worker",)})
    config = described.render("k8s-node2", CONFIG)
    servers = [line.split()[1:] for line in config.splitlines() if line.strip().startswith("server ")]
    assert servers == [["k8s-master1", "10.1.1.100:6443"], ["k8s-node1", "10.1.1.120:6443"]]
    assert "bind 127.0.0.1:7443" in config


def test_haproxy_accepts_the_file_without_a_word(tmp_path):
    (tmp_path / "haproxy.cfg").write_text(HA.render("k8s-node1", CONFIG))
    check = ["haproxy", "-c", "-f", tmp_path / "haproxy.cfg"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_the_manifest_is_a_pod_that_may_do_nothing_but_this():
    pod = yaml.safe_load(HA.render("k8s-node1", MANIFEST))
    assert (pod["apiVersion"], pod["kind"], pod["metadata"]["namespace"]) == ("v1", "Pod", "kube-system")
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert spec["hostNetwork"] is True
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["image"] == "docker.io/library/haproxy:2.8.29-alpine"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["livenessProbe"]["tcpSocket"] == {"host": "127.0.0.1", "port": 7443}


def test_the_pod_sees_one_file_and_not_the_kubeconfigs_beside_it():
    spec = yaml.safe_load(HA.render("k8s-node1", MANIFEST))["spec"]
    (volume,) = spec["volumes"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert volume["hostPath"] == {"path": "/opt/kubernetes/cfg/haproxy.cfg", "type": "File"}
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    assert spec["containers"][0]["command"][-1] == mount["mountPath"]


@pytest.mark.parametrize(
    "other",
    [replace(HA, roles=HA.roles | {"k8s-node2": ("worker",)}), replace(HA, port=8443), replace(HA, proxy_port=7444)],
    ids=["servers", "port", "proxy-port"],
)
def test_whatever_changes_in_the_file_changes_the_manifest(other):
    """A kubelet restarts a static pod for its manifest only."""
    assert other.render("k8s-node1", CONFIG) != HA.render("k8s-node1", CONFIG)
    assert other.render("k8s-node1", MANIFEST) != HA.render("k8s-node1", MANIFEST)


def test_the_manifest_holds_the_whole_file_and_says_the_servers_aloud():
    annotations = yaml.safe_load(HA.render("k8s-node1", MANIFEST))["metadata"]["annotations"]
    assert base64.b64decode(annotations["bundler/config"]).decode() == HA.render("k8s-node1", CONFIG)
    assert annotations["bundler/servers"] == "10.1.1.100:6443,10.1.1.120:6443,10.1.1.130:6443"


# behaviour


class Servers:
    """Three API servers of the same port on loopback addresses, each to be killed, made unready and started."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.pem = folder / "server.pem"
        make = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]
        make += ["-subj", "/CN=api", "-keyout", self.pem, "-out", folder / "certificate.pem"]
        subprocess.run(make, check=True, capture_output=True)
        with self.pem.open("a") as pem:
            pem.write((folder / "certificate.pem").read_text())
        self.running = {}

    def start(self, address):
        command = [sys.executable, apiserver.__file__, address, str(self.port), self.pem, self.mark(address)]
        self.running[address] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.running[address].stdout.readline() == "ready\n"

    def mark(self, address):
        return self.folder / address.replace(".", "-")

    def kill(self, address):
        process = self.running.pop(address)
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def servers(tmp_path):
    made = Servers(tmp_path)
    for address in ADDRESSES:
        made.start(address)
    yield made
    for address in tuple(made.running):
        made.kill(address)


@pytest.fixture
def proxy(servers, tmp_path):
    """The port of a HAProxy that runs with the generated file; only the servers' addresses are other ones."""
    port = free_port()
    config = replace(HA, port=servers.port, proxy_port=port).render("k8s-node1", CONFIG)
    for real, loopback in zip(HOSTS.values(), ADDRESSES, strict=True):
        config = config.replace(real, loopback)
    (tmp_path / "haproxy.cfg").write_text(config)
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stdout=subprocess.DEVNULL) as process:
        _wait(lambda: _answers(port), 10)
        yield port
        process.terminate()


def connect(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)


def ask(port):
    """Which server answered."""
    connection = connect(port)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _answers(port):
    try:
        return ask(port)
    except OSError:
        return None


def _wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


class Load:
    """Clients that ask all the time, each failed request once more, as kubelets do."""

    def __init__(self, port, clients=4):
        self.port, self.served, self.retried, self.lost = port, [], 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        while not self._stop.wait(0.01):
            try:
                self.served.append(ask(self.port))
            except (OSError, http.client.HTTPException):
                self.retried += 1
                self._again()

    def _again(self):
        try:
            self.served.append(ask(self.port))
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))

    def since(self, count):
        return Counter(self.served[count:])

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_all_servers_are_used(proxy):
    assert set(Counter(ask(proxy) for _ in range(60))) == set(ADDRESSES)


def test_a_server_dies_under_load_and_comes_back_and_no_request_is_lost(servers, proxy):
    with Load(proxy) as load:
        _wait(lambda: len(load.served) > 50, 20)
        servers.kill("127.0.0.12")
        time.sleep(6)
        dead = len(load.served)
        _wait(lambda: len(load.served) > dead + 50, 20)
        assert set(load.since(dead)) == {"127.0.0.11", "127.0.0.13"}
        servers.start("127.0.0.12")
        _wait(lambda: load.since(dead)["127.0.0.12"] > 10, 20)
    assert load.lost == []


def test_a_server_that_is_not_ready_loses_its_connections_and_gets_no_new_ones(servers, proxy):
    """It answers still; a kubelet that stayed with it would not notice."""
    connection = connect(proxy)
    connection.request("GET", "/")
    address = connection.getresponse().read().decode()
    servers.mark(address).touch()
    connection.sock.settimeout(15)
    assert connection.sock.recv(1) == b"", "the connection has to be closed"
    connection.close()
    assert address not in {ask(proxy) for _ in range(30)}
    servers.mark(address).unlink()
    _wait(lambda: ask(proxy) == address, 20)


def test_a_probe_that_only_connects_is_answered_and_reaches_no_server(servers, proxy):
    """The kubelet's liveness probe: it is about HAProxy, and must not fill the API servers' logs."""
    for _ in range(6):
        socket.create_connection(("127.0.0.1", proxy), timeout=5).close()
    assert {ask(proxy) for _ in range(30)} == set(ADDRESSES)
    assert not list(servers.folder.glob("*.silent"))
    # and it can be seen: a probe of a server itself is
    socket.create_connection(("127.0.0.11", servers.port), timeout=5).close()
    _wait(lambda: list(servers.folder.glob("*.silent")), 5)
    for address in ADDRESSES:
        servers.kill(address)
    socket.create_connection(("127.0.0.1", proxy), timeout=5).close()
