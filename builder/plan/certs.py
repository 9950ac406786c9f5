"""Which certificates a node needs (facts: tls-requirements.md, table "Certificates")."""

from __future__ import annotations

from builder.model.cluster import Cluster, Node
from builder.model.plan import CertSpec


def certificates(cluster: Cluster, node: Node) -> tuple[CertSpec, ...]:
    """The certificates of one node; the part of an id before the slash says whose it is.

    With a bootstrap token the kubelet asks for its own client certificate, so none is made here.
    """
    wanted = [_kubelet_serving(node), _flannel_etcd(node), KUBE_PROXY]
    if cluster.join.method == "certificate":
        wanted.insert(0, kubelet_client(node))
    return tuple(wanted)


def kubelet_client(node: Node) -> CertSpec:
    """The node's identity: CN system:node:NAME and O system:nodes, exactly (Node authorizer)."""
    return CertSpec(
        id=f"{node.name}/kubelet",
        ca="cluster",
        common_name=f"system:node:{node.name}",
        organizations=("system:nodes",),
    )


def _kubelet_serving(node: Node) -> CertSpec:
    """What the API server sees on port 10250; it is checked by name and address, not by CN."""
    return CertSpec(
        id=f"{node.name}/kubelet-serving",
        ca="cluster",
        common_name=f"system:node:{node.name}",
        organizations=("system:nodes",),
        dns_names=(node.name,),
        addresses=(str(node.address),),
        usages=("server",),
    )


def _flannel_etcd(node: Node) -> CertSpec:
    """Flanneld's way into etcd: signed by etcd's own CA, as etcd trusts whatever its CA signed."""
    return CertSpec(id=f"{node.name}/flannel-etcd", ca="etcd", common_name=f"flannel-{node.name}")


KUBE_PROXY = CertSpec(id="cluster/kube-proxy", ca="cluster", common_name="system:kube-proxy")
"""One for all nodes; bound by ClusterRoleBinding system:node-proxier to this very user name."""
