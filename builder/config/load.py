"""cluster.yaml -> model.Cluster, or every problem in it at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from builder.config import rules
from builder.config.fields import LOCAL_PROXY, SHOWN
from builder.config.schema import CaSpec, ClusterFile, NodeSpec, known_keys
from builder.config.source import Path as Place
from builder.config.source import Source, dotted, read_source
from builder.config.variables import Variables
from builder.errors import InputError, Problem
from builder.model.cluster import ApiServer, Cluster, Etcd, Flannel, GivenCA, Join, Network, Node, Pki, Taint
from builder.model.versions import pause_image


@dataclass(frozen=True)
class Loaded:
    """A good cluster file; `locate` gives line and column (from 1) of a field such as spec.nodes[0].name."""

    cluster: Cluster
    locate: Callable[[str], tuple[int, int]]


def starter_text() -> str:
    """The commented file that `bundler init` writes."""
    return (Path(__file__).parent / "starter.yaml").read_text(encoding="utf-8")


def load_cluster(
    text: str | bytes,
    file: str,
    *,
    environ: Mapping[str, str],
    base: Path,
    components: Collection[str],
) -> Loaded:
    """Read and check a cluster file; `components` are the names of recipes, `base` is where paths start.

    Raises InputError with all problems, shape and rules alike, sorted by place.
    """
    source = read_source(text, file, Variables(environ))
    if not isinstance(source.data, dict):
        wrong = "not a mapping at the top"
        raise InputError([Problem(file, 1, 1, "", wrong, "begin with apiVersion: bundler/v1beta1")])
    problems = rules.check(source, components)
    try:
        described = ClusterFile.model_validate(source.data)
    except ValidationError as error:
        problems += [_explained(source, item) for item in error.errors(include_url=False)]
        raise InputError(_one_a_place(problems)) from error
    if problems:
        raise InputError(_one_a_place(problems))
    return Loaded(_cluster(described, base), _locator(source))


def _one_a_place(problems: list[Problem]) -> list[Problem]:
    """Of what two checks say of one field, the first is enough: it is the reason for the other."""
    kept: dict[tuple[int, int, str], Problem] = {}
    for problem in problems:
        kept.setdefault((problem.line, problem.column, problem.field), problem)
    return list(kept.values())


def _locator(source: Source) -> Callable[[str], tuple[int, int]]:
    by_name = {dotted(path): place for path, place in source.places.items()}

    def locate(field: str) -> tuple[int, int]:
        while field and field not in by_name:
            field = field.rpartition(".")[0]
        return by_name.get(field, (1, 1))

    return locate


def _explained(source: Source, error: Any) -> Problem:
    """One error of pydantic in our words: what is wrong; what would be right."""
    path: Place = tuple(part for part in error["loc"] if part != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return source.problem(path, "missing", f"give {_about(path)}")
    if kind == "extra_forbidden" and path == ("spec", "network", "flannel", "backend"):
        return source.problem(path, "unknown field", "it is spec.network.backend: flannel-host-gw, for one")
    if kind == "extra_forbidden":
        return source.problem(path, "unknown field", _near(str(path[-1]), known_keys(path[:-1])))
    if kind == "field":
        wrong = context["wrong"].replace(SHOWN, source.shown(path, error["input"]))
        return source.problem(path, wrong, context["remedy"])
    if kind == "literal_error":
        return source.problem(path, *_literal(source, path, error))
    return source.problem(path, _wrong(source, path, error), _remedy(kind, context))


def _literal(source: Source, path: Place, error: Any) -> tuple[str, str]:
    return f"{source.shown(path, error['input'])} is not known", f"give {error['ctx']['expected']}"


def _near(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    lowered = {name.lower(): name for name in known}
    if key.lower() in lowered:
        near = [lowered[key.lower()]]
    return f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}"


def _about(path: Place) -> str:
    """A required field's own description, as the remedy."""
    return {
        "name": "a name; a host's is what `hostname` prints",
        "address": "the host's IPv4 address",
        "endpoint": "the API server's URL, e.g. https://10.1.1.100:6443",
        "endpoints": "etcd's client URLs, e.g. [https://10.1.1.100:2379]",
        "apiVersion": "bundler/v1beta1",
        "kind": "Cluster",
        "podCIDR": "the network of all pods, e.g. 172.7.0.0/16",
        "version": "Kubernetes' version, e.g. v1.24.17",
    }.get(str(path[-1]), "it; `bundler init` writes an example")


