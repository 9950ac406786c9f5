"""Rules across fields, one small function each; they read what is good and pass over what is not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from builder.config import fields
from builder.config.control_plane import RULES as CONTROL_PLANE_RULES
from builder.config.kubelet import kubelet_problems
from builder.config.source import Path, Source
from builder.config.view import Found, View, host_of
from builder.errors import Problem
from builder.model.labels import is_a_nodes_own
from builder.model.versions import MINORS, is_known, known_versions, minor_of


def check(source: Source, components: Collection[str]) -> list[Problem]:
    """Every rule that the file breaks."""
    view = View(source, components)
    return [problem for rule in (*RULES, *CONTROL_PLANE_RULES) for problem in rule(view)]


def names_are_unique(view: View) -> Found:
    """Two hosts with one name are one node to Kubernetes."""
    yield from _unique(view, "name", fields.Name, "give every node its own name")


def addresses_are_unique(view: View) -> Found:
    """Two hosts cannot have one address."""
    yield from _unique(view, "address", fields.Address, "give every node its own address")


def _unique(view: View, key: str, kind: Any, remedy: str) -> Found:
    seen: dict[Any, Path] = {}
    for node in view.nodes():
        value = view.read((*node, key), kind)
        if value is None:
            continue
        if value in seen:
            line, _ = view.source.locate((*seen[value], key))
            yield view.problem((*node, key), f"{value} is taken by the node in line {line}", remedy)
        else:
            seen[value] = node


def addresses_are_hosts(view: View) -> Found:
    """A node's address is one that a host can have."""
    for node in view.nodes():
        address = view.read((*node, "address"), fields.Address)
        if address is not None and _is_special(address):
            yield view.problem(
                (*node, "address"), f"{address} is no host's address", "give the one other hosts reach it by"
            )


def _is_special(address: IPv4Address) -> bool:
    return (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or int(address) >> 24 in {0, 255}
        or address.is_reserved
    )


def pods_and_services_are_apart(view: View) -> Found:
    """An address is a pod's, a Service's or a host's, and only one of them."""
    pods, services = view.pods(), view.services()
    if pods is not None and services is not None and pods.overlaps(services):
        path = ("spec", "network", "serviceCIDR")
        yield view.problem(path, f"{services} overlaps podCIDR {pods}", "choose ranges that have nothing in common")


def ranges_are_private_enough(view: View) -> Found:
    """Loopback, multicast and the like carry no pods; a range of everything carries no hosts."""
    for key, network in (("podCIDR", view.pods()), ("serviceCIDR", view.services())):
        if network is None:
            continue
        if network.prefixlen < 8 or _is_special(network.network_address) or _is_special(network.broadcast_address):  # noqa: PLR2004
            yield view.problem(
                ("spec", "network", key), f"{network} holds addresses that cannot be used", "give a private range"
            )


def hosts_are_outside_pods_and_services(view: View) -> Found:
    """A host inside the pod or service network could not be reached."""
    ranges = (("podCIDR", view.pods()), ("serviceCIDR", view.services()))
    for path, address in _host_addresses(view):
        for key, network in ranges:
            if network is not None and address in network:
                yield view.problem(path, f"{address} is inside {key} {network}", "keep hosts, pods and Services apart")


def _host_addresses(view: View) -> Iterator[tuple[Path, IPv4Address]]:
    for node in view.nodes():
        address = view.read((*node, "address"), fields.Address)
        if address is not None:
            yield (*node, "address"), address
    endpoints = [("spec", "apiServer", "endpoint"), *view.each(*_ETCD, "endpoints")]
    for path in endpoints:
        address = host_of(view.read(path, fields.Endpoint))
        if address is not None:
            yield path, address


_ETCD = ("spec", "network", "flannel", "etcd")


