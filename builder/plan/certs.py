"""Which certificates a node needs (facts: tls-requirements.md, table "Certificates")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from builder.model.cluster import Cluster, Node
from builder.model.plan import Ca, CertSpec

_MASTERS = ("system:masters",)


def certificates(cluster: Cluster, node: Node) -> tuple[CertSpec, ...]:
    """The certificates of one node; the part of an id before the slash says whose it is."""
    wanted: list[CertSpec] = []
    if "worker" in node.roles:
        wanted += _of_worker(cluster, node)
    if "control-plane" in node.roles:
        wanted += _of_control_plane(cluster, node)
    if "etcd" in node.roles:
        wanted += _of_etcd(node)
    return tuple(wanted)


def _of_worker(cluster: Cluster, node: Node) -> Iterable[CertSpec]:
    """With a bootstrap token the kubelet asks for its own client certificate, so none is made here."""
    if cluster.join.method == "certificate":
        yield kubelet_client(node)
    yield _kubelet_serving(node)
    if cluster.network.backend != "static":
        yield _flannel_etcd(node)
    yield KUBE_PROXY


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


def _of_control_plane(cluster: Cluster, node: Node) -> Iterable[CertSpec]:
    yield _api_server(cluster, node)
    # no group: what it may do is bound to its name by objects/rbac.yaml, and that is to call kubelets
    yield _client(node, "apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    yield _client(node, "apiserver-etcd-client", "kube-apiserver-etcd-client", ca="etcd")
    yield _client(node, "front-proxy-client", "front-proxy-client", ca="front-proxy")
    yield _client(node, "controller-manager", "system:kube-controller-manager")
    yield _client(node, "scheduler", "system:kube-scheduler")
    yield _client(node, "admin", f"kubernetes-admin-{node.name}", organizations=_MASTERS)


def _client(
    node: Node, name: str, common_name: str, *, ca: Ca = "cluster", organizations: tuple[str, ...] = ()
) -> CertSpec:
    return CertSpec(id=f"{node.name}/{name}", ca=ca, common_name=common_name, organizations=organizations)


def operator() -> CertSpec:
    """The operator's own identity, for the kubeconfig in the state folder; no node has it."""
    return CertSpec(id="cluster/admin", ca="cluster", common_name="kubernetes-admin", organizations=_MASTERS)


def _api_server(cluster: Cluster, node: Node) -> CertSpec:
    """Every name and address that it is reached by: in the cluster, by nodes and operators, on its own host."""
    domain, service = cluster.network.dns_domain, cluster.network.service_cidr.network_address + 1
    services = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}")
    names = [*services, "localhost", node.name]
    addresses = ["127.0.0.1", str(service), str(node.address)]
    endpoint = urlsplit(cluster.api.endpoint or "").hostname
    for given in (*([endpoint] if endpoint else []), *cluster.api.names):
        (addresses if _is_address(given) else names).append(given)
    return CertSpec(
        id=f"{node.name}/apiserver",
        ca="cluster",
        common_name="kube-apiserver",
        dns_names=tuple(dict.fromkeys(names)),
        addresses=tuple(dict.fromkeys(addresses)),
        usages=("server",),
    )


def _is_address(text: str) -> bool:
    return re.fullmatch(r"[0-9.]+", text) is not None and bool(IPv4Address(text))


def _of_etcd(node: Node) -> Iterable[CertSpec]:
    """Servers are clients, too: etcd dials itself with its serving pair, and members dial each other."""
    for name in ("etcd", "etcd-peer"):
        yield CertSpec(
            id=f"{node.name}/{name}",
            ca="etcd",
            common_name=node.name,
            dns_names=(node.name, "localhost"),
            addresses=(str(node.address), "127.0.0.1"),
            usages=("server", "client"),
        )
    yield CertSpec(id=f"{node.name}/etcd-client", ca="etcd", common_name="kube-etcd-healthcheck-client")
