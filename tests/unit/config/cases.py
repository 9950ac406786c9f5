"""A good cluster file, and ways to spoil it: each with the message that must come, place and remedy included."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import yaml

from builder.config.load import load_cluster
from builder.config.recipes import load_recipes
from builder.errors import InputError
from tests.kit import ROOT

COMPONENTS = tuple(load_recipes(ROOT / "recipes"))


def good():
    return {
        "apiVersion": "bundler/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": "demo"},
        "spec": {
            "kubernetes": {"version": "v1.24.3"},
            "apiServer": {"endpoint": "https://10.1.1.100:6443"},
            "network": {
                "podCIDR": "172.7.0.0/16",
                "serviceCIDR": "10.96.0.0/12",
                "flannel": {"etcd": {"endpoints": ["https://10.1.1.100:2379"]}},
            },
            "nodes": [{"name": "n1", "address": "10.1.1.101"}, {"name": "n2", "address": "10.1.1.102"}],
        },
    }


def load(text, environ=None):
    return load_cluster(text, "cluster.yaml", environ=environ or {}, base=ROOT, components=COMPONENTS)


def problems_of(document, environ=None):
    text = document if isinstance(document, (str, bytes)) else yaml.safe_dump(document, sort_keys=False)
    try:
        load(text, environ)
    except InputError as error:
        return list(error.problems)
    return []


_GONE = object()


@dataclass(frozen=True)
class Case:
    """Set `path` to `value`; then some problem's text contains `said` at that field."""

    name: str
    path: str
    value: object
    said: str
    field: str = ""

    def base(self):
        return copy.deepcopy(good())

    def document(self):
        document = self.base()
        place = document
        parts = [int(part) if part.isdigit() else part for part in self.path.split("/")]
        for part in parts[:-1]:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
        if self.value is _GONE:
            del place[parts[-1]]
        elif isinstance(place, list) and parts[-1] >= len(place):
            place.append(self.value)
        else:
            place[parts[-1]] = self.value
        return document


