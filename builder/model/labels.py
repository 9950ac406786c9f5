"""Which labels a node may give itself (Kubernetes: NodeRestriction, and the kubelet's own check of --node-labels)."""

from __future__ import annotations

import re

_OWN_LABELS = re.compile(
    r"(kubernetes\.io/(hostname|arch|os)|node\.kubernetes\.io/instance-type|beta\.kubernetes\.io/(os|arch|instance-type)"
    r"|topology\.kubernetes\.io/(zone|region)|failure-domain\.beta\.kubernetes\.io/(zone|region)"
    r"|([a-z0-9.-]+\.)?(kubelet|node)\.kubernetes\.io/.*)"
)


def is_a_nodes_own(key: str) -> bool:
    """Whether a kubelet may set this label itself; with another it does not start (NodeRestriction)."""
    domain = key.rpartition("/")[0]
    return not domain.endswith(("kubernetes.io", "k8s.io")) or _OWN_LABELS.fullmatch(key) is not None
