"""Makes stand-ins for programs that no package registry holds; none of them ever ships in the product."""

from __future__ import annotations

import json
from pathlib import Path

_HERE = Path(__file__).parent
_FLAGS = {
    "kubelet": "kubelet",
    "kube-proxy": "kube-proxy",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "flanneld": "flanneld-v0.17.0",
    "etcd": "etcd-3.5",
}


def standin(name: str, version: str) -> bytes:
    """An executable that says it is a stand-in and refuses the flags that the real program refuses."""
    table = json.loads((_HERE.parent / "data" / "flags-v1.24.json").read_text())
    flags = {flag: about["type"] for flag, about in table.get(_FLAGS.get(name, ""), {}).items()}
    text = (_HERE / "program.py").read_text()
    for mark, value in (("@NAME@", name), ("@VERSION@", version), ("@FLAGS@", json.dumps(flags, sort_keys=True))):
        text = text.replace(mark, value)
    return text.encode()