SHAPES = [
    Case("api version", "apiVersion", "v1", "'v1' is not known; give 'bundler/v1beta1'"),
    Case("kind", "kind", "Pod", "give 'Cluster'"),
    Case("no spec", "spec", _GONE, "missing"),
    Case("spec is a list", "spec", [], "a list stands here; give a mapping"),
    Case("unknown key", "spec/nodez", [], "unknown field; did you mean nodes?"),
    Case("wrong case", "spec/network/podCidr", "x", "did you mean podCIDR?"),
    Case("unknown node key", "spec/nodes/0/role", "worker", "unknown field; did you mean roles?"),
    Case("no name", "spec/nodes/0/name", _GONE, "missing; give a name; a host's is what `hostname` prints"),
    Case("name is a number", "spec/nodes/0/name", 7, "not a text"),
    Case("upper case", "spec/nodes/0/name", "Node1", "'Node1' is not a lower-case name"),
    Case("underscore", "spec/nodes/0/name", "a_b", "is not a lower-case name"),
    Case("name too long", "spec/nodes/0/name", "a" * 53, "is not a lower-case name"),
    Case("cluster name with a dot", "metadata/name", "a.b", "is not a lower-case name"),
    Case("address is a name", "spec/nodes/0/address", "node1", "'node1' is not an IPv4 address"),
    Case("IPv6", "spec/nodes/0/address", "fd00::1", "is not an IPv4 address"),
    Case("arch", "spec/nodes/0/arch", "x86_64", "'x86_64' is not known; give 'amd64' or 'arm64'"),
    Case("unknown role", "spec/nodes/0/roles", ["master"], "'master' is not known; give 'control-plane', 'etcd' or"),
    Case("no roles", "spec/nodes/0/roles", [], "give at least 1"),
    Case("cidr without prefix", "spec/network/podCIDR", "172.7.0.0", "is not an IPv4 network with its prefix"),
    Case("backend of old", "spec/network/flannel/backend", "vxlan", "unknown field; it is spec.network.backend"),
    Case("backend", "spec/network/backend", "calico", "give 'flannel-host-gw', 'flannel-vxlan' or 'static'"),
    Case("proxy mode", "spec/network/proxyMode", "ebpf", "give 'iptables' or 'ipvs'"),
    Case("carried image", "spec/images", ["busybox"], "is not an image with registry, path and tag"),
    Case("etcd's quota", "spec/etcd", {"quota": 10}, "it is at least 64"),
    Case("upstream", "spec/network/dns", {"upstreams": ["dns.example"]}, "is not an IPv4 address"),
    Case(
        "http endpoint",
        "spec/apiServer/endpoint",
        "http://10.1.1.100:6443",
        "is not an https URL with a lower-case host",
    ),
    Case("endpoint with a path", "spec/apiServer/endpoint", "https://10.1.1.100:6443/x", "no path"),
    Case(
        "endpoint without port",
        "spec/apiServer/endpoint",
        "https://10.1.1.100",
        "is not an https URL with a lower-case host",
    ),
    Case("prefix", "spec/network/flannel/etcd/prefix", "/a b", "is not an absolute key"),
    Case("version", "spec/kubernetes/version", "1.24", "is not a version with three numbers"),
    Case("mtu too small", "spec/network/mtu", 100, "100 is wrong; it is at least 576"),
    Case("mtu is a text", "spec/network/mtu", "1500", "give a whole number without quotes"),
    Case("bool", "spec/pki/allowSharedCA", "yes please", "give true or false"),
    Case("duration", "spec/pki/validity/leaf", "1 year", "is not a duration"),
    Case("algorithm", "spec/pki/keyAlgorithm", "rsa-1024", "is not known; give 'ecdsa-p256'"),
    Case("interface", "spec/nodes/0/interface", "eth0/1", "is not a network interface"),
    Case("label value", "spec/nodes/0/labels", {"a": "b c"}, "is not a label's value"),
    Case("label value is a truth", "spec/nodes/0/labels", {"a": True}, "in quotes"),
    Case("taint effect", "spec/nodes/0/taints", [{"key": "a", "effect": "Never"}], "give 'NoSchedule'"),
    Case("image", "spec/kubernetes/pauseImage", "pause", "is not an image with registry, path and tag"),
    Case("short token", "spec/join", {"method": "bootstrap-token", "token": "short"}, "this is not a bootstrap token"),
    Case("mirror", "spec/mirrors", {"dl.k8s.io": "ftp://x"}, "this is not an http(s) URL or an absolute path"),
    Case("shell in a name", "metadata/name", "$(reboot)", "is not a lower-case name"),
    Case("no CA key", "spec/pki/clusterCA", {"certificate": "ca.pem"}, "missing"),
]
"""Wrong in themselves: the JSON Schema refuses these, too."""

