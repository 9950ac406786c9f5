"""The straight line from cluster.yaml to tarballs; the only module that knows every room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import jinja2

from builder import __version__
from builder.config.load import load_cluster
from builder.config.recipes import load_recipes
from builder.dist import Dist, write_dist
from builder.errors import InputError, PkiError, Problem, StateError
from builder.events import Step, Warned
from builder.fetch.artifacts import Fetched, FetchOptions, fetch_all
from builder.fetch.lock import Lock
from builder.fetch.registry import docker_config
from builder.fetch.store import Store
from builder.model.bundle import Built
from builder.model.cluster import Cluster
from builder.model.plan import NodePlan
from builder.model.recipe import Artifact, Recipe
from builder.nodebundle import NodeBundle, put_together
from builder.pack.bundle import tarball_digest, write_bundle
from builder.pack.gzip import COMPRESSOR
from builder.payload import segments
from builder.pki.ca import Authority
from builder.pki.sign import load_signer, sign
from builder.plan.certs import operator
from builder.plan.nodes import plan_nodes
from builder.plan.subnets import allocate
from builder.project import Project
from builder.render.overlays import load_overlays
from builder.render.templates import environment, operators_kubeconfig
from builder.secrets import Secrets, gather, given_authorities
from builder.state.folder import StateFolder


@dataclass(frozen=True)
class Prepared:
    """A project that passed every check, planned; nothing was fetched or written."""

    project: Project
    cluster: Cluster
    recipes: Mapping[str, Recipe]
    plans: tuple[NodePlan, ...]
    subnets: Mapping[str, IPv4Network]
    kept: Mapping[str, IPv4Network]
    given: Mapping[str, Authority] = field(repr=False)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every download of the cluster, once each, in the order of recipes."""
        return tuple(dict.fromkeys(file.artifact for plan in self.plans for file in plan.payload))


def prepare(project: Project) -> Prepared:
    """Read, check and plan. Raises InputError with every problem found, before anything is written."""
    recipes = load_recipes(*project.recipe_folders())
    overlays = load_overlays(*project.overlay_folders())
    loaded = load_cluster(
        project.text,
        project.file,
        environ=project.environ,
        base=project.base,
        components=recipes.keys(),
    )
    cluster = loaded.cluster
    given = _given(project, cluster, loaded.locate)
    kept = StateFolder(project.state / cluster.name).allocations()
    subnets = allocate(cluster, kept)
    if not project.allow_subnet_change:
        _no_subnet_moves(project, kept, subnets, loaded.locate)
    plans = plan_nodes(cluster, recipes, overlays, subnets)
    return Prepared(project, cluster, recipes, plans, subnets, kept, given)


def fetch(prepared: Prepared) -> dict[Artifact, Fetched]:
    """Bring every artifact into the store, each as its digest says; new digests go into the lock."""
    project = prepared.project
    _warn_of_recipes(prepared)
    return fetch_all(
        prepared.artifacts,
        store=Store(project.cache),
        lock=Lock.load(project.lock),
        mirrors={**prepared.cluster.mirrors, **project.mirrors},
        options=FetchOptions(
            project.offline, project.require_digests, project.jobs, docker_config=docker_config(project.environ)
        ),
        now=project.now,
        sink=project.sink,
    )


def build(project: Project) -> Dist:
    """Write one tarball per node into dist/<cluster>/, all of them or none."""
    prepared = prepare(project)
    signer = _signer(project)
    state = StateFolder(project.state / prepared.cluster.name)
    fetched = fetch(prepared)
    packed = segments(prepared.plans, fetched, project.cache, project.jobs, project.sink)
    templates = environment(project.overlay_folders())
    with state.locked():
        if state.allocations() != prepared.kept:
            raise StateError(f"{state.root}: another build changed the pod subnets meanwhile", "run it again")
        state.keep_allocations(prepared.subnets)
        secrets = _secrets(prepared, state, templates)
        bundles = [put_together(plan, templates, secrets, packed, fetched, signer) for plan in prepared.plans]
        about = {"format": 1, "cluster": prepared.cluster.name, "bundler": __version__, "compressor": COMPRESSOR}
        return write_dist(project.dist / prepared.cluster.name, _writer(bundles, project), about)


