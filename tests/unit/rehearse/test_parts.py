"""By what the parts of the bundles are known: shipped digests, the lock, another recipe."""

from __future__ import annotations

import pytest

from builder.build import prepare
from builder.fetch.lock import Lock
from builder.project import Project
from builder.rehearse.parts import parts
from tests.kit import NOW, ROOT

EXAMPLE = ROOT / "examples" / "three-node" / "cluster.yaml"


@pytest.fixture
def found(tmp_path):
    """The example's first node, with a crictl of another recipe, and a lock."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "crictl.toml").write_text(
        f'name = "crictl"\nnotice = "STAND-IN"\n[digests."v1.24.0"]\namd64 = "sha256:{"0" * 64}"\n'
    )
    (tmp_path / "recipes" / "runc.toml").write_text(
        f'name = "runc"\n[digests."v1.1.15"]\namd64 = "sha256:{"1" * 64}"\n'
    )
    project = Project(
        file="cluster.yaml",
        text=EXAMPLE.read_bytes(),
        base=tmp_path,
        state=tmp_path / "state",
        lock=tmp_path / "bundler.lock",
        cache=tmp_path / "cache",
        dist=tmp_path / "dist",
        now=NOW,
        environ={},
    )
    prepared = prepare(project)
    (plugin,) = [item for item in prepared.artifacts if item.component == "flannel-cni-plugin"]
    (kubelet,) = [item for item in prepared.artifacts if item.component == "kubelet"]
    Lock.load(project.lock).add(plugin.url, kubelet.digest, 1, NOW, "upstream-checksum")
    return {part.name: part for part in parts(prepared, {"k8s-node1"})}


def test_each_part_is_known_by_something(found):
    assert found["kubelet"].known == found["pause"].known == "upstream"
    assert found["flannel-cni-plugin"].known == "upstream-checksum"
    assert found["flannel"].known == "first-download"
    assert (found["crictl"].known, found["crictl"].notice) == ("other-recipe", "STAND-IN")
    assert found["runc"].known == "other-recipe"


def test_images_are_told_from_programs(found):
    assert {name for name, part in found.items() if part.kind == "image"} == {"coredns", "pause"}
