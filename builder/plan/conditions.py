"""`when` of a recipe or an overlay file: whether it is wanted on a node of this cluster."""

from __future__ import annotations

from builder.errors import PlanError
from builder.model.cluster import Cluster, Node
from builder.model.versions import MINORS, minor_of


def holds(condition: str, cluster: Cluster, node: Node) -> bool:
    """Whether every part of `join=certificate,network=static` is so. Raises PlanError for an unknown fact."""
    facts = facts_of(cluster, node)
    for part in condition.split(","):
        name, _, value = part.partition("=")
        if name not in facts:
            raise PlanError(f"unknown condition {part!r} in a recipe", f"known are: {', '.join(facts)}")
        if facts[name] != value:
            return False
    return True


def facts_of(cluster: Cluster, node: Node) -> dict[str, str]:
    """What conditions can ask for, and what it is here (docs/recipes.md)."""
    return {
        "join": cluster.join.method,
        "network": cluster.network.backend.partition("-")[0],
        "backend": cluster.network.backend,
        "proxy": cluster.network.proxy_mode,
        "endpoint": "address" if cluster.api.endpoint else "local-proxy",
        "dns": "coredns" if cluster.network.coredns and cluster.own_control_plane else "none",
        "control-plane": "own" if cluster.own_control_plane else "elsewhere",
        "etcd": "own" if cluster.own_etcd else "elsewhere",
        "ca-key": "on-hosts" if cluster.pki.ca_key_on_hosts else "kept-back",
        "encryption": "on" if cluster.api.encrypt_secrets else "off",
        "pod-security": "on" if MINORS[minor_of(cluster.kubernetes)].pod_security else "off",
        "worker": "yes" if "worker" in node.roles else "no",
    }