RULES = [
    Case(
        "bad octet", "spec/nodes/0/address", "10.1.1.300", "'10.1.1.300' is not an IPv4 address; each part is 0 to 255"
    ),
    Case("bad prefix", "spec/network/podCIDR", "172.7.0.0/160", "is not an IPv4 network"),
    Case("host bits", "spec/network/podCIDR", "172.7.1.0/16", "has host bits set; write 172.7.0.0/16"),
    Case("port", "spec/apiServer/endpoint", "https://10.1.1.100:99999", "has no such port"),
    Case("same name", "spec/nodes/1/name", "n1", "n1 is taken by the node in line"),
    Case("same address", "spec/nodes/1/address", "10.1.1.101", "10.1.1.101 is taken by the node in line"),
    Case("loopback", "spec/nodes/0/address", "127.0.0.1", "127.0.0.1 is no host's address"),
    Case("multicast", "spec/nodes/0/address", "224.0.0.1", "is no host's address"),
    Case("link-local", "spec/nodes/0/address", "169.254.0.9", "is no host's address"),
    Case("overlap", "spec/network/serviceCIDR", "172.7.128.0/20", "overlaps podCIDR 172.7.0.0/16"),
    Case("host in pods", "spec/nodes/0/address", "172.7.3.4", "172.7.3.4 is inside podCIDR"),
    Case("API in services", "spec/apiServer/endpoint", "https://10.96.0.5:6443", "10.96.0.5 is inside serviceCIDR"),
    Case("etcd in pods", "spec/network/flannel/etcd/endpoints/0", "https://172.7.1.1:2379", "is inside podCIDR"),
    Case(
        "DNS is a host",
        "spec/network/dns",
        {"address": "10.1.1.2"},
        "10.1.1.2 is not inside serviceCIDR 10.96.0.0/12; give e.g. 10.96.0.10",
    ),
    Case("DNS is the API", "spec/network/dns", {"address": "10.96.0.1"}, "is reserved"),
    Case("subnet outside", "spec/nodes/0/podSubnet", "172.8.1.0/24", "is not inside podCIDR"),
    Case("subnet size", "spec/nodes/0/podSubnet", "172.7.0.0/20", "is not a /24"),
    Case(
        "first subnet", "spec/nodes/0/podSubnet", "172.7.0.0/24", "is the first of podCIDR, which flannel never gives"
    ),
    Case(
        "mirror port",
        "spec/mirrors",
        {"here": "http://user:hunter2@mirror:abc"},
        "this has no such port; a port is 0 to 65535",
    ),
    Case("octet 0", "spec/nodes/0/address", "10.1.2.0", "octet 0 means the first subnet"),
    Case("API host with dots", "spec/apiServer/endpoint", "https://a..b:6443", "is not an https URL"),
    Case("no room", "spec/network/podCIDR", "172.7.0.0/23", "a /24 for each node is too much"),
    Case("no such octet", "spec/network/podCIDR", "172.7.0.0/20", "has no subnet number 101; give it a podSubnet"),
    Case("octet twice", "spec/nodes/1/address", "10.1.2.101", "its last octet 101 is also that of the node in line"),
    Case("other minor", "spec/kubernetes/version", "v1.27.0", "v1.27.0 is not known; known are v1.20.0 to v1.20.15,"),
    Case("skipped minor", "spec/kubernetes/version", "v1.21.0", "v1.21.0 is not known; known are v1.20.0 to v1.20.15,"),
    Case("no such patch", "spec/kubernetes/version", "v1.24.18", "is not known"),
    Case("pause 3.6", "spec/kubernetes/pauseImage", "registry.k8s.io/pause:3.6", "give a pause:3.7"),
    Case("component", "spec/components", {"containrd": "v1.6.24"}, "no recipe of that name; did you mean containerd?"),
    Case("kubelet apart", "spec/components", {"kubelet": "v1.24.1"}, "it always has Kubernetes' own version"),
    Case("pause apart", "spec/components", {"pause": "v3.9.0"}, "its version is its image's tag"),
    Case("flannel 0.18", "spec/components", {"flannel": "v0.18.0"}, "the last that speaks etcd's v2 API; give v0.17.0"),
    Case("containerd 1.7", "spec/components", {"containerd": "v1.7.0"}, "are for containerd 1.6"),
    Case("crictl 1.27", "spec/components", {"crictl": "v1.27.0"}, "goes with Kubernetes' own minor"),
    Case("etcd twice", "spec/network/flannel/etcd/endpoints/1", "https://10.1.1.100:2379", "stands here twice"),
    Case("token missing", "spec/join", {"method": "bootstrap-token"}, "missing; give the API server's token"),
    Case("token too many", "spec/join", {"token": "abcdef.0123456789abcdef"}, "no token is needed"),
    Case(
        "two passphrases",
        "spec/pki/etcdCA",
        {"certificate": "a", "key": "b", "passphraseEnv": "X", "passphraseFile": "y"},
        "passphraseEnv is given, too",
    ),
    Case("renewal", "spec/pki/renewBefore", "400d", "400 days before the end is all of a life of 365 days"),
    Case(
        "role label",
        "spec/nodes/0/labels",
        {"node-role.kubernetes.io/worker": ""},
        "a kubelet may not set this label itself; after the join",
    ),
    Case("taint twice", "spec/nodes/0/taints", [{"key": "a", "effect": "NoExecute"}] * 2, "stands here twice"),
    Case(
        "kubelet field",
        "spec/kubelet",
        {"maxPodz": 10},
        "unknown field of KubeletConfiguration 1.24; did you mean maxPods?",
    ),
    Case("kubelet type", "spec/kubelet", {"maxPods": "many"}, "'many' is no good value; give a value of type integer"),
    Case("cgroup driver", "spec/kubelet", {"cgroupDriver": "cgroupfs"}, "bundler decides this; it is systemd"),
    Case(
        "read-only port",
        "spec/nodes/0/kubelet",
        {"readOnlyPort": 10255},
        "bundler decides this; it would be open to all",
    ),
    Case(
        "image GC",
        "spec/kubelet",
        {"imageGCLowThresholdPercent": 100},
        "the low threshold 100 is not below the high one 100",
    ),
    Case(
        "shutdown", "spec/kubelet", {"shutdownGracePeriodCriticalPods": "60s"}, "critical pods get longer than all pods"
    ),
]
"""Right in themselves, wrong together, or in a way that a schema cannot say."""

