"""The plan: all that is known about each node before anything is fetched, issued or rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from builder.model.cluster import Cluster, Node, Role
from builder.model.labels import is_a_nodes_own
from builder.model.overlay import OverlaySource
from builder.model.recipe import Artifact
from builder.model.versions import Minor

Usage = Literal["client", "server"]
Ca = Literal["cluster", "etcd", "front-proxy"]

SERVICE_ACCOUNT = "service-account"
ENCRYPTION_KEY = "encryption-key"
CLUSTER_CA_KEY = "cluster-ca-key"


@dataclass(frozen=True)
class CertSpec:
    """A certificate that is wanted: for whom, signed by which CA. `id` names it in the state folder."""

    id: str
    ca: Ca
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
    """A node of the cluster (this one too) as every node knows it. Only workers have a pod subnet."""

    name: str
    address: IPv4Address
    pod_subnet: IPv4Network | None
    roles: tuple[Role, ...] = ("worker",)


@dataclass(frozen=True)
class Reservation:
    """One node's subnet as flannel v0.17 keeps it in etcd: `lease` is JSON (facts: cluster-facts.md, section 4)."""

    key: str
    address: IPv4Address
    lease: str


@dataclass(frozen=True)
class FlannelPlan:
    """What flannel v0.17 keeps in etcd; `network` is JSON.

    `mtu` in bytes, what is left of the hosts' for pods; `reservations` are those that this node writes: all nodes'
    on a host of the cluster's own etcd, its own where etcd is elsewhere, none otherwise.
    """

    endpoints: tuple[str, ...]
    network: str
    mtu: int
    reservations: tuple[Reservation, ...]


@dataclass(frozen=True)
class NodeTraits:
    """What the control plane says of a node: its labels as a manifest (JSON), its taints as `key=value:effect`."""

    name: str
    manifest: str
    taints: tuple[str, ...]


@dataclass(frozen=True)
class NodePlan:
    """Everything that will be on one node. Paths are absolute paths on the host.

    `gateway` is the node's first pod address with its prefix length; `sources` are the addresses that may call its
    kubelet (all nodes and the API server); `versions` are all recipes' by name; `ports` are the TCP ports that it
    listens on; `waiting` are the units that may have to wait for another host; `commands` are programs of the host
    that it needs beside the usual ones; `shared_secrets` names what is no certificate and is not of one node
    (builder/secrets.py).
    """

    cluster: Cluster
    node: Node
    minor: Minor
    pod_subnet: IPv4Network | None
    gateway: str | None
    components: tuple[Component, ...]
    payload: tuple[PayloadFile, ...]
    overlays: tuple[OverlayFile, ...]
    directories: Mapping[str, int]
    links: Mapping[str, str]
    units: tuple[str, ...]
    certificates: tuple[CertSpec, ...]
    peers: tuple[Peer, ...]
    sources: tuple[str, ...]
    flannel: FlannelPlan | None
    versions: Mapping[str, str]
    ports: tuple[int, ...]
    waiting: tuple[str, ...]
    commands: tuple[str, ...]
    traits: tuple[NodeTraits, ...]
    etcd_servers: tuple[str, ...]
    shared_secrets: tuple[str, ...] = ()

    @property
    def own_labels(self) -> Mapping[str, str]:
        """The labels that the kubelet may set itself; the control plane gives the others."""
        return {key: value for key, value in self.node.labels.items() if is_a_nodes_own(key)}

    @property
    def control_planes(self) -> tuple[Peer, ...]:
        """The nodes with an API server."""
        return tuple(peer for peer in self.peers if "control-plane" in peer.roles)

    @property
    def etcd_members(self) -> tuple[Peer, ...]:
        """The nodes with a member of etcd."""
        return tuple(peer for peer in self.peers if "etcd" in peer.roles)

    @property
    def workers(self) -> tuple[Peer, ...]:
        """The nodes with pods."""
        return tuple(peer for peer in self.peers if "worker" in peer.roles)