def dns_is_a_service(view: View) -> Found:
    """Cluster DNS is a Service: inside serviceCIDR, and not its first address, which is the API's (pitfall 5)."""
    path, services = ("spec", "network", "dns", "address"), view.services()
    address = view.read(path, fields.Address)
    if services is None:
        return
    if services.num_addresses < 16:  # noqa: PLR2004 - .10 is the usual DNS address
        yield view.problem(("spec", "network", "serviceCIDR"), f"{services} is too small", "give a /28 or larger")
    elif address is not None:
        right = f"give e.g. {services.network_address + 10}"
        if address not in services:
            yield view.problem(path, f"{address} is not inside serviceCIDR {services}", right)
        elif address in {services.network_address, services.network_address + 1, services.broadcast_address}:
            yield view.problem(path, f"{address} is reserved: the first Service is the API server's", right)


def pod_subnets_fit(view: View) -> Found:
    """A given subnet is one share of podCIDR, and nobody else's."""
    pods, prefix, seen = view.pods(), view.prefix(), dict[IPv4Network, Path]()
    for node in view.having("worker"):
        path = (*node, "podSubnet")
        subnet = view.network(*path)
        if subnet is None or pods is None:
            continue
        if not subnet.subnet_of(pods):
            yield view.problem(path, f"{subnet} is not inside podCIDR {pods}", f"give a /{prefix} of it")
        elif subnet.prefixlen != prefix:
            yield view.problem(
                path, f"{subnet} is not a /{prefix}", "all nodes' shares are of one size (podSubnetPrefix)"
            )
        elif subnet.network_address == pods.network_address and view.backend() != "static":
            yield view.problem(path, f"{subnet} is the first of podCIDR, which flannel never gives", "give a later one")
        elif subnet in seen:
            line, _ = view.source.locate(seen[subnet])
            yield view.problem(path, f"{subnet} is taken by the node in line {line}", "give every node its own")
        seen.setdefault(subnet, path)


def pods_have_room_for_all(view: View) -> Found:
    """podCIDR holds a share for every node."""
    pods, prefix = view.pods(), view.prefix()
    path = ("spec", "network", "podSubnetPrefix")
    if pods is None:
        return
    if prefix < pods.prefixlen + 2:
        wrong = f"a /{prefix} for each node is too much of podCIDR {pods}"
        yield view.problem(path, wrong, "flannel wants it at least 2 bits longer than podCIDR's")
    elif 2 ** (prefix - pods.prefixlen) - 1 < len(view.having("worker")):
        wrong = f"podCIDR {pods} has no /{prefix} for each of {len(view.having('worker'))} nodes"
        yield view.problem(("spec", "network", "podCIDR"), wrong, "widen it, or make the shares smaller")


def last_octets_tell_nodes_apart(view: View) -> Found:
    """The scheme numbers subnets by the host's last octet: there must be such a subnet, for one host only."""
    pods, prefix, seen = view.pods(), view.prefix(), dict[int, Path]()
    if pods is None or view.raw(("spec", "network", "podSubnets")) not in (None, "lastOctet"):
        return
    for node in view.having("worker"):
        address = view.read((*node, "address"), fields.Address)
        if address is None or view.raw((*node, "podSubnet")) is not None:
            continue
        octet = int(address) & 0xFF
        remedy = "give it a podSubnet, or set podSubnets: sequence"
        if octet == 0:
            wrong = "octet 0 means the first subnet, which flannel never gives"
            yield view.problem((*node, "address"), wrong, remedy)
        elif prefix > pods.prefixlen and octet >= 2 ** (prefix - pods.prefixlen):
            yield view.problem((*node, "address"), f"podCIDR {pods} has no subnet number {octet}", remedy)
        elif octet in seen:
            line, _ = view.source.locate(seen[octet])
            yield view.problem(
                (*node, "address"), f"its last octet {octet} is also that of the node in line {line}", remedy
            )
        seen.setdefault(octet, node)


