"""What many tests need: the seed's cluster as the model has it, without reading any file."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from builder.model.cluster import ApiServer, Cluster, Flannel, Network, Node

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bundler-tests"
"""What tests make or fetch once for all runs."""
SHELLS = (("dash",), ("busybox", "ash"), ("bash",), ("mksh",))
HOSTS = {"k8s-master1": "10.1.1.100", "k8s-node1": "10.1.1.120", "k8s-node2": "10.1.1.130"}


def network(**changes: object) -> Network:
    made = Network(
        pod_cidr=IPv4Network("172.7.0.0/16"),
        service_cidr=IPv4Network("10.96.0.0/12"),
        dns_address=IPv4Address("10.96.0.10"),
        dns_domain="cluster.local",
        flannel=Flannel(tuple(f"https://{address}:2379" for address in HOSTS.values())),
    )
    return replace(made, **changes)


def nodes(**changes: object) -> tuple[Node, ...]:
    return tuple(replace(Node(name, IPv4Address(address)), **changes) for name, address in HOSTS.items())


def whole(**changes: object) -> Cluster:
    """The seed's cluster with its control plane: master1 has it, etcd is on all three."""
    first, *others = nodes()
    made = cluster(
        nodes=(
            replace(first, roles=("control-plane", "etcd", "worker")),
            *(replace(node, roles=("etcd", "worker")) for node in others),
        ),
        network=network(flannel=Flannel()),
    )
    return replace(made, **changes)


def cluster(**changes: object) -> Cluster:
    made = Cluster(
        name="three-node",
        kubernetes="v1.24.0",
        api=ApiServer("https://10.1.1.100:6443"),
        network=network(),
        nodes=nodes(),
        pause_image="k8s.gcr.io/pause:3.7",
    )
    return replace(made, **changes)
