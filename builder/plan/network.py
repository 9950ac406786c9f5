"""What a node's network configuration says: flannel's keys in etcd, and who may call the kubelet."""

from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from builder.model.cluster import Cluster, Node
from builder.model.plan import FlannelPlan


def flannel_plan(cluster: Cluster, node: Node, subnet: IPv4Network) -> FlannelPlan:
    """The network's and the node's v2 keys, written as flannel itself writes them."""
    backend = cluster.network.flannel.backend
    network = {
        "Network": str(cluster.network.pod_cidr),
        "SubnetLen": cluster.network.pod_subnet_prefix,
        "Backend": {"Type": backend},
    }
    lease = {"PublicIP": str(node.address), "PublicIPv6": None, "BackendType": backend}
    return FlannelPlan(
        gateway=f"{subnet.network_address + 1}/{subnet.prefixlen}",
        network=json.dumps(network, separators=(",", ":")),
        key=f"{subnet.network_address}-{subnet.prefixlen}",
        lease=json.dumps(lease, separators=(",", ":")),
    )


def kubelet_callers(cluster: Cluster) -> tuple[str, ...]:
    """Addresses that may reach port 10250: every node, and the API server where it is an address."""
    callers = {node.address for node in cluster.nodes}
    host = urlsplit(cluster.api_server).hostname or ""
    with suppress(ValueError):  # a name: it is one of the nodes, or the operator opens the port for it
        callers.add(IPv4Address(host))
    return tuple(str(address) for address in sorted(callers))