def kubernetes_is_known(view: View) -> Found:
    """Flags and fields are known for these versions only."""
    path = ("spec", "kubernetes", "version")
    version = view.read(path, fields.Version)
    if version is not None and not is_known(version):
        yield view.problem(path, f"{version} is not known", f"known are {known_versions()}")


def pause_image_is_kubernetes_own(view: View) -> Found:
    """Every minor is made for one pause image (facts: artifacts.md)."""
    path = ("spec", "kubernetes", "pauseImage")
    image = view.read(path, fields.Image)
    version = view.read(("spec", "kubernetes", "version"), fields.Version)
    if image is None or version is None or not is_known(version):
        return
    tag = MINORS[minor_of(version)].pause
    if image.rpartition(":")[2] != tag:
        wrong = f"{image} is not the pause image of Kubernetes {minor_of(version)[1:]}"
        yield view.problem(path, wrong, f"give a pause:{tag}, of any registry")


def components_are_known(view: View) -> Found:
    """Every component has a recipe; Kubernetes' own follow its version."""
    given = view.raw(("spec", "components"))
    for name in given if isinstance(given, dict) else ():
        path = ("spec", "components", name)
        if name not in view.components:
            near = difflib.get_close_matches(name, view.components, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(view.components))}"
            yield view.problem(path, "no recipe of that name", remedy)
        elif name in _KUBERNETES:
            yield view.problem(path, "it always has Kubernetes' own version", "set spec.kubernetes.version")
        elif name == "pause":
            yield view.problem(path, "its version is its image's tag", "set spec.kubernetes.pauseImage")


_KUBERNETES = {
    "kubelet",
    "kubectl",
    "kube-proxy",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
}
"""What has Kubernetes' own version."""


def components_fit_together(view: View) -> Found:
    """What runs together must speak the same: each bound says why (facts: artifacts.md)."""
    for name, (lowest, below, why, right) in _BOUNDS.items():
        path = ("spec", "components", name)
        version = view.read(path, fields.Version)
        if version is not None and not lowest <= _numbers(version) < below:
            yield view.problem(path, f"{name} {version}: {why}", right)


_Version = tuple[int, ...]
_BOUNDS: dict[str, tuple[_Version, _Version, str, str]] = {
    "flannel": (
        (0, 17, 0),
        (0, 18, 0),
        "the generated unit and keys are for 0.17, the last that speaks etcd's v2 API",
        "give v0.17.0",
    ),
    "flannel-cni-plugin": ((1, 0, 0), (2, 0, 0), "the conflist is for 1.x", "give v1.0.1"),
    "cni-plugins": (
        (0, 9, 1),
        (2, 0, 0),
        "the conflist needs 0.9.1 to 1.x; from 1.0 on they carry no flannel, which has a recipe of its own",
        "give v1.1.1",
    ),
    "containerd": ((1, 6, 0), (1, 7, 0), "config.toml and Kubernetes 1.24 are for containerd 1.6", "give v1.6.24"),
    "runc": ((1, 1, 0), (1, 2, 0), "containerd 1.6 is made for runc 1.1", "give v1.1.15"),
    "crictl": ((1, 20, 0), (1, 27, 0), "crictl goes with Kubernetes' own minor", "give v1.24.0"),
    "etcd": ((3, 5, 0), (3, 6, 0), "the generated flags are for 3.5, the last with flannel's v2 API", "give v3.5.6"),
}


def _numbers(version: str) -> _Version:
    return tuple(int(part) for part in version.lstrip("v").split("."))


def etcd_endpoints_are_unique(view: View) -> Found:
    """The same member twice is a mistake in copying."""
    seen: set[str] = set()
    for path in view.each(*_ETCD, "endpoints"):
        endpoint = view.read(path, fields.Endpoint)
        if endpoint in seen:
            yield view.problem(path, f"{endpoint} stands here twice", "name every etcd member once")
        seen.add(endpoint or "")


