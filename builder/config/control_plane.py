"""Rules about roles, the control plane, etcd and the network's backend; one small function each."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from builder.config import fields
from builder.config.view import Found, View, host_of

_ENDPOINT = ("spec", "apiServer", "endpoint")
_FLANNEL = ("spec", "network", "flannel")
_ETCD_SIZES = (1, 3, 5)
_MOST_API_SERVERS = 5


def etcd_has_a_majority(view: View) -> Found:
    """An even number of members tolerates no more failures than one less, and more than five are slow."""
    members = view.having("etcd")
    if members and len(members) not in _ETCD_SIZES:
        yield view.problem(
            (*members[-1], "roles"), f"{len(members)} nodes have the role etcd", "give it to 1, 3 or 5 of them"
        )


def control_plane_has_etcd(view: View) -> Found:
    """An API server keeps everything in etcd."""
    planes = view.having("control-plane")
    if planes and not view.having("etcd"):
        yield view.problem((*planes[0], "roles"), "no node has the role etcd", "give it to 1, 3 or 5 nodes")
    if len(planes) > _MOST_API_SERVERS:
        wrong = f"{len(planes)} nodes have the role control-plane"
        yield view.problem((*planes[-1], "roles"), wrong, "give it to 1 to 5 of them")


def endpoint_leads_to_an_api_server(view: View) -> Found:
    """An endpoint that is one of the nodes is one with an API server, at the port that it listens on."""
    endpoint, planes = view.read(_ENDPOINT, fields.ApiEndpoint), view.having("control-plane")
    if endpoint == fields.LOCAL_PROXY:
        if not planes:
            remedy = "give a URL, or the role control-plane to 1 to 5 nodes"
            yield view.problem(_ENDPOINT, "no node has the role control-plane", remedy)
        return
    if endpoint is None or not planes:
        return
    address, name, port = host_of(endpoint), urlsplit(endpoint).hostname, int(endpoint.rpartition(":")[2])
    for node in view.nodes():
        is_it = (
            view.read((*node, "address"), fields.Address) == address is not None or view.raw((*node, "name")) == name
        )
        if is_it and node not in planes:
            yield view.problem(
                _ENDPOINT, f"{view.raw((*node, 'name'))} has no API server", "name a node with the role control-plane"
            )
        elif is_it and port != _number(view, "port", 6443):
            wrong = f"the API servers listen on port {_number(view, 'port', 6443)}"
            yield view.problem(_ENDPOINT, wrong, "give the same port here and in spec.apiServer.port")


def _number(view: View, key: str, default: int) -> int:
    value = view.raw(("spec", "apiServer", key))
    return value if isinstance(value, int) else default


def ports_are_apart(view: View) -> Found:
    """The local proxy and an API server of the same host both listen on loopback."""
    path = ("spec", "apiServer", "proxyPort")
    proxy, port = _number(view, "proxyPort", 7443), _number(view, "port", 6443)
    if view.raw(_ENDPOINT) == fields.LOCAL_PROXY and proxy == port:
        yield view.problem(path, f"{proxy} is the API servers' port, too", "give another one, e.g. 7443")


def flannel_has_one_etcd(view: View) -> Found:
    """flannel's network is in the cluster's own etcd, or in one that is there already."""
    path = (*_FLANNEL, "etcd", "endpoints")
    given, members = view.raw(path), view.having("etcd")
    if view.backend() == "static":
        if view.raw(_FLANNEL) is not None:
            yield view.problem(_FLANNEL, "backend static needs no flannel", "leave it out")
    elif given and members:
        yield view.problem(path, "nodes have the role etcd, and flannel uses theirs", "leave it out")
    elif not given and not members:
        remedy = "give etcd's client URLs, e.g. [https://10.1.1.100:2379], the role etcd to nodes, or backend: static"
        yield view.problem(path, "missing: no node has the role etcd", remedy)


def election_is_longer_than_heartbeat(view: View) -> Found:
    """The etcd project asks for five heartbeats at least (etcd: docs, tuning), and refuses to start below."""
    heartbeat, election = (view.raw(("spec", "etcd", key)) for key in ("heartbeat", "election"))
    beat, limit = (heartbeat if isinstance(heartbeat, int) else 100), (election if isinstance(election, int) else 1000)
    if limit < 5 * beat:
        path = ("spec", "etcd", "election" if isinstance(election, int) else "heartbeat")
        yield view.problem(path, f"an election after {limit} ms has no room for 5 heartbeats of {beat} ms", "5 or more")


def token_is_one_that_the_api_server_knows(view: View) -> Found:
    """Where the control plane is ours, the token becomes a bootstrap token Secret: ID.SECRET."""
    token = view.raw(("spec", "join", "token"))
    if not view.having("control-plane"):
        return
    if isinstance(token, str) and not re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token):
        remedy = "give ID.SECRET: 6 and 16 small letters and digits"
        yield view.problem(("spec", "join", "token"), "this is not a bootstrap token", remedy)
    method, kept = view.raw(("spec", "join", "method")), view.raw(("spec", "pki", "caKeyOnHosts"))
    if method == "bootstrap-token" and kept is False:
        wrong = "kubelets that ask for a certificate need somebody who can sign it"
        yield view.problem(("spec", "pki", "caKeyOnHosts"), wrong, "set it to true, or join by certificate")


def only_workers_have_pods(view: View) -> Found:
    """Labels, taints, a pod subnet and kubelet settings are a worker's."""
    for node in view.nodes():
        if "worker" in view.roles(node):
            continue
        for key in ("labels", "taints", "podSubnet", "kubelet"):
            if view.raw((*node, key)):
                yield view.problem((*node, key), "this node runs no pods", "give it the role worker, or leave it out")


def images_are_unique(view: View) -> Found:
    """The same image twice is one too many."""
    seen: set[str] = set()
    for path in view.each("spec", "images"):
        image = view.read(path, fields.CarriedImage)
        name = str(image).partition("@")[0]
        if image is not None and name in seen:
            yield view.problem(path, f"{name} stands here twice", "name every image once")
        seen.add(name)


RULES: tuple[Callable[[View], Found], ...] = (
    etcd_has_a_majority,
    control_plane_has_etcd,
    endpoint_leads_to_an_api_server,
    ports_are_apart,
    flannel_has_one_etcd,
    election_is_longer_than_heartbeat,
    token_is_one_that_the_api_server_knows,
    only_workers_have_pods,
    images_are_unique,
)
