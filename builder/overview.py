"""What a build would make, as plain data: what `bundler plan` shows."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from builder.build import Prepared
from builder.fetch.artifacts import in_store
from builder.fetch.lock import Lock
from builder.fetch.store import Store
from builder.model.plan import CertSpec
from builder.model.recipe import Artifact
from builder.pki.ca import BACKDATE
from builder.pki.issue import window
from builder.state.folder import StateFolder


def overview(prepared: Prepared) -> dict[str, Any]:
    """Nodes, downloads and certificates; sizes in bytes where they are known, times in UTC."""
    cluster = prepared.cluster
    store, lock = Store(prepared.project.cache), Lock.load(prepared.project.lock)
    specs = dict.fromkeys(spec for plan in prepared.plans for spec in plan.certificates)
    return {
        "cluster": cluster.name,
        "kubernetes": cluster.kubernetes,
        "join": cluster.join.method,
        "nodes": [
            {
                "name": plan.node.name,
                "address": str(plan.node.address),
                "arch": plan.node.arch,
                "roles": list(plan.node.roles),
                "podSubnet": str(plan.pod_subnet) if plan.pod_subnet else None,
                "components": [component.name for component in plan.components],
            }
            for plan in prepared.plans
        ],
        "artifacts": [_artifact(artifact, store, lock) for artifact in prepared.artifacts],
        "certificates": [_certificate(spec, prepared) for spec in specs],
    }


def _artifact(artifact: Artifact, store: Store, lock: Lock) -> dict[str, Any]:
    locked = lock.get(artifact.url)
    digest = artifact.digest or (locked.digest if locked else None)
    kept = in_store(store, artifact, digest)
    size = kept.size if kept else locked.size if locked and artifact.kind != "image" else None
    pinned = "recipe" if artifact.digest else f"lock ({locked.origin})" if locked else "not pinned yet"
    return {
        "component": artifact.component,
        "version": artifact.version,
        "arch": artifact.arch,
        "url": artifact.url,
        "members": list(artifact.members),
        "digest": str(digest) if digest else None,
        "pinned": pinned,
        "size": size,
    }


def _certificate(spec: CertSpec, prepared: Prepared) -> dict[str, Any]:
    project = prepared.project
    kept = StateFolder(project.state / prepared.cluster.name).pair(spec.id)
    pki = prepared.cluster.pki
    begin, end, state = project.now - BACKDATE, project.now + pki.leaf_validity, "to be issued"
    if kept is not None:
        with suppress(ValueError):  # damaged: it will be issued anew
            begin, end = window([kept.certificate])
            state = "kept" if end - project.now >= pki.renew_before else "ends soon, to be issued anew"
    return {
        "id": spec.id,
        "commonName": spec.common_name,
        "organizations": list(spec.organizations),
        "notBefore": _stamp(begin),
        "notAfter": _stamp(end),
        "state": state,
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