def token_and_method_agree(view: View) -> Found:
    """A token goes with bootstrap-token, and only with it."""
    method, token = view.raw(("spec", "join", "method")), view.raw(("spec", "join", "token"))
    if method == "bootstrap-token" and token is None:
        yield view.problem(
            ("spec", "join", "token"), "missing", "give the API server's token, best as ${BOOTSTRAP_TOKEN}"
        )
    elif method in (None, "certificate") and token is not None:
        yield view.problem(("spec", "join", "token"), "no token is needed to join by certificate", "leave it out")


def one_passphrase(view: View) -> Found:
    """A passphrase comes from one place."""
    for ca in ("clusterCA", "etcdCA"):
        path = ("spec", "pki", ca)
        given = view.raw(path)
        if isinstance(given, dict) and given.get("passphraseEnv") and given.get("passphraseFile"):
            yield view.problem((*path, "passphraseFile"), "passphraseEnv is given, too", "keep one of them")


def renewal_is_shorter_than_life(view: View) -> Found:
    """A certificate that is always near its end would be made anew by every build."""
    leaf = view.read(("spec", "pki", "validity", "leaf"), fields.Duration)
    renew = view.read(("spec", "pki", "renewBefore"), fields.Duration)
    leaf_days, renew_days = (leaf.days if leaf else 365), (renew.days if renew else 30)
    if renew_days >= leaf_days:
        path = ("spec", "pki", "renewBefore") if renew else ("spec", "pki", "validity", "leaf")
        yield view.problem(
            path,
            f"{renew_days} days before the end is all of a life of {leaf_days} days",
            "renew later, or live longer",
        )


def labels_are_a_nodes_own(view: View) -> Found:
    """With one of Kubernetes' other labels a kubelet does not start; a control plane of ours can give it."""
    if view.having("control-plane"):
        return
    for node in view.nodes():
        labels = view.raw((*node, "labels"))
        for key in labels if isinstance(labels, dict) else ():
            if not is_a_nodes_own(str(key)):
                remedy = f"after the join: kubectl label node NAME {key}=…"
                yield view.problem((*node, "labels", key), "a kubelet may not set this label itself", remedy)


def taints_are_unique(view: View) -> Found:
    """Key and effect together name a taint."""
    for node in view.nodes():
        seen = set()
        for path in view.each(*node, "taints"):
            taint = view.raw(path)
            if isinstance(taint, dict):
                known = (str(taint.get("key")), str(taint.get("effect")))
                if known in seen:
                    yield view.problem(path, f"{known[0]} with effect {known[1]} stands here twice", "keep one of them")
                seen.add(known)


def roles_are_unique(view: View) -> Found:
    """A role is had once."""
    for node in view.nodes():
        roles = view.raw((*node, "roles"))
        if isinstance(roles, list) and len({str(role) for role in roles}) < len(roles):
            yield view.problem((*node, "roles"), "a role stands here twice", "keep one of them")


def kubelet_settings_are_good(view: View) -> Found:
    """Extra settings of the cluster and of each node."""
    for path in (("spec", "kubelet"), *((*node, "kubelet") for node in view.nodes())):
        yield from kubelet_problems(view.source, view.raw(path), path)


RULES: tuple[Callable[[View], Found], ...] = (
    names_are_unique,
    addresses_are_unique,
    addresses_are_hosts,
    pods_and_services_are_apart,
    ranges_are_private_enough,
    hosts_are_outside_pods_and_services,
    dns_is_a_service,
    pod_subnets_fit,
    pods_have_room_for_all,
    last_octets_tell_nodes_apart,
    kubernetes_is_known,
    pause_image_is_kubernetes_own,
    components_are_known,
    components_fit_together,
    etcd_endpoints_are_unique,
    token_and_method_agree,
    one_passphrase,
    renewal_is_shorter_than_life,
    labels_are_a_nodes_own,
    taints_are_unique,
    roles_are_unique,
    kubelet_settings_are_good,
)
