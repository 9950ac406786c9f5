"""The plan: all that is known about each node before anything is fetched, issued or rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

from builder.model.cluster import Cluster, Node
from builder.model.recipe import Artifact

Usage = Literal["client", "server"]


@dataclass(frozen=True)
class CertSpec:
    """A certificate that is wanted: who it is for, and which CA signs it. `id` names it in the state folder."""

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
    """A file that is rendered from an overlay; `block` ones are merged into a file that the host has."""

    path: str
    mode: int
    component: str
    template: str
    restarts: tuple[str, ...]
    block: bool = False


@dataclass(frozen=True)
class Component:
    """What is on a node, for people: manifest.json, `plan`, `inspect`."""

    name: str
    version: str
    licence: str
    notice: str = ""


@dataclass(frozen=True)
class NodePlan:
    """Everything that will be on one node. Paths are absolute paths on the host."""

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
    context: Mapping[str, Any]
