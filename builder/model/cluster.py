"""The cluster that a user described, checked and complete: what config/ gives and plan/ reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePath
from typing import Any, Literal

Arch = Literal["amd64", "arm64"]
Role = Literal["worker"]
JoinMethod = Literal["certificate", "bootstrap-token"]
SubnetScheme = Literal["lastOctet", "sequence"]
FlannelBackend = Literal["host-gw"]
ProxyMode = Literal["iptables"]
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
    """flannel in etcd mode: where its etcd is and what it says there."""

    etcd_endpoints: tuple[str, ...]
    etcd_prefix: str = "/coreos.com/network"
    backend: FlannelBackend = "host-gw"
    healthz_port: int = 2401


@dataclass(frozen=True)
class Network:
    """Address ranges. `pod_subnet_prefix` is the length of one node's share of `pod_cidr`."""

    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    dns_address: IPv4Address
    dns_domain: str
    flannel: Flannel
    pod_subnets: SubnetScheme = "lastOctet"
    pod_subnet_prefix: int = 24
    proxy_mode: ProxyMode = "iptables"
    mtu: int = 1500


@dataclass(frozen=True)
class Join:
    """How a kubelet proves who it is. `token` is a secret and is set only for bootstrap-token."""

    method: JoinMethod = "certificate"
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class GivenCA:
    """A CA that the user brings: PEM files, absolute paths; the passphrase by variable or by file."""

    certificate: PurePath
    key: PurePath
    passphrase_env: str | None = None
    passphrase_file: PurePath | None = None


@dataclass(frozen=True)
class Pki:
    """Keys and certificate windows. A CA that is None is made on the first build and kept in the state folder."""

    key_algorithm: KeyAlgorithm = "ecdsa-p256"
    ca_validity: timedelta = timedelta(days=3650)
    leaf_validity: timedelta = timedelta(days=365)
    renew_before: timedelta = timedelta(days=30)
    cluster_ca: GivenCA | None = None
    etcd_ca: GivenCA | None = None
    allow_shared_ca: bool = False


@dataclass(frozen=True)
class Cluster:
    """The whole of a cluster.yaml. `versions` holds only what the user set, by component name."""

    name: str
    kubernetes: str
    api_server: str
    network: Network
    nodes: tuple[Node, ...]
    pause_image: str
    join: Join = Join()
    pki: Pki = Pki()
    versions: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    kubelet: Mapping[str, Any] = field(default_factory=dict)
