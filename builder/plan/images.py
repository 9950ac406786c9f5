"""The user's own images: an archive for every worker, beside those of recipes."""

from __future__ import annotations

import re

from builder.model.cluster import Cluster, Node
from builder.model.plan import PayloadFile
from builder.model.recipe import Artifact, Digest

FOLDER = "/opt/kubernetes/images"
"""Where bundler-images.service finds archives to import."""


def own_images(cluster: Cluster, node: Node) -> list[PayloadFile]:
    """What spec.images adds to a worker's bundle."""
    if "worker" not in node.roles:
        return []
    return [_payload(reference, node.arch) for reference in cluster.images]


def _payload(reference: str, arch: str) -> PayloadFile:
    name, _, digest = reference.partition("@sha256:")
    artifact = Artifact(
        component="images",
        version=name.rpartition(":")[2],
        arch=arch,
        url=f"docker://{name}",
        kind="image",
        digest=Digest("sha256", digest) if digest else None,
        recipe="spec.images",
    )
    return PayloadFile(
        path=f"{FOLDER}/{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.tar",
        mode=0o644,
        artifact=artifact,
        member=None,
        restarts=("bundler-images.service",),
        component="images",
    )