def _wrong(source: Source, path: Place, error: Any) -> str:
    value = error["input"]
    if isinstance(value, (dict, list)):
        return "a mapping stands here" if isinstance(value, dict) else "a list stands here"
    return "empty" if value is None else f"{source.shown(path, value)} is wrong"


def _remedy(kind: str, context: Mapping[str, Any]) -> str:
    bounds = {
        "greater_than_equal": "it is at least {ge}",
        "less_than_equal": "it is at most {le}",
        "too_short": "give at least {min_length}",
        "too_long": "give at most {max_length}",
    }
    if kind in bounds:
        return bounds[kind].format(**context)
    return {
        "int_type": "give a whole number without quotes",
        "bool_type": "give true or false without quotes",
        "dict_type": "give a mapping (key: value)",
        "list_type": "give a list (- item)",
        "model_type": "give a mapping (key: value)",
        "model_attributes_type": "give a mapping (key: value)",
        "string_type": "give a text, in quotes where YAML reads it as something else",
    }.get(kind, "see docs/cluster-yaml.md")


def _cluster(file: ClusterFile, base: Path) -> Cluster:
    """The model of a file that passed every check."""
    spec, network = file.spec, file.spec.network
    flannel = network.flannel
    return Cluster(
        name=file.metadata.name,
        kubernetes=spec.kubernetes.version,
        api=ApiServer(
            endpoint=None if spec.api_server.endpoint == LOCAL_PROXY else spec.api_server.endpoint,
            port=spec.api_server.port,
            proxy_port=spec.api_server.proxy_port,
            names=tuple(spec.api_server.names),
            encrypt_secrets=spec.api_server.encrypt_secrets,
        ),
        network=Network(
            pod_cidr=network.pod_cidr,
            service_cidr=network.service_cidr,
            dns_address=network.dns.address or IPv4Address(int(network.service_cidr.network_address) + 10),
            dns_domain=network.dns.domain,
            flannel=Flannel(tuple(flannel.etcd.endpoints), flannel.etcd.prefix, flannel.healthz_port),
            backend=network.backend,
            pod_subnets=network.pod_subnets,
            pod_subnet_prefix=network.pod_subnet_prefix,
            proxy_mode=network.proxy_mode,
            mtu=network.mtu,
            coredns=network.dns.coredns,
            upstreams=tuple(network.dns.upstreams),
        ),
        nodes=tuple(_node(node) for node in spec.nodes),
        pause_image=spec.kubernetes.pause_image or pause_image(spec.kubernetes.version),
        join=Join(spec.join.method, spec.join.token, spec.join.expires),
        pki=Pki(
            key_algorithm=spec.pki.key_algorithm,
            ca_validity=spec.pki.validity.ca,
            leaf_validity=spec.pki.validity.leaf,
            renew_before=spec.pki.renew_before,
            cluster_ca=_given(spec.pki.cluster_ca, base),
            etcd_ca=_given(spec.pki.etcd_ca, base),
            allow_shared_ca=spec.pki.allow_shared_ca,
            ca_key_on_hosts=spec.pki.ca_key_on_hosts,
        ),
        versions=dict(spec.components),
        mirrors=dict(spec.mirrors),
        kubelet=dict(spec.kubelet),
        etcd=Etcd(spec.etcd.heartbeat, spec.etcd.election, spec.etcd.quota),
        leader_lease=spec.kubernetes.leader_lease,
        images=tuple(spec.images),
    )


def _node(node: NodeSpec) -> Node:
    return Node(
        name=node.name,
        address=node.address,
        arch=node.arch,
        roles=tuple(node.roles),
        pod_subnet=node.pod_subnet,
        interface=node.interface,
        labels=dict(node.labels),
        taints=tuple(Taint(taint.key, taint.value, taint.effect) for taint in node.taints),
        kubelet=dict(node.kubelet),
    )


def _given(ca: CaSpec | None, base: Path) -> GivenCA | None:
    if ca is None:
        return None
    passphrase = base / ca.passphrase_file if ca.passphrase_file else None
    return GivenCA(base / ca.certificate, base / ca.key, ca.passphrase_env, passphrase)
