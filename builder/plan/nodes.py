"""Puts a NodePlan together for every node: pure, from the cluster, the recipes and the overlays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from builder.errors import PlanError
from builder.model.cluster import Cluster, Node
from builder.model.overlay import Overlays
from builder.model.plan import Component, NodePlan, OverlayFile, PayloadFile, Peer
from builder.model.recipe import OverlaySetting, Recipe
from builder.plan.artifacts import artifact_of, version_of
from builder.plan.certs import certificates
from builder.plan.network import flannel_plan, kubelet_callers

_UNIT_FOLDER = "/etc/systemd/system/"


def plan_nodes(
    cluster: Cluster,
    recipes: Mapping[str, Recipe],
    overlays: Overlays,
    subnets: Mapping[str, IPv4Network],
) -> tuple[NodePlan, ...]:
    """One NodePlan per node, in the order of cluster.yaml.

    Raises PlanError when two components claim the same path or an overlay belongs to no recipe.
    """
    _no_stray_overlays(recipes, overlays)
    peers = tuple(Peer(node.name, node.address, subnets[node.name]) for node in cluster.nodes)
    return tuple(_plan_node(cluster, node, recipes, overlays, peers) for node in cluster.nodes)


def _plan_node(
    cluster: Cluster,
    node: Node,
    recipes: Mapping[str, Recipe],
    overlays: Overlays,
    peers: Sequence[Peer],
) -> NodePlan:
    wanted = [recipe for recipe in recipes.values() if set(recipe.roles) & set(node.roles)]
    subnet = next(peer.pod_subnet for peer in peers if peer.name == node.name)
    plan = NodePlan(
        cluster=cluster,
        node=node,
        pod_subnet=subnet,
        components=tuple(_component(recipe, cluster) for recipe in wanted),
        payload=tuple(file for recipe in wanted for file in _payload(recipe, cluster, node.arch)),
        overlays=tuple(file for recipe in wanted for file in _overlay_files(recipe, cluster, overlays)),
        directories={path: mode for recipe in wanted for path, mode in recipe.directories.items()},
        links={path: target for recipe in wanted for path, target in recipe.links.items()},
        units=start_order(wanted),
        certificates=certificates(cluster, node),
        peers=tuple(peers),
        sources=kubelet_callers(cluster),
        flannel=flannel_plan(cluster, node, subnet),
    )
    _no_path_twice(plan)
    return plan


def _component(recipe: Recipe, cluster: Cluster) -> Component:
    return Component(recipe.name, version_of(recipe, cluster), recipe.licence, recipe.notice)


def _payload(recipe: Recipe, cluster: Cluster, arch: str) -> list[PayloadFile]:
    artifact = artifact_of(recipe, cluster, arch)
    if artifact is None:
        return []
    return [
        PayloadFile(
            path=file.path,
            mode=file.mode,
            artifact=artifact,
            member=file.member.format(arch=arch) if file.member is not None else None,
            restarts=recipe.restarts,
            component=recipe.name,
        )
        for file in recipe.files
    ]


def _overlay_files(recipe: Recipe, cluster: Cluster, overlays: Overlays) -> list[OverlayFile]:
    files = []
    for path, source in overlays.get(recipe.name, {}).items():
        setting = recipe.overlay.get(path, OverlaySetting())
        if setting.when is None or _holds(setting.when, cluster):
            restarts = _restarts(path, recipe) if setting.restarts is None else setting.restarts
            files.append(OverlayFile(source, setting.mode, recipe.name, restarts))
    return files


def _restarts(path: str, recipe: Recipe) -> tuple[str, ...]:
    """A unit file restarts its own unit; any other file what the recipe says."""
    if path.startswith(_UNIT_FOLDER):
        name = path.removeprefix(_UNIT_FOLDER)
        return (name,) if name in recipe.units else ()
    return recipe.restarts


def _holds(condition: str, cluster: Cluster) -> bool:
    """Whether `when = "join=certificate"` is so for this cluster."""
    facts = {"join": cluster.join.method, "backend": cluster.network.flannel.backend}
    name, _, value = condition.partition("=")
    if name not in facts:
        raise PlanError(f"unknown condition {condition!r} in a recipe", f"known are: {', '.join(facts)}")
    return facts[name] == value


def start_order(recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """The units in the order of their recipes' `order`, then by name."""
    ranked = sorted((recipe.order, unit) for recipe in recipes for unit in recipe.units)
    return tuple(unit for _, unit in ranked)


def _no_stray_overlays(recipes: Mapping[str, Recipe], overlays: Overlays) -> None:
    for name, files in overlays.items():
        if name not in recipes and files:
            origin = next(iter(files.values())).origin
            raise PlanError(f"{origin}: no recipe is named {name}", f"add recipes/{name}.toml")


def _no_path_twice(plan: NodePlan) -> None:
    owners: dict[str, str] = {}
    claims = [(file.path, file.component) for file in plan.payload]
    claims += [(file.path, file.component) for file in plan.overlays]
    claims += [(path, "a recipe's links") for path in plan.links]
    claims += [(path, "a recipe's directories") for path in plan.directories]
    for path, component in claims:
        if path in owners:
            raise PlanError(
                f"{path} is claimed by {owners[path]} and by {component}",
                "let one recipe or overlay give it up",
            )
        owners[path] = component
