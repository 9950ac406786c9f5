"""The seed's cluster planned and rendered with the shipped recipes and overlays; nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass

import jsonschema
import pytest

from builder.config.recipes import load_recipes
from builder.events import ignore
from builder.plan.nodes import plan_nodes
from builder.plan.subnets import allocate
from builder.render.overlays import load_overlays
from builder.render.templates import environment, render
from builder.secrets import gather
from builder.state.folder import StateFolder
from demo.parts import Parts
from tests.kit import DATA, KEPT, NOW, ROOT, cluster


@dataclass(frozen=True)
class Rendered:
    """A node's plan and its rendered files: path -> bytes; `modes` by path."""

    plan: object
    files: dict
    modes: dict

    def text(self, path):
        return self.files[path].decode()


def render_cluster(described, folder):
    recipes = load_recipes(ROOT / "recipes")
    plans = plan_nodes(described, recipes, load_overlays(ROOT / "overlays"), allocate(described, {}))
    state = StateFolder(folder / "state")
    with state.locked():
        secrets = gather(plans, state, {}, NOW, ignore)
    templates = environment([ROOT / "overlays"])
    return {
        plan.node.name: Rendered(
            plan,
            {
                file.path: render(
                    templates,
                    file.source,
                    plan,
                    secrets.authorities,
                    secrets.of_node(plan),
                    secrets.shared_of(plan),
                )
                for file in plan.overlays
            },
            {file.path: file.mode for file in plan.overlays},
        )
        for plan in plans
    }


@pytest.fixture(scope="session")
def seed(tmp_path_factory):
    """The three nodes of the seed document, by name."""
    return render_cluster(cluster(), tmp_path_factory.mktemp("seed"))


@pytest.fixture(scope="session")
def render_once(tmp_path_factory):
    """Render a cluster for more tests than one."""
    return lambda described: render_cluster(described, tmp_path_factory.mktemp("rendered"))


@pytest.fixture
def rendered(tmp_path):
    """Render another cluster than the seed's: `rendered(cluster(...))`."""
    return lambda described: render_cluster(described, tmp_path)


@pytest.fixture(scope="session")
def flags():
    """Every flag that the real programs know, by program (facts)."""
    return json.loads((DATA / "flags-v1.24.json").read_text())


@pytest.fixture(scope="session")
def schema():
    """`schema(name)`: a JSON Schema validator from the facts."""

    def load(name):
        return jsonschema.Draft202012Validator(json.loads((DATA / f"schema-{name}.json").read_text()))

    return load


@pytest.fixture(scope="session")
def cni_plugins(tmp_path_factory):
    """A folder with Debian's bridge and host-local."""
    folder = tmp_path_factory.mktemp("cni")
    parts = Parts(KEPT)
    for name in ("bridge", "host-local"):
        part = parts.program("cni-plugins", name, "v1.1.1")
        if "STAND-IN" in part.origin:
            pytest.skip("the CNI plugins cannot be fetched here")
        (folder / name).write_bytes(part.content)
        (folder / name).chmod(0o755)
    return folder
