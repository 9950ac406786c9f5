"""The plan: all that is known about each node before anything is fetched, issued or rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from builder.model.cluster import Cluster, Node
from builder.model.overlay import OverlaySource
from builder.model.recipe import Artifact

Usage = Literal["client", "server"]


@dataclass(frozen=True)
class CertSpec:
    """A certificate that is wanted: for whom, signed by which CA. `id` names it in the state folder."""

    id: str
    ca: Literal["cluster", "etcd"]
    common_name: str
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[Usage, ...] = ("client",)


@dataclass(frozen=True)
class PayloadFile:
    """A file that comes out of an artifact and is the same on every node of that arch."""

    path: str
    mode: int
    artifact: Artifact
    member: str | None
    restarts: tuple[str, ...]
    component: str


@dataclass(frozen=True)
class OverlayFile:
    """A file that is rendered from an overlay."""

    source: OverlaySource
    mode: int
    component: str
    restarts: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its place on the host."""
        return self.source.path


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM. The key is a secret and stays out of reprs."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Component:
    """What is on a node, for people: manifest.json, `plan`, `inspect`."""

    name: str
    version: str
    licence: str
    notice: str = ""


@dataclass(frozen=True)
class Peer:
    """A node of the cluster (this one too) as every node knows it."""

    name: str
    address: IPv4Address
    pod_subnet: IPv4Network


@dataclass(frozen=True)
class FlannelPlan:
    """What flannel v0.17 keeps in etcd for this node (facts: cluster-facts.md, section 4; all JSON as text).

    `gateway` is the node's first pod address with its prefix length, as subnet.env has it.
    """

    gateway: str
    network: str
    key: str
    lease: str


@dataclass(frozen=True)
class NodePlan:
    """Everything that will be on one node. Paths are absolute paths on the host.

    `sources` are the addresses that may call this node's kubelet: all nodes and the API server.
    """

    cluster: Cluster
    node: Node
    pod_subnet: IPv4Network
    components: tuple[Component, ...]
    payload: tuple[PayloadFile, ...]
    overlays: tuple[OverlayFile, ...]
    directories: Mapping[str, int]
    links: Mapping[str, str]
    units: tuple[str, ...]
    certificates: tuple[CertSpec, ...]
    peers: tuple[Peer, ...]
    sources: tuple[str, ...]
    flannel: FlannelPlan
