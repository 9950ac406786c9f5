"""What lands on a host of each role, as lists that a reviewer can read: tests/golden/<role>.txt.

After a change that is meant: BUNDLER_GOLDEN=write pytest tests/components/test_golden.py, and read the diff.
"""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from builder.model.cluster import ApiServer, Node
from tests.kit import ROOT, network, whole

GOLDEN = ROOT / "tests" / "golden"
HOSTS = {
    "control-plane": Node("plane", IPv4Address("10.1.1.10"), roles=("control-plane",)),
    "etcd": Node("store", IPv4Address("10.1.1.11"), roles=("etcd",)),
    "worker": Node("work", IPv4Address("10.1.1.12")),
}
STATIC = whole(nodes=tuple(HOSTS.values()), api=ApiServer(None), network=network(backend="static", proxy_mode="ipvs"))
CLUSTERS = {
    "control-plane": (whole(nodes=tuple(HOSTS.values())), "plane"),
    "etcd": (whole(nodes=tuple(HOSTS.values())), "store"),
    "worker": (whole(nodes=tuple(HOSTS.values())), "work"),
    "worker-static-ipvs-proxy": (STATIC, "work"),
    "everything": (whole(nodes=(replace(HOSTS["control-plane"], roles=("control-plane", "etcd", "worker")),)), "plane"),
}


def tree(node):
    """Units in their order, certificates, then every path with its mode and component."""
    plan = node.plan
    lines = [f"unit  {name}{'  (may wait for another host)' if name in plan.waiting else ''}" for name in plan.units]
    lines += [f"cert  {spec.ca}: {spec.common_name}" for spec in plan.certificates]
    paths = [(file.path, file.mode, file.component) for file in (*plan.payload, *plan.overlays)]
    paths += [(path + "/", mode, "") for path, mode in plan.directories.items()]
    lines += [f"{mode:04o}  {path}  {component}".rstrip() for path, mode, component in sorted(paths)]
    lines += [f"link  {path} -> {target}" for path, target in sorted(plan.links.items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_lands_on_a_host(render_once, name):
    described, node = CLUSTERS[name]
    found = tree(render_once(described)[node])
    golden = Path(GOLDEN / f"{name}.txt")
    if os.environ.get("BUNDLER_GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text()
