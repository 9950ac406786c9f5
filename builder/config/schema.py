"""The shape of cluster.yaml: pydantic models whose descriptions are the schema, the docs and the checks."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from builder.config import fields

API_VERSION = "bundler/v1beta1"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)


def _life(days: int, **about: Any) -> Any:
    """A field of so many days, shown in the schema as users write it."""
    return Field(timedelta(days=days), json_schema_extra={"default": f"{days}d"}, **about)


class Metadata(_Model):
    """What the cluster is called."""

    name: fields.ClusterName = Field(description="Name of the cluster: of its folders in dist/ and state/.")


class Kubernetes(_Model):
    """Which Kubernetes."""

    version: fields.Version = Field(
        description="Kubernetes version, with or without the v; a release of 1.24, or of 1.20, 1.22, 1.23, 1.25, 1.26."
    )
    pause_image: fields.Image | None = Field(
        None,
        alias="pauseImage",
        description="Image of the pause container; its tag must be that Kubernetes' (3.7 for 1.24). "
        "Default: pause from Kubernetes' registry.",
    )
    leader_lease: int = Field(
        15,
        alias="leaderLease",
        ge=5,
        le=600,
        description="For how long a controller manager or scheduler leads without renewing it, in seconds. After two "
        "thirds of that it ends itself: give slow hosts more.",
    )


class ApiServer(_Model):
    """Where the control plane answers."""

    endpoint: fields.ApiEndpoint = Field(
        description="URL of the API server as every node reaches it: a control-plane host's, or a load balancer's. "
        "Or local-proxy: every worker reaches all API servers through a proxy on its own loopback."
    )
    port: int = Field(6443, ge=1, le=65535, description="Port that the API servers of this cluster listen on.")
    proxy_port: int = Field(
        7443, alias="proxyPort", ge=1, le=65535, description="Port of the local proxy on every worker's loopback."
    )
    names: list[fields.HostName] = Field(
        default_factory=list, description="More names and addresses that the API servers' certificates are good for."
    )
    encrypt_secrets: bool = Field(
        default=True, alias="encryptSecrets", description="Secrets are encrypted in etcd, by a key in the state folder."
    )


class EtcdSpec(_Model):
    """etcd, on the nodes with that role."""

    heartbeat: int = Field(100, ge=10, le=10000, description="Heartbeat of its leader, in milliseconds.")
    election: int = Field(
        1000, ge=50, le=50000, description="After so many milliseconds without one a leader is elected."
    )
    quota: int = Field(2048, ge=64, le=8192, description="How large its data may get, in MiB.")


class Dns(_Model):
    """Cluster DNS."""

    domain: fields.Domain = Field("cluster.local", description="DNS domain of the cluster.")
    address: fields.Address | None = Field(
        None, description="Address of the DNS Service, inside serviceCIDR. Default: its tenth address."
    )
    coredns: bool = Field(default=True, description="Run CoreDNS in a cluster that has its control plane here.")
    upstreams: list[fields.Address] = Field(
        default_factory=list, description="DNS servers of the site, for names outside the cluster. Default: none."
    )


class FlannelEtcd(_Model):
    """The etcd that flannel keeps its network in."""

    endpoints: list[fields.Endpoint] = Field(
        default_factory=list,
        description="Client URLs of an etcd that is there already; it must serve the v2 API. Default: the nodes with "
        "the role etcd.",
    )
    prefix: fields.KeyPrefix = Field("/coreos.com/network", description="Key below which flannel keeps its network.")


class FlannelSpec(_Model):
    """flannel."""

    healthz_port: int = Field(
        2401, alias="healthzPort", ge=1, le=65535, description="Port of flanneld's health, on loopback."
    )
    etcd: FlannelEtcd = Field(default_factory=FlannelEtcd, description="The etcd that flannel keeps its network in.")


class NetworkSpec(_Model):
    """Address ranges and how packets find their way."""

    pod_cidr: fields.Cidr = Field(alias="podCIDR", description="Network of all pods.")
    service_cidr: fields.Cidr = Field(
        IPv4Network("10.96.0.0/12"), alias="serviceCIDR", description="Network of Services, as the API server has it."
    )
    pod_subnets: Literal["lastOctet", "sequence"] = Field(
        "lastOctet",
        alias="podSubnets",
        description="How nodes get their share of podCIDR: numbered by the last octet of their address, or one after "
        "the other. What a node once got it keeps.",
    )
    pod_subnet_prefix: int = Field(
        24, alias="podSubnetPrefix", ge=8, le=30, description="Prefix length of one node's share."
    )
    mtu: int = Field(1500, ge=576, le=65535, description="MTU of the nodes' interface, in bytes.")
    dns: Dns = Field(default_factory=Dns, description="Cluster DNS.")
    proxy_mode: Literal["iptables", "ipvs"] = Field("iptables", alias="proxyMode", description="How kube-proxy works.")
    backend: Literal["flannel-host-gw", "flannel-vxlan", "static"] = Field(
        "flannel-host-gw",
        description="How pods of two nodes reach each other: routes by flannel (hosts in one layer-2 network), VXLAN "
        "by flannel, or static: the same routes made at build, without a daemon.",
    )
    flannel: FlannelSpec = Field(default_factory=FlannelSpec, description="flannel, in etcd mode.")


class JoinSpec(_Model):
    """How a kubelet proves who it is."""

    method: Literal["certificate", "bootstrap-token"] = Field(
        "certificate",
        description="certificate: the kubelet's certificate is in the bundle, and nothing has to be approved. "
        "bootstrap-token: the kubelet asks for one with the token.",
    )
    token: fields.Token | None = Field(
        None,
        description="Token for bootstrap-token, best as ${BOOTSTRAP_TOKEN}: ID.SECRET or one of the token file.",
    )
    expires: fields.Moment | None = Field(
        None, description="When the token ends, where the control plane is here. Default: never."
    )


class CaSpec(_Model):
    """A CA that you bring. Relative paths start at the folder of cluster.yaml."""

    certificate: fields.FilePath = Field(description="PEM file with the CA's certificate.")
    key: fields.FilePath = Field(description="PEM file with its private key, encrypted or not.")
    passphrase_env: fields.Variable | None = Field(
        None, alias="passphraseEnv", description="Variable that holds the key's passphrase."
    )
    passphrase_file: fields.FilePath | None = Field(
        None, alias="passphraseFile", description="File whose first line is the passphrase."
    )


class Validity(_Model):
    """How long certificates live."""

    ca: fields.Duration = _life(3650, description="Life of a CA that bundler makes: hours (h), days (d) or years (y).")
    leaf: fields.Duration = _life(365, description="Life of every other certificate.")


class PkiSpec(_Model):
    """Keys and certificates."""

    key_algorithm: Literal["ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"] = Field(
        "ecdsa-p256", alias="keyAlgorithm", description="Algorithm of every key that bundler makes."
    )
    validity: Validity = Field(default_factory=Validity, description="How long certificates live.")
    renew_before: fields.Duration = _life(
        30, alias="renewBefore", description="A certificate that ends within this time is made anew."
    )
    cluster_ca: CaSpec | None = Field(
        None, alias="clusterCA", description="The CA that the API server trusts. Default: made on the first build."
    )
    etcd_ca: CaSpec | None = Field(
        None, alias="etcdCA", description="The CA that etcd trusts. Default: made on the first build."
    )
    allow_shared_ca: bool = Field(
        default=False,
        alias="allowSharedCA",
        description="Accept one CA for both: then any kubelet can read etcd.",
    )
    ca_key_on_hosts: bool = Field(
        default=True,
        alias="caKeyOnHosts",
        description="Control-plane hosts get the cluster CA's key, so that kubelets can renew their certificates. "
        "false: it stays in the state folder, and certificates are renewed by new bundles.",
    )


class TaintSpec(_Model):
    """A taint that a node registers with."""

    key: fields.LabelKey = Field(description="Key of the taint.")
    value: fields.LabelValue = Field("", description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(description="Effect of the taint.")


class NodeSpec(_Model):
    """One host."""

    name: fields.Name = Field(description="The host's name as `hostname` prints it.")
    address: fields.Address = Field(description="The host's IPv4 address, by which the others reach it.")
    arch: Literal["amd64", "arm64"] = Field("amd64", description="Processor architecture.")
    roles: list[Literal["control-plane", "etcd", "worker"]] = Field(
        default=["worker"], min_length=1, description="What the node is: any of control-plane, etcd and worker."
    )
    pod_subnet: fields.Cidr | None = Field(
        None, alias="podSubnet", description="The node's share of podCIDR. Default: by podSubnets."
    )
    interface: fields.Interface | None = Field(
        None, description="Interface that carries pod traffic. Default: the one with address."
    )
    labels: dict[fields.LabelKey, fields.LabelValue] = Field(
        default_factory=dict, description="Labels that the node registers with."
    )
    taints: list[TaintSpec] = Field(default_factory=list, description="Taints that the node registers with.")
    kubelet: dict[str, Any] = Field(
        default_factory=dict, description="More KubeletConfiguration fields, over spec.kubelet."
    )


class Spec(_Model):
    """The cluster."""

    kubernetes: Kubernetes = Field(description="Which Kubernetes.")
    api_server: ApiServer = Field(alias="apiServer", description="Where the control plane answers.")
    network: NetworkSpec = Field(description="Address ranges and how packets find their way.")
    join: JoinSpec = Field(default_factory=JoinSpec, description="How a kubelet proves who it is.")
    pki: PkiSpec = Field(default_factory=PkiSpec, description="Keys and certificates.")
    components: dict[fields.ComponentName, fields.Version] = Field(
        default_factory=dict, description="Versions other than the recipes' defaults, by component."
    )
    mirrors: dict[fields.MirrorKey, fields.MirrorPlace] = Field(
        default_factory=dict, description="Where to fetch from instead: host, URL prefix or * to URL prefix or folder."
    )
    kubelet: dict[str, Any] = Field(
        default_factory=dict, description="More KubeletConfiguration fields for every node."
    )
    etcd: EtcdSpec = Field(default_factory=EtcdSpec, description="etcd, on the nodes with that role.")
    images: list[fields.CarriedImage] = Field(
        default_factory=list, description="More images that every worker's bundle carries."
    )
    nodes: list[NodeSpec] = Field(min_length=1, max_length=1000, description="The hosts.")


class ClusterFile(_Model):
    """A cluster as bundler builds it."""

    api_version: Literal["bundler/v1beta1"] = Field(alias="apiVersion", description="Version of this format.")
    kind: Literal["Cluster"] = Field(description="Always Cluster.")
    metadata: Metadata = Field(description="What the cluster is called.")
    spec: Spec = Field(description="The cluster.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that editors use. Texts may hold ${VARIABLES}, which it does not know of."""
    made = ClusterFile.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:bundler:v1beta1:cluster",
        **made,
        "title": "bundler cluster.yaml",
    }


def known_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at a path of the file; none where anything may."""
    schema = json_schema()
    place = schema
    for part in path:
        place = _resolved(place, schema)
        inner = place.get("items") if isinstance(part, int) else place.get("properties", {}).get(part)
        if not isinstance(inner, dict):
            return []
        place = inner
    return list(_resolved(place, schema).get("properties", {}))


def _resolved(place: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow $ref, and the one real branch of an optional field."""
    for branch in place.get("anyOf", []):
        if branch.get("type") != "null":
            place = branch
            break
    while "$ref" in place:
        place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    return place
