"""Which part of the pod network each node gets: given, kept from an earlier build, or by the scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from builder.errors import PlanError
from builder.model.cluster import Cluster, Node


def allocate(cluster: Cluster, kept: Mapping[str, IPv4Network]) -> dict[str, IPv4Network]:
    """Give every worker its pod subnet, by node name.

    What a user wrote wins; then what the state folder remembers, so that adding or removing a node never
    moves another's; then the scheme. `kept` also reserves the subnets of nodes that have left.
    Raises PlanError when the pod network is full or a remembered subnet no longer fits.
    """
    workers = cluster.having("worker")
    chosen = {node.name: node.pod_subnet for node in workers if node.pod_subnet is not None}
    given = set(chosen.values())
    for node in workers:
        subnet = kept.get(node.name)
        if node.name not in chosen and subnet is not None and _fits(cluster, subnet) and subnet not in given:
            chosen[node.name] = subnet
    taken = set(chosen.values()) | set(kept.values())
    for node in workers:
        if node.name not in chosen:
            chosen[node.name] = _next(cluster, node, taken)
            taken.add(chosen[node.name])
    return {node.name: chosen[node.name] for node in workers}


def _fits(cluster: Cluster, subnet: IPv4Network) -> bool:
    network = cluster.network
    return subnet.prefixlen == network.pod_subnet_prefix and subnet.subnet_of(network.pod_cidr)


def _next(cluster: Cluster, node: Node, taken: set[IPv4Network]) -> IPv4Network:
    """The subnet that the scheme gives: the one numbered by the last octet, else the first free one."""
    if cluster.network.pod_subnets == "lastOctet":
        wanted = by_last_octet(cluster, node)
        if wanted is not None and wanted not in taken:
            return wanted
    for subnet in _in_sequence(cluster):
        if subnet not in taken:
            return subnet
    raise PlanError(
        f"no pod subnet is left in {cluster.network.pod_cidr} for {node.name}",
        "widen spec.network.podCIDR or forget nodes that have left (allocations.json in the state folder)",
    )


def by_last_octet(cluster: Cluster, node: Node) -> IPv4Network | None:
    """The subnet whose number is the host's last octet (10.1.1.120 -> 172.7.120.0/24), if it exists."""
    network = cluster.network
    number = int(node.address) & 0xFF
    base = int(network.pod_cidr.network_address) + (number << (32 - network.pod_subnet_prefix))
    if number == 0 or base > int(network.pod_cidr.broadcast_address):
        return None  # flannel's SubnetMin is the second subnet; it drops a lease for the first
    return IPv4Network((base, network.pod_subnet_prefix))


def _in_sequence(cluster: Cluster) -> Iterator[IPv4Network]:
    """All subnets in order but the first: flannel's own allocation starts at the second, too."""
    subnets = cluster.network.pod_cidr.subnets(new_prefix=cluster.network.pod_subnet_prefix)
    next(subnets)
    return subnets
