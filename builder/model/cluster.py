"""The cluster that a user described, checked and complete: what config/ gives and plan/ reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePath
from typing import Any, Literal

Arch = Literal["amd64", "arm64"]
Role = Literal["control-plane", "etcd", "worker"]
JoinMethod = Literal["certificate", "bootstrap-token"]
SubnetScheme = Literal["lastOctet", "sequence"]
Backend = Literal["flannel-host-gw", "flannel-vxlan", "static"]
ProxyMode = Literal["iptables", "ipvs"]
KeyAlgorithm = Literal["ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"]


@dataclass(frozen=True)
class Taint:
    """A taint that the node registers with; the words are those of the Kubernetes API."""

    key: str
    value: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


@dataclass(frozen=True)
class Node:
    """One host. `pod_subnet` is what the user gave; None leaves it to the scheme and the state folder."""

    name: str
    address: IPv4Address
    arch: Arch = "amd64"
    roles: tuple[Role, ...] = ("worker",)
    pod_subnet: IPv4Network | None = None
    interface: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    kubelet: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Flannel:
    """flannel in etcd mode: where its etcd is and what it says there. No endpoints: the cluster's own etcd."""

    etcd_endpoints: tuple[str, ...] = ()
    etcd_prefix: str = "/coreos.com/network"
    healthz_port: int = 2401


@dataclass(frozen=True)
class Network:
    """Address ranges. `pod_subnet_prefix` is the length of one node's share of `pod_cidr`."""

    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    dns_address: IPv4Address
    dns_domain: str
    flannel: Flannel = Flannel()
    backend: Backend = "flannel-host-gw"
    pod_subnets: SubnetScheme = "lastOctet"
    pod_subnet_prefix: int = 24
    proxy_mode: ProxyMode = "iptables"
    mtu: int = 1500
    coredns: bool = True
    upstreams: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True)
class Join:
    """How a kubelet proves who it is. `token` is a secret and is set only for bootstrap-token.

    `expires` is when the token ends (RFC 3339, UTC); None for never.
    """

    method: JoinMethod = "certificate"
    token: str | None = field(default=None, repr=False)
    expires: str | None = None


@dataclass(frozen=True)
class GivenCA:
    """A CA that the user brings: PEM files, absolute paths; the passphrase by variable or by file."""

    certificate: PurePath
    key: PurePath
    passphrase_env: str | None = None
    passphrase_file: PurePath | None = None


@dataclass(frozen=True)
class Pki:
    """Keys and certificate windows. A CA that is None is made on the first build and kept in the state folder.

    `ca_key_on_hosts`: control-plane hosts get the cluster CA's key, so that certificates can be renewed there.
    """

    key_algorithm: KeyAlgorithm = "ecdsa-p256"
    ca_validity: timedelta = timedelta(days=3650)
    leaf_validity: timedelta = timedelta(days=365)
    renew_before: timedelta = timedelta(days=30)
    cluster_ca: GivenCA | None = None
    etcd_ca: GivenCA | None = None
    allow_shared_ca: bool = False
    ca_key_on_hosts: bool = True


@dataclass(frozen=True)
class Etcd:
    """etcd's timing and size: `heartbeat` and `election` in milliseconds, `quota` in MiB."""

    heartbeat: int = 100
    election: int = 1000
    quota: int = 2048


@dataclass(frozen=True)
class ApiServer:
    """How the API server is reached. `endpoint` None: each node has a proxy on its loopback to all of them.

    `port` is the one that the API servers listen on, `proxy_port` the local proxy's; `names` are more names and
    addresses for their certificates.
    """

    endpoint: str | None
    port: int = 6443
    proxy_port: int = 7443
    names: tuple[str, ...] = ()
    encrypt_secrets: bool = True


@dataclass(frozen=True)
class Cluster:
    """The whole of a cluster.yaml. `versions` holds only what the user set, by component name.

    `leader_lease` is for how many seconds a controller manager or scheduler leads without renewing it.
    """

    name: str
    kubernetes: str
    api: ApiServer
    network: Network
    nodes: tuple[Node, ...]
    pause_image: str
    join: Join = Join()
    pki: Pki = Pki()
    versions: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    etcd: Etcd = Etcd()
    leader_lease: int = 15
    images: tuple[str, ...] = ()

    @property
    def api_server(self) -> str:
        """The API server's URL as kubelet and kube-proxy dial it."""
        return self.api.endpoint or f"https://127.0.0.1:{self.api.proxy_port}"

    def having(self, role: Role) -> tuple[Node, ...]:
        """The nodes with that role, in the order of cluster.yaml."""
        return tuple(node for node in self.nodes if role in node.roles)

    @property
    def own_control_plane(self) -> bool:
        """Whether the control plane is among these nodes, not elsewhere."""
        return bool(self.having("control-plane"))

    @property
    def own_etcd(self) -> bool:
        """Whether etcd is among these nodes, not elsewhere."""
        return bool(self.having("etcd"))
