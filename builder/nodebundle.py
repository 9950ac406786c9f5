"""Puts one node's bundle together: rendered files, manifest, sums and install.sh around the payload."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2

from builder import __version__
from builder.fetch.artifacts import Fetched
from builder.model.bundle import Entry
from builder.model.plan import Component, NodePlan
from builder.model.recipe import Artifact
from builder.pack.bundle import OwnFile, SharedFile
from builder.pack.gzip import COMPRESSOR
from builder.pack.manifest import manifest_json, manifest_text, sums_text
from builder.payload import Segments
from builder.pki.issue import window
from builder.render.installer import render_installer
from builder.render.templates import render
from builder.secrets import Secrets


@dataclass(frozen=True)
class NodeBundle:
    """What goes into one tarball."""

    node: str
    own: tuple[OwnFile, ...]
    shared: tuple[SharedFile, ...]


def put_together(
    plan: NodePlan,
    templates: jinja2.Environment,
    secrets: Secrets,
    packed: Segments,
    fetched: Mapping[Artifact, Fetched],
    sign: Callable[[bytes], bytes] | None = None,
) -> NodeBundle:
    """Everything of one node, in memory but for the payload. Raises RenderError from an overlay.

    With `sign`, SHA256SUMS gets a signature beside it.
    """
    own, entries = _rendered(plan, templates, secrets)
    shared, payload = _payload(plan, packed)
    entries += [*payload, *_folders(plan), *_links(plan)]
    about = _about(plan, secrets, fetched)
    own.append(OwnFile("install.sh", 0o755, render_installer(_head(plan, about, entries, secrets))))
    own.append(OwnFile("MANIFEST", 0o644, manifest_text(entries)))
    own.append(OwnFile("manifest.json", 0o644, manifest_json(about, entries)))
    sums = _sums(own, shared)
    own.append(OwnFile("SHA256SUMS", 0o644, sums))
    if sign is not None:
        own.append(OwnFile("SHA256SUMS.sig", 0o644, sign(sums)))
    return NodeBundle(plan.node.name, tuple(own), tuple(shared))


def _rendered(plan: NodePlan, templates: jinja2.Environment, secrets: Secrets) -> tuple[list[OwnFile], list[Entry]]:
    own, entries = [], []
    pairs, shared = secrets.of_node(plan), secrets.shared_of(plan)
    for file in plan.overlays:
        content = render(templates, file.source, plan, secrets.authorities, pairs, shared)
        folder = "blocks" if file.source.block else "root"
        own.append(OwnFile(folder + file.path, file.mode, content))
        entries.append(
            Entry(
                kind="block" if file.source.block else "file",
                path=file.path,
                mode=file.mode,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                restarts=file.restarts,
                component=file.component,
            )
        )
    return own, entries


def _payload(plan: NodePlan, packed: Segments) -> tuple[list[SharedFile], list[Entry]]:
    shared, entries = [], []
    for file in plan.payload:
        segment = packed[file.artifact, file.member]
        shared.append(SharedFile("root" + file.path, file.mode, segment))
        entries.append(
            Entry(
                kind="file",
                path=file.path,
                mode=file.mode,
                sha256=segment.content.sha256,
                size=segment.content.size,
                restarts=file.restarts,
                component=file.component,
            )
        )
    return shared, entries


def _folders(plan: NodePlan) -> list[Entry]:
    return [Entry(kind="dir", path=path, mode=mode) for path, mode in plan.directories.items()]


def _links(plan: NodePlan) -> list[Entry]:
    return [Entry(kind="link", path=path, mode=0o777, target=target) for path, target in plan.links.items()]


def _about(plan: NodePlan, secrets: Secrets, fetched: Mapping[Artifact, Fetched]) -> dict[str, Any]:
    """What manifest.json says before its list of files."""
    artifacts = {file.artifact.component: file.artifact for file in plan.payload}
    return {
        "format": 1,
        "bundler": __version__,
        "compressor": COMPRESSOR,
        "cluster": plan.cluster.name,
        "node": plan.node.name,
        "address": str(plan.node.address),
        "arch": plan.node.arch,
        "roles": list(plan.node.roles),
        "kubernetes": plan.cluster.kubernetes,
        "podSubnet": str(plan.pod_subnet) if plan.pod_subnet else None,
        "join": plan.cluster.join.method,
        "units": list(plan.units),
        "components": [_component(item, artifacts.get(item.name), fetched) for item in plan.components],
        "images": [_image(file.artifact, fetched) for file in plan.payload if file.artifact.kind == "image"],
        "certificates": {
            spec.id.rpartition("/")[2]: _window([secrets.pairs[spec.id].certificate]) for spec in plan.certificates
        },
    }


def _component(component: Component, artifact: Artifact | None, fetched: Mapping[Artifact, Fetched]) -> dict[str, Any]:
    about: dict[str, Any] = {"name": component.name, "licence": component.licence}
    if artifact is not None:
        found = fetched[artifact]  # an image is known by its manifest, not by the archive that it is carried in
        about |= {"version": artifact.version, "url": artifact.url, "digest": str(found.manifest or found.digest)}
    if component.notice:
        about["notice"] = component.notice
    return about


def _image(artifact: Artifact, fetched: Mapping[Artifact, Fetched]) -> dict[str, Any]:
    found = fetched[artifact]
    return {"name": artifact.url.removeprefix("docker://"), "digest": str(found.manifest or found.digest)}


def _window(certificates: Sequence[str]) -> dict[str, str]:
    begin, end = window(certificates)
    return {"notBefore": _stamp(begin), "notAfter": _stamp(end)}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _head(plan: NodePlan, about: Mapping[str, Any], entries: Sequence[Entry], secrets: Secrets) -> dict[str, str]:
    """The assignments at the top of install.sh (docs/installer.md)."""
    certificates = [secrets.pairs[spec.id].certificate for spec in plan.certificates]
    begin, end = window([*certificates, *secrets.authorities.values()])
    notices = [f"{item.name}: {item.notice}" for item in plan.components if item.notice]
    return {
        "BUNDLE_FORMAT": "1",
        "BUNDLER_VERSION": __version__,
        "CLUSTER": plan.cluster.name,
        "NODE": plan.node.name,
        "ADDRESS": str(plan.node.address),
        "ARCH": plan.node.arch,
        "KUBERNETES": plan.cluster.kubernetes,
        "NOT_BEFORE": str(int(begin.timestamp())),
        "NOT_AFTER": str(int(end.timestamp())),
        "UNITS": " ".join(about["units"]),
        "WAITING": " ".join(plan.waiting),
        "COMMANDS": " ".join(plan.commands),
        "PORTS": " ".join(str(port) for port in plan.ports),
        "NETWORKS": f"{plan.cluster.network.pod_cidr} {plan.cluster.network.service_cidr}",
        "POD_SUBNET": str(plan.pod_subnet or ""),
        "DISK_KIB": str(sum(entry.size // 1024 + 1 for entry in entries)),
        "NOTICE": "; ".join(notices),
    }


def _sums(own: Sequence[OwnFile], shared: Sequence[SharedFile]) -> bytes:
    digests = {file.name: hashlib.sha256(file.content).hexdigest() for file in own}
    digests |= {file.name: file.segment.content.sha256 for file in shared}
    return sums_text(digests)
