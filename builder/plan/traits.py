"""What the control plane says of a node, since the node must not say it of itself: labels and taints."""

from __future__ import annotations

import json

from builder.model.cluster import Node
from builder.model.plan import NodeTraits


def traits(node: Node, *, master_role: bool = False) -> NodeTraits:
    """The node's labels as a manifest for server-side apply (JSON), and its taints as kubectl takes them."""
    labels = dict(node.labels)
    if "control-plane" in node.roles:
        labels["node-role.kubernetes.io/control-plane"] = ""
        if master_role:
            labels["node-role.kubernetes.io/master"] = ""
    manifest = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": {key: labels[key] for key in sorted(labels)}},
    }
    taints = tuple(f"{taint.key}={taint.value}:{taint.effect}" for taint in node.taints)
    return NodeTraits(node.name, json.dumps(manifest, separators=(",", ":")), taints)
