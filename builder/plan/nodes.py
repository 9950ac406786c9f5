"""Puts a NodePlan together for every node: pure, from the cluster, the recipes and the overlays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from builder.errors import PlanError
from builder.model.cluster import Cluster, Node
from builder.model.overlay import Overlays
from builder.model.plan import (
    CLUSTER_CA_KEY,
    ENCRYPTION_KEY,
    SERVICE_ACCOUNT,
    Component,
    NodePlan,
    OverlayFile,
    PayloadFile,
    Peer,
)
from builder.model.recipe import OverlaySetting, Recipe
from builder.model.versions import MINORS, minor_of
from builder.plan.artifacts import artifact_of, version_of, words_of
from builder.plan.certs import certificates
from builder.plan.conditions import holds
from builder.plan.images import own_images
from builder.plan.network import etcd_servers, flannel_plan, kubelet_callers, ports, waiting
from builder.plan.traits import traits

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
    peers = tuple(Peer(node.name, node.address, subnets.get(node.name), node.roles) for node in cluster.nodes)
    return tuple(_plan_node(cluster, node, recipes, overlays, peers) for node in cluster.nodes)


def _plan_node(
    cluster: Cluster,
    node: Node,
    recipes: Mapping[str, Recipe],
    overlays: Overlays,
    peers: Sequence[Peer],
) -> NodePlan:
    wanted = [recipe for recipe in recipes.values() if _is_wanted(recipe, cluster, node)]
    subnet = next(peer.pod_subnet for peer in peers if peer.name == node.name)
    units = start_order(wanted)
    plan = NodePlan(
        cluster=cluster,
        node=node,
        minor=MINORS[minor_of(cluster.kubernetes)],
        pod_subnet=subnet,
        gateway=f"{subnet.network_address + 1}/{subnet.prefixlen}" if subnet else None,
        components=tuple(_component(recipe, cluster) for recipe in wanted),
        payload=(
            *(file for recipe in wanted for file in _payload(recipe, cluster, node.arch)),
            *own_images(cluster, node),
        ),
        overlays=tuple(file for recipe in wanted for file in _overlay_files(recipe, cluster, node, overlays)),
        directories={path: mode for recipe in wanted for path, mode in recipe.directories.items()},
        links={path: target for recipe in wanted for path, target in recipe.links.items()},
        units=units,
        certificates=certificates(cluster, node),
        peers=tuple(peers),
        sources=kubelet_callers(cluster),
        flannel=None if cluster.network.backend == "static" else flannel_plan(cluster, node, peers),
        versions={recipe.name: version_of(recipe, cluster) for recipe in recipes.values()},
        ports=ports(cluster, node),
        waiting=waiting(cluster, node, units),
        commands=_commands(cluster, node),
        traits=tuple(
            traits(item, master_role=MINORS[minor_of(cluster.kubernetes)].master_role)
            for item in cluster.having("worker")
        ),
        etcd_servers=etcd_servers(cluster),
        shared_secrets=_shared_secrets(cluster, node),
    )
    _no_path_twice(plan)
    return plan


def _is_wanted(recipe: Recipe, cluster: Cluster, node: Node) -> bool:
    if not set(recipe.roles) & set(node.roles):
        return False
    return recipe.when is None or holds(recipe.when, cluster, node)


def _shared_secrets(cluster: Cluster, node: Node) -> tuple[str, ...]:
    """What only hosts of the control plane get beside certificates."""
    if "control-plane" not in node.roles:
        return ()
    wanted = [SERVICE_ACCOUNT]
    if cluster.api.encrypt_secrets:
        wanted.append(ENCRYPTION_KEY)
    if cluster.pki.ca_key_on_hosts:
        wanted.append(CLUSTER_CA_KEY)
    return tuple(wanted)


def _commands(cluster: Cluster, node: Node) -> tuple[str, ...]:
    """kube-proxy in ipvs mode calls ipset (Kubernetes: pkg/proxy/ipvs)."""
    return ("ipset",) if cluster.network.proxy_mode == "ipvs" and "worker" in node.roles else ()


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
            member=file.member.format(**words_of(recipe, cluster, arch)) if file.member is not None else None,
            restarts=recipe.restarts,
            component=recipe.name,
        )
        for file in recipe.files
    ]


def _overlay_files(recipe: Recipe, cluster: Cluster, node: Node, overlays: Overlays) -> list[OverlayFile]:
    files = []
    for path, source in overlays.get(recipe.name, {}).items():
        setting = recipe.overlay.get(path, OverlaySetting())
        if setting.when is None or holds(setting.when, cluster, node):
            restarts = _restarts(path, recipe) if setting.restarts is None else setting.restarts
            files.append(OverlayFile(source, setting.mode, recipe.name, restarts))
    return files


def _restarts(path: str, recipe: Recipe) -> tuple[str, ...]:
    """A unit file restarts its own unit; any other file what the recipe says."""
    if path.startswith(_UNIT_FOLDER):
        name = path.removeprefix(_UNIT_FOLDER)
        return (name,) if name in recipe.units else ()
    return recipe.restarts


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