def _signer(project: Project) -> Callable[[bytes], bytes] | None:
    """What signs a bundle, if the user wants that. Raises PkiError for a key that cannot be used."""
    if project.sign_key is None:
        return None
    try:
        pem = project.sign_key.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise PkiError(f"{project.sign_key}: cannot be read", "give a PEM private key") from error
    return partial(sign, load_signer(pem, str(project.sign_key)))


def _secrets(prepared: Prepared, state: StateFolder, templates: jinja2.Environment) -> Secrets:
    """Every key and certificate, and the operator's kubeconfig where the control plane is ours."""
    project, cluster = prepared.project, prepared.cluster
    if not cluster.own_control_plane:
        return gather(prepared.plans, state, prepared.given, project.now, project.sink)
    admin = operator()
    secrets = gather(prepared.plans, state, prepared.given, project.now, project.sink, [admin])
    first = cluster.having("control-plane")[0]
    server = cluster.api.endpoint or f"https://{first.address}:{cluster.api.port}"
    kubeconfig = operators_kubeconfig(templates, server, secrets.authorities, secrets.pairs[admin.id])
    state.keep_text("admin.kubeconfig", kubeconfig)
    return secrets


def _writer(bundles: Sequence[NodeBundle], project: Project) -> Callable[[Path], list[Built]]:
    """A function that writes these tarballs, 0600, into the folder it is given."""

    def write(folder: Path) -> list[Built]:
        return [_write_one(bundle, folder, project) for bundle in bundles]

    return write


def _write_one(bundle: NodeBundle, folder: Path, project: Project) -> Built:
    path = folder / f"{bundle.node}.tar.gz"
    path.touch(mode=0o600)
    with path.open("wb", buffering=0) as out:
        write_bundle(out, bundle.node, bundle.own, bundle.shared, project.epoch)
    sha256, size = tarball_digest(path)
    project.sink(Step(f"packed {path.name} ({size / 1e6:.1f} MB)"))
    return Built(bundle.node, path.name, sha256, size)


def _given(project: Project, cluster: Cluster, locate: Callable[[str], tuple[int, int]]) -> dict[str, Authority]:
    """The CAs that the user brings; what is wrong with one is a problem of its field in cluster.yaml."""
    try:
        return given_authorities(cluster.pki, project.environ, project.now)
    except PkiError as error:
        place = locate(error.field)
        raise InputError([Problem(project.file, *place, error.field, error.message, error.remedy)]) from error


def _no_subnet_moves(
    project: Project,
    kept: Mapping[str, IPv4Network],
    subnets: Mapping[str, IPv4Network],
    locate: Callable[[str], tuple[int, int]],
) -> None:
    """A node whose pods live in one subnet does not get another unasked (facts: pitfalls 12 and 13)."""
    problems = []
    for index, (name, subnet) in enumerate(subnets.items()):
        if kept.get(name, subnet) != subnet:
            field = f"spec.nodes[{index}].podSubnet"
            wrong = f"{name} has had {kept[name]} since an earlier build, this would give it {subnet}"
            remedy = "keep it, or pass --allow-subnet-change and follow docs/how-to/change-subnet.md"
            problems.append(Problem(project.file, *locate(field), field, wrong, remedy))
    if problems:
        raise InputError(problems)


def _warn_of_recipes(prepared: Prepared) -> None:
    """Say aloud which recipes replace a shipped digest, and which say something themselves."""
    for recipe in prepared.recipes.values():
        if recipe.replaced_digests:
            listed = ", ".join(recipe.replaced_digests)
            prepared.project.sink(Warned(f"{recipe.origin}: replaces the shipped digests of {recipe.name} {listed}"))
        if recipe.notice:
            prepared.project.sink(Warned(f"{recipe.name}: {recipe.notice}"))
