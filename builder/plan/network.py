"""What a node's network configuration says: flannel's keys in etcd, who may call the kubelet, ports in use."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from builder.model.cluster import Cluster, Node
from builder.model.plan import FlannelPlan, Peer, Reservation

_VXLAN_OVERHEAD = 50
"""Bytes that VXLAN puts around a packet on IPv4 (RFC 7348; flannel's own figure, too)."""

ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_METRICS_PORT = 2379, 2380, 2381

_WORKER_PORTS = (10248, 10249, 10250, 10256)
"""kubelet healthz, kube-proxy metrics, kubelet, kube-proxy healthz (facts: defaults-1.24.md, "Ports")."""
_CONTROL_PLANE_PORTS = (10257, 10259)
"""controller-manager, scheduler."""


def flannel_plan(cluster: Cluster, node: Node, peers: Iterable[Peer]) -> FlannelPlan:
    """The network's and the nodes' v2 keys, written as flannel itself writes them."""
    kind = cluster.network.backend.removeprefix("flannel-")
    network = {
        "Network": str(cluster.network.pod_cidr),
        "SubnetLen": cluster.network.pod_subnet_prefix,
        "Backend": {"Type": kind},
    }
    reservations = tuple(_reservation(peer, kind) for peer in peers if _is_reserved_by(peer, node, cluster))
    overhead = _VXLAN_OVERHEAD if kind == "vxlan" else 0
    return FlannelPlan(
        endpoints=cluster.network.flannel.etcd_endpoints or etcd_servers(cluster),
        network=json.dumps(network, separators=(",", ":")),
        mtu=cluster.network.mtu - overhead,
        reservations=reservations,
    )


def _is_reserved_by(peer: Peer, node: Node, cluster: Cluster) -> bool:
    if cluster.own_etcd:
        return "etcd" in node.roles and peer.pod_subnet is not None
    return peer.name == node.name


def _reservation(peer: Peer, kind: str) -> Reservation:
    """A lease. A VXLAN one without the device's address is completed by flanneld, which keeps the subnet."""
    lease = {"PublicIP": str(peer.address), "PublicIPv6": None, "BackendType": kind}
    subnet = peer.pod_subnet
    key = f"{subnet.network_address}-{subnet.prefixlen}" if subnet else ""
    return Reservation(key, peer.address, json.dumps(lease, separators=(",", ":")))


def etcd_servers(cluster: Cluster) -> tuple[str, ...]:
    """The client URLs of the cluster's own etcd."""
    return tuple(f"https://{node.address}:{ETCD_CLIENT_PORT}" for node in cluster.having("etcd"))


def kubelet_callers(cluster: Cluster) -> tuple[str, ...]:
    """Addresses that may reach port 10250: every node, and the API server where it is an address."""
    callers = {node.address for node in cluster.nodes}
    host = urlsplit(cluster.api.endpoint or "").hostname or ""
    with suppress(ValueError):  # a name: it is one of the nodes, or the operator opens the port for it
        callers.add(IPv4Address(host))
    return tuple(str(address) for address in sorted(callers))


def ports(cluster: Cluster, node: Node) -> tuple[int, ...]:
    """The TCP ports that the node's units listen on. The local proxy's is a pod's, which install.sh does not know."""
    found: list[int] = []
    if "worker" in node.roles:
        found += _WORKER_PORTS
        if cluster.network.backend != "static":
            found.append(cluster.network.flannel.healthz_port)
    if "control-plane" in node.roles:
        found += [cluster.api.port, *_CONTROL_PLANE_PORTS]
    if "etcd" in node.roles:
        found += [ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_METRICS_PORT]
    return tuple(sorted(found))


_MAY_WAIT = (
    "etcd.service",
    "bundler-flannel-keys.service",
    "flanneld.service",
    "kube-apiserver.service",
    "kube-controller-manager.service",
    "kube-scheduler.service",
    "bundler-objects.service",
)
"""Units that come up only with etcd, or with what needs it."""


def waiting(cluster: Cluster, node: Node, units: Iterable[str]) -> tuple[str, ...]:
    """The units that another host can keep waiting; none where all of etcd is on this host."""
    members = {member.name for member in cluster.having("etcd")}
    if members == {node.name}:
        return ()
    return tuple(unit for unit in units if unit in _MAY_WAIT)
