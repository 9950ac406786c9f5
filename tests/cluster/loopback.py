"""A cluster of three hosts on this machine's loopback: control plane, etcd and local proxy of each, from generated files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

from builder.events import ignore
from builder.model.cluster import ApiServer, Etcd, Flannel, Node
from builder.plan.certs import operator
from builder.render.templates import environment, operators_kubeconfig
from builder.secrets import gather
from builder.state.folder import StateFolder
from tests.cluster.harness import PREFIXES, Host, _end
from tests.components.conftest import render_cluster
from tests.kit import NOW, ROOT, cluster, network

NAMES = ("k8s-master1", "k8s-master2", "k8s-master3")
# another run of these tests on the same machine has addresses of its own
NETWORK = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}"
ADDRESSES = {name: f"{NETWORK}.{number}" for number, name in enumerate(NAMES, 1)}
FIRST = NAMES[0]
SSL, CFG = "/opt/kubernetes/ssl", "/opt/kubernetes/cfg"


def described():
    return cluster(
        name="loopback",
        kubernetes="v1.20.2",
        pause_image="k8s.gcr.io/pause:3.2",
        # the harness puts each host's address in the place of 127.0.0.1
        api=ApiServer(None, names=tuple(ADDRESSES.values())),
        network=network(flannel=Flannel()),
        etcd=Etcd(heartbeat=500, election=5000),  # other tests may load the machine
        nodes=tuple(
            Node(name, IPv4Address(address), roles=("control-plane", "etcd", "worker"), labels={"line": "a"})
            for name, address in ADDRESSES.items()
        ),
    )


class Cluster:
    """The hosts, and etcdctl and kubectl as one of the identities in their files."""

    def __init__(self, folder, bins):
        self.bins = bins
        self.rendered = render_cluster(described(), folder)
        self.hosts = {
            name: Host(
                self.rendered[name],
                folder / name,
                bins,
                own=address,
                replace={"0.0.0.0": address},
                prefixes=(*PREFIXES, "/opt/flannel"),
            )
            for name, address in ADDRESSES.items()
        }
        self.admin = folder / "admin.kubeconfig"
        self.admin.write_text(self._operators(folder))
        self._proxies = {}
        # for as long as the cluster: the kernel ends processes with the thread that started them (PR_SET_PDEATHSIG)
        self._pool = ThreadPoolExecutor(len(NAMES))

    @property
    def first(self):
        return self.hosts[FIRST]

    def _operators(self, folder):
        """What a build writes into the state folder, for this cluster's first API server."""
        state = StateFolder(folder / "state")
        with state.locked():
            secrets = gather([node.plan for node in self.rendered.values()], state, {}, NOW, ignore, [operator()])
        templates = environment([ROOT / "overlays"])
        server = f"https://{ADDRESSES[FIRST]}:6443"
        return operators_kubeconfig(templates, server, secrets.authorities, secrets.pairs["cluster/admin"])

    def start(self, unit, hosts=NAMES, seconds=180):
        """That unit on these hosts at once: a member of etcd is ready only with others."""
        list(self._pool.map(lambda name: self.hosts[name].start(unit, seconds), hosts))

    def start_proxies(self):
        """HAProxy as the static pod on each host runs it; the kubelets' kubeconfigs lead there."""
        for name, host in self.hosts.items():
            command = [shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-db", "-f", host.path(f"{CFG}/haproxy.cfg")]
            with (host.folder / "log" / "haproxy.log").open("ab") as log:
                self._proxies[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def stop(self):
        for process in self._proxies.values():
            _end(process)
        for host in self.hosts.values():
            host.stop_all()
        self._pool.shutdown()

    def kubectl(self, *arguments, who="admin", host=FIRST, check=True, stdin=None, kubeconfig=None):
        kubeconfig = kubeconfig or self.hosts[host].path(f"{CFG}/{who}.kubeconfig")
        command = [self.bins / "kubectl", "--kubeconfig", kubeconfig, "--request-timeout=20s", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)
        assert not check or done.returncode == 0, done.stderr
        return done

    def objects(self, *arguments, **more):
        return json.loads(self.kubectl("get", *arguments, "-o", "json", **more).stdout)

    def script(self, name, host=FIRST):
        """One of the scripts of bundler's own units, as the unit runs it."""
        here = self.hosts[host]
        environ = os.environ | {
            "KUBECTL": str(self.bins / "kubectl"),
            "CFG": str(here.path(CFG)),
            "OBJECTS": str(here.path("/opt/kubernetes/objects")),
            "CACHE": str(here.path("/run/bundler-objects")),
        }
        program = here.path(f"/opt/kubernetes/bin/{name}")
        return subprocess.run([program], capture_output=True, text=True, check=False, env=environ)

    def etcdctl(self, *arguments, certificate=None, key=None, api="3", check=True):
        ssl = self.first.path("/opt/etcd/ssl")
        files = (ssl / "ca.pem", certificate or ssl / "etcd-client.pem", key or ssl / "etcd-client-key.pem")
        flags = {"3": ("--cacert", "--cert", "--key"), "2": ("--ca-file", "--cert-file", "--key-file")}[api]
        command = [self.bins / "etcdctl", "--endpoints", f"https://{ADDRESSES[FIRST]}:2379"]
        for flag, file in zip(flags, files, strict=True):
            command += [flag, file]
        environ = os.environ | {"ETCDCTL_API": api}
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, errors="replace", check=False, env=environ
        )
        assert not check or done.returncode == 0, done.stderr
        return done
