"""Which Kubernetes versions are known, and what belongs to them (facts: artifacts.md)."""

from __future__ import annotations

KUBERNETES = tuple(f"v1.24.{patch}" for patch in range(18))
"""Every release of the minor that flags, fields and digests are known for."""

PAUSE_TAG = "3.7"

_FIRST_OF_NEW_REGISTRY = 9


def pause_image(kubernetes: str) -> str:
    """The pause image that this Kubernetes names by default: the registry moved with 1.24.9."""
    patch = int(kubernetes.rpartition(".")[2])
    registry = "registry.k8s.io" if patch >= _FIRST_OF_NEW_REGISTRY else "k8s.gcr.io"
    return f"{registry}/pause:{PAUSE_TAG}"
