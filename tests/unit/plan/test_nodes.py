from __future__ import annotations

from dataclasses import replace

import pytest

from builder.errors import BundlerError
from builder.model.overlay import OverlaySource
from builder.model.recipe import Digest, OverlaySetting, Recipe, RecipeFile, Source
from builder.plan.nodes import plan_nodes
from builder.plan.subnets import allocate
from tests.kit import cluster, nodes


def recipe(name, **changes):
    made = Recipe(name=name, summary=name, licence="Apache-2.0", roles=("worker",), origin=f"{name}.toml")
    return replace(made, **changes)


def overlay(path, **changes):
    return {path: replace(OverlaySource(path, f"overlays{path}", "x", template=False, block=False), **changes)}


def plan(described, recipes, overlays=None):
    known = {item.name: item for item in recipes}
    return plan_nodes(described, known, overlays or {}, allocate(described, {}))


TOOL = recipe(
    "tool",
    default_version="v1.2.3",
    source=Source("https://x.example/{version}/tool-{number}-{arch}.tgz", "archive", "{url}.sha256", "sums"),
    files=(RecipeFile("/opt/tool", "bin/tool-{arch}"),),
    digests={"v1.2.3": {"arm64": Digest("sha256", "a" * 64)}},
    restarts=("tool.service",),
)


def test_an_artifact_is_filled_in_for_the_arch_and_version():
    first = replace(nodes()[0], arch="arm64")
    found = plan(cluster(nodes=(first, nodes()[1])), [TOOL])
    arm, amd = (node.payload[0] for node in found)
    assert arm.artifact.url == "https://x.example/v1.2.3/tool-1.2.3-arm64.tgz"
    assert arm.artifact.checksum.url == "https://x.example/v1.2.3/tool-1.2.3-arm64.tgz.sha256"
    assert (arm.member, amd.member) == ("bin/tool-arm64", "bin/tool-amd64")
    assert str(arm.artifact.digest) == "sha256:" + "a" * 64
    assert amd.artifact.digest is None


def test_what_cluster_yaml_says_of_a_version_wins():
    found = plan(cluster(versions={"tool": "v2.0.0"}), [TOOL])
    assert found[0].payload[0].artifact.version == "v2.0.0"
    assert found[0].components[0].version == "v2.0.0"


def test_a_recipe_without_a_version_is_refused_with_the_field_to_set():
    with pytest.raises(BundlerError, match=r"set spec\.components\.tool"):
        plan(cluster(), [replace(TOOL, default_version=None)])


def test_two_components_that_claim_one_path_are_refused():
    other = replace(TOOL, name="other")
    with pytest.raises(BundlerError, match="/opt/tool is claimed by tool and by other"):
        plan(cluster(), [TOOL, other])


@pytest.mark.parametrize("claim", [{"links": {"/opt/tool": "/x"}}, {"directories": {"/opt/tool": 0o755}}])
def test_a_link_or_folder_in_the_place_of_a_file_is_refused(claim):
    with pytest.raises(BundlerError, match="/opt/tool is claimed by tool and by a recipe's"):
        plan(cluster(), [TOOL, recipe("other", **claim)])


def test_an_overlay_without_a_recipe_is_refused():
    with pytest.raises(BundlerError, match=r"add recipes/stray\.toml"):
        plan(cluster(), [TOOL], {"stray": overlay("/etc/x")})


def test_a_unit_file_restarts_its_unit_and_other_files_what_the_recipe_says():
    mine = recipe("mine", units=("mine.service",), restarts=("mine.service", "other.service"))
    files = overlay("/etc/systemd/system/mine.service") | overlay("/etc/mine.conf") | overlay("/etc/quiet")
    mine = replace(mine, overlay={"/etc/quiet": OverlaySetting(restarts=())})
    found = {file.path: file.restarts for file in plan(cluster(), [mine], {"mine": files})[0].overlays}
    assert found == {
        "/etc/systemd/system/mine.service": ("mine.service",),
        "/etc/mine.conf": ("mine.service", "other.service"),
        "/etc/quiet": (),
    }


def test_conditions_choose_files_and_an_unknown_one_is_refused():
    settings = {
        "/etc/a": OverlaySetting(when="join=certificate"),
        "/etc/b": OverlaySetting(when="join=bootstrap-token"),
    }
    files = {"mine": overlay("/etc/a") | overlay("/etc/b")}
    found = plan(cluster(), [recipe("mine", overlay=settings)], files)
    assert [file.path for file in found[0].overlays] == ["/etc/a"]
    with pytest.raises(BundlerError, match="unknown condition"):
        plan(cluster(), [recipe("mine", overlay={"/etc/a": OverlaySetting(when="moon=full")})], files)


def test_only_recipes_of_a_nodes_roles_are_taken():
    found = plan(cluster(), [TOOL, recipe("server-only", roles=("control-plane",))])
    assert [component.name for component in found[0].components] == ["tool"]


def test_units_start_in_the_recipes_order():
    late, early = recipe("a", units=("a.service",), order=60), recipe("b", units=("b.service",), order=10)
    assert plan(cluster(), [late, early])[0].units == ("b.service", "a.service")