_PLANE = {"name": "m1", "address": "10.1.1.100", "roles": ["control-plane", "etcd", "worker"]}


def whole():
    """A good cluster file with its control plane."""
    document = good()
    document["spec"]["nodes"].insert(0, copy.deepcopy(_PLANE))
    del document["spec"]["network"]["flannel"]
    return document


@dataclass(frozen=True)
class WholeCase(Case):
    """The same with a control plane: nodes[0] is all, nodes[1] and nodes[2] are workers."""

    def base(self):
        return whole()


WHOLE = [
    WholeCase("two members", "spec/nodes/1/roles", ["etcd"], "2 nodes have the role etcd; give it to 1, 3 or 5"),
    WholeCase("no etcd", "spec/nodes/0/roles", ["control-plane"], "no node has the role etcd; give it to 1, 3 or 5"),
    WholeCase("a worker as endpoint", "spec/apiServer/endpoint", "https://10.1.1.101:6443", "n1 has no API server"),
    WholeCase("by its name, too", "spec/apiServer/endpoint", "https://n2:6443", "n2 has no API server"),
    WholeCase(
        "another port", "spec/apiServer/endpoint", "https://10.1.1.100:8443", "the API servers listen on port 6443"
    ),
    WholeCase(
        "one port for two", "spec/apiServer", {"endpoint": "local-proxy", "proxyPort": 6443}, "6443 is the API servers'"
    ),
    WholeCase("two etcds", "spec/network/flannel", {"etcd": {"endpoints": ["https://10.1.1.9:2379"]}}, "leave it out"),
    WholeCase("static", "spec/network", {"podCIDR": "172.7.0.0/16", "backend": "static", "flannel": {}}, "no flannel"),
    WholeCase("election", "spec/etcd", {"heartbeat": 500}, "has no room for 5 heartbeats of 500 ms"),
    WholeCase(
        "static token", "spec/join", {"method": "bootstrap-token", "token": "0123456789abcdef"}, "give ID.SECRET: 6 and"
    ),
    WholeCase(
        "who signs",
        "spec",
        {
            **whole()["spec"],
            "pki": {"caKeyOnHosts": False},
            "join": {"method": "bootstrap-token", "token": "abcdef.0123456789abcdef"},
        },
        "need somebody who can sign it; set it to true, or join by certificate",
    ),
    WholeCase(
        "labels of no worker",
        "spec/nodes/0",
        {**_PLANE, "roles": ["control-plane", "etcd"], "labels": {"a": "b"}},
        "runs no pods",
    ),
    WholeCase("image twice", "spec/images", ["a.example/b:1", "a.example/b:1@sha256:" + "0" * 64], "stands here twice"),
    Case(
        "proxy to nowhere", "spec/apiServer/endpoint", "local-proxy", "no node has the role control-plane; give a URL"
    ),
    Case("flannel without etcd", "spec/network/flannel", {}, "missing: no node has the role etcd"),
]
"""What roles, etcd and the network ask of each other."""
