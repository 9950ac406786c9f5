"""Extra kubelet settings: held to KubeletConfiguration's own schema, and kept off what bundler decides."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from builder.config.source import Path as Place
from builder.config.source import Source
from builder.errors import Problem

_SCHEMA = Path(__file__).parent / "data" / "KubeletConfiguration-v1.24.json"

_DECIDED = {
    "apiVersion": "it is always kubelet.config.k8s.io/v1beta1",
    "kind": "it is always KubeletConfiguration",
    "address": "the kubelet listens on all addresses, guarded by its certificates",
    "authentication": "callers must have a certificate of the cluster's CA, or a token the API server knows",
    "authorization": "the API server decides",
    "cgroupDriver": "it is systemd, as in containerd's configuration; mixed drivers kill pods",
    "clusterDNS": "set spec.network.dns.address",
    "clusterDomain": "set spec.network.dns.domain",
    "enableServer": "the API server needs it",
    "healthzBindAddress": "it answers on loopback only",
    "kubeletCgroups": "the kubelet would leave its own unit",
    "systemCgroups": "the kubelet would leave its own unit",
    "podCIDR": "set podSubnet of the node",
    "port": "it is 10250",
    "providerID": "there is no cloud",
    "readOnlyPort": "it would be open to all without a certificate",
    "registerNode": "the node joins by itself",
    "registerWithTaints": "set taints of the node",
    "rotateCertificates": "renewal is always on",
    "serverTLSBootstrap": "the serving certificate is in the bundle",
    "staticPodURL": "there is no network to fetch it from",
    "staticPodURLHeader": "there is no network to fetch it from",
    "tlsCertFile": "the serving certificate is in the bundle",
    "tlsPrivateKeyFile": "the serving certificate is in the bundle",
}
"""Fields that bundler decides, and why or where to set them instead (facts: cluster-facts.md, section 6)."""


def kubelet_problems(source: Source, settings: Any, path: Place) -> Iterator[Problem]:
    """Everything wrong with the extra settings at `path`."""
    if not isinstance(settings, Mapping):
        return  # its shape is another check's
    free = {key: value for key, value in settings.items() if key not in _DECIDED}
    for key in settings.keys() - free.keys():
        yield source.problem((*path, key), "bundler decides this", _DECIDED[key])
    for error in _validator().iter_errors({**free, "apiVersion": _API_VERSION, "kind": "KubeletConfiguration"}):
        yield from _explained(source, error, path)
    yield from _semantic(source, free, path)


_API_VERSION = "kubelet.config.k8s.io/v1beta1"


@cache
def _validator() -> Any:
    import jsonschema  # noqa: PLC0415 - a slow import, needed only by those who set extras

    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _explained(source: Source, error: Any, path: Place) -> Iterator[Problem]:
    place = (*path, *error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "the kubelet knows no such field"
            yield source.problem((*place, key), "unknown field of KubeletConfiguration 1.24", remedy)
        return
    yield source.problem(place, f"{source.shown(place, error.instance)} is no good value", _wanted(error))


def _wanted(error: Any) -> str:
    """What the schema wants there, in words."""
    if error.validator == "enum":
        return "give one of " + ", ".join(str(value) for value in error.validator_value)
    if error.validator == "type":
        kinds = error.validator_value
        return "give a value of type " + (kinds if isinstance(kinds, str) else " or ".join(kinds))
    if error.validator == "pattern":
        return f"give a text of the form {error.validator_value}"
    if error.validator in {"minimum", "maximum"}:
        return f"its {error.validator} is {error.validator_value}"
    return "see KubeletConfiguration in the reference of Kubernetes 1.24"


def _semantic(source: Source, settings: Mapping[str, Any], path: Place) -> Iterator[Problem]:
    """The rules that the schema cannot say (its x-semantics)."""
    low = settings.get("imageGCLowThresholdPercent", 80)
    high = settings.get("imageGCHighThresholdPercent", 100)
    if isinstance(low, int) and isinstance(high, int) and low >= high:
        key = (
            "imageGCLowThresholdPercent" if "imageGCLowThresholdPercent" in settings else "imageGCHighThresholdPercent"
        )
        yield source.problem(
            (*path, key), f"the low threshold {low} is not below the high one {high}", "make it smaller"
        )
    critical = _seconds(settings.get("shutdownGracePeriodCriticalPods", "10s"))
    total = _seconds(settings.get("shutdownGracePeriod", "30s"))
    if critical is not None and total is not None and critical > total:
        key = (
            "shutdownGracePeriodCriticalPods"
            if "shutdownGracePeriodCriticalPods" in settings
            else "shutdownGracePeriod"
        )
        yield source.problem(
            (*path, key), "critical pods get longer than all pods", "shutdownGracePeriod is the whole time"
        )


def _seconds(text: Any) -> float | None:
    """A Go duration such as 1m30s, in seconds; None for what is none."""
    parts = re.findall(r"([0-9.]+)(ms|h|m|s)", text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    try:
        return sum(float(number) * units[unit] for number, unit in parts)
    except ValueError:
        return None
