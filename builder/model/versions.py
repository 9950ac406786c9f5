"""Which Kubernetes minors are known, and what each changes in the files that bundler generates.

Sources: flags-v1.24.json and flags-removed-before-v1.24.json (flags), artifacts.md (images), cluster-facts.md
section 7 (what differs between 1.22, 1.24 and 1.26), feature-gates-v1.24.json (gates and their stages).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Minor:
    """One minor. `last_patch` is the newest release of it; `pause` and `coredns` are the images' tags.

    They are what kubeadm names, but for CoreDNS below 1.23: its digest is not known there, and 1.8.6 serves them, too.

    container_runtime     the kubelet has to be told `--container-runtime=remote` (its default was docker)
    insecure_ports        controller-manager and scheduler open a port without TLS unless told `--port=0`
    graceful_shutdown     the kubelet knows shutdownGracePeriod without a feature gate
    pod_security          version of the PodSecurity configuration, where the admission plugin exists
    pod_security_gate     it is behind the PodSecurity feature gate
    master_role           nodes of the control plane also carry the older label node-role.kubernetes.io/master
    """

    last_patch: int
    pause: str
    coredns: str
    container_runtime: bool = False
    insecure_ports: bool = False
    graceful_shutdown: bool = True
    pod_security: str | None = None
    pod_security_gate: bool = False
    master_role: bool = False


MINORS = {
    "v1.20": Minor(
        15, "3.2", "v1.8.6", container_runtime=True, insecure_ports=True, graceful_shutdown=False, master_role=True
    ),
    "v1.22": Minor(
        17,
        "3.5",
        "v1.8.6",
        container_runtime=True,
        insecure_ports=True,
        pod_security="v1alpha1",
        pod_security_gate=True,
        master_role=True,
    ),
    "v1.23": Minor(
        17,
        "3.6",
        "v1.8.6",
        container_runtime=True,
        insecure_ports=True,
        pod_security="v1beta1",
        master_role=True,
    ),
    "v1.24": Minor(17, "3.7", "v1.8.6", pod_security="v1beta1", master_role=True),
    "v1.25": Minor(16, "3.8", "v1.9.3", pod_security="v1"),
    "v1.26": Minor(15, "3.9", "v1.9.3", pod_security="v1"),
}
"""Every minor that flags, fields and images are known for; 1.24 is what bundler is made for."""

_FIRST_OF_NEW_REGISTRY = (1, 24, 9)


def minor_of(kubernetes: str) -> str:
    """`v1.24.3` -> `v1.24`."""
    return kubernetes.rpartition(".")[0]


def is_known(kubernetes: str) -> bool:
    """Whether this version is a release of a known minor."""
    minor = MINORS.get(minor_of(kubernetes))
    return minor is not None and int(kubernetes.rpartition(".")[2]) <= minor.last_patch


def known_versions() -> str:
    """All that are known, in words."""
    return ", ".join(f"{name}.0 to {name}.{minor.last_patch}" for name, minor in MINORS.items())


def numbers(version: str) -> tuple[int, ...]:
    """Of a version such as v1.24.0, to compare it by."""
    return tuple(int(part) for part in version.removeprefix("v").split("."))


def kubernetes_registry(kubernetes: str) -> str:
    """The registry that this Kubernetes names its images in: it moved with 1.24.9 (facts: artifacts.md)."""
    return "registry.k8s.io" if numbers(kubernetes) >= _FIRST_OF_NEW_REGISTRY else "k8s.gcr.io"


def pause_image(kubernetes: str) -> str:
    """The pause image that this Kubernetes names by default."""
    return f"{kubernetes_registry(kubernetes)}/pause:{MINORS[minor_of(kubernetes)].pause}"
