"""The control plane's files: flags that each minor knows, certificates for every name, secrets only where they belong."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
import yaml
from cryptography import x509

from builder.model.cluster import ApiServer, Join, Node, Pki
from builder.model.versions import MINORS, pause_image
from tests.components.test_units import UNITS, unit
from tests.kit import DATA, ROOT, network, whole

CFG, SSL = "/opt/kubernetes/cfg", "/opt/kubernetes/ssl"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
REMOVED = json.loads((DATA / "flags-removed-before-v1.24.json").read_text())


@pytest.fixture(scope="session")
def plane(render_once):
    """The seed's cluster with its control plane, by node."""
    return render_once(whole())


@pytest.fixture(scope="session")
def minors(render_once):
    """The same for the first release of every minor: `minors[minor]`, by node."""
    return {
        minor: render_once(whole(kubernetes=f"{minor}.0", pause_image=pause_image(f"{minor}.0"))) for minor in MINORS
    }


def command(node, program):
    """The flags in a unit's ExecStart, by name."""
    start = dict(unit(node.text(f"{UNITS}{program}.service"))["Service"])["ExecStart"]
    words = shlex.split(start)
    assert words[0].rpartition("/")[2] == program
    assert len({word.split("=")[0] for word in words}) == len(words), "a flag is given twice"
    return dict(word.removeprefix("--").split("=", 1) for word in words[1:])


def knows(program, flag, minor, flags):
    """Whether that program of that minor takes the flag (facts: flags-v1.24.json and what was removed before)."""
    number = int(minor.partition(".")[2])
    about = flags[program].get(flag)
    if about is None:
        gone = REMOVED[program].get(flag)
        return gone is not None and number < int(gone["removed"].partition(".")[2])
    since = int(re.sub(r"^[<>=]*1\.", "", about["since"]))
    removed = about.get("removed")
    begun = (
        number >= since or about["since"] == "<=1.22"
    )  # 1.20 was not dumped; what 1.22 had is tried with it for real
    return begun and not (removed and number >= int(removed.partition(".")[2]))


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_flag_is_one_that_this_minor_knows(minors, flags, minor, program):
    for flag in command(minors[minor]["k8s-master1"], program):
        assert knows(program, flag, minor, flags), flag


@pytest.mark.parametrize("minor", MINORS)
def test_every_kubelet_flag_is_one_that_this_minor_knows(minors, flags, minor):
    text = minors[minor]["k8s-node1"].text(f"{CFG}/kubelet.conf").replace("\\\n", "")
    words = shlex.split(text)[0].partition("=")[2].split()
    given = {word.removeprefix("--").split("=")[0] for word in words}
    for flag in given:
        assert knows("kubelet", flag, minor, flags), flag
    assert ("container-runtime" in given) == (minor in {"v1.20", "v1.22", "v1.23"}), "docker was the default until 1.23"


def test_every_flag_is_one_that_etcd_3_5_knows(plane, flags):
    assert set(command(plane["k8s-master1"], "etcd")) <= set(flags["etcd-3.5"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_flag_is_deprecated_but_those_that_nothing_replaces(plane, flags, program):
    deprecated = {flag for flag in command(plane["k8s-master1"], program) if flags[program][flag]["deprecated"]}
    assert deprecated <= {"kubeconfig", "profiling"}, (
        "the scheduler's own usage calls these so; its file's version differs by minor"
    )


def test_what_differs_between_minors(minors):
    for minor in MINORS:
        server = command(minors[minor]["k8s-master1"], "kube-apiserver")
        manager = command(minors[minor]["k8s-master1"], "kube-controller-manager")
        kubelet = yaml.safe_load(minors[minor]["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
        assert ("PodSecurity" in server["enable-admission-plugins"]) == (minor != "v1.20")
        assert ("feature-gates" in server) == (minor == "v1.22")
        assert ("port" in manager) == (minor in {"v1.20", "v1.22", "v1.23"})
        assert ("shutdownGracePeriod" in kubelet) == (minor != "v1.20")
    version = {
        minor: re.search(
            r"pod-security\.admission\.config\.k8s\.io/(\w+)", files["k8s-master1"].text(f"{CFG}/admission.yaml")
        )[1]
        for minor, files in minors.items()
        if minor != "v1.20"
    }
    assert version == {"v1.22": "v1alpha1", "v1.23": "v1beta1", "v1.24": "v1beta1", "v1.25": "v1", "v1.26": "v1"}


def test_the_kubelets_and_flannels_files_fit_their_schemas_here_too(rendered, schema):
    proxied = rendered(whole(api=ApiServer(None), network=network(backend="flannel-vxlan")))["k8s-node1"]
    config = yaml.safe_load(proxied.text(f"{CFG}/kubelet-config.yml"))
    assert [error.message for error in schema("KubeletConfiguration-v1beta1-v1.24").iter_errors(config)] == []
    assert config["staticPodPath"] == "/opt/kubernetes/manifests"
    config = json.loads(proxied.plan.flannel.network)
    assert list(schema("flannel-net-conf-v0.17").iter_errors(config)) == []
    assert config["Backend"] == {"Type": "vxlan"}
    assert "FLANNEL_MTU=1450" in proxied.text("/opt/flannel/subnet.env")


def test_workers_carry_the_pause_image_that_containerd_asks_for(plane):
    for node in plane.values():
        carried = {file.path: file.artifact.url for file in node.plan.payload if file.artifact.kind == "image"}
        image = carried["/opt/kubernetes/images/pause.tar"].removeprefix("docker://")
        assert f'sandbox_image = "{image}"' in node.text("/etc/containerd/config.toml")


def test_images_of_ones_own_are_on_every_worker_and_pinned_as_given(rendered):
    own = ("registry.example/line/plc:1.4@sha256:" + "a" * 64, "registry.example/line/hmi:2")
    node = rendered(whole(images=own))["k8s-node1"]
    carried = {file.path: file.artifact for file in node.plan.payload if file.component == "images"}
    assert str(carried["/opt/kubernetes/images/registry.example-line-plc-1.4.tar"].digest) == "sha256:" + "a" * 64
    assert carried["/opt/kubernetes/images/registry.example-line-hmi-2.tar"].digest is None


def certificate(node, path):
    return x509.load_pem_x509_certificate(node.files[path])


def names_of(found):
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName)) | {str(a) for a in names.get_values_for_type(x509.IPAddress)}


def test_the_api_servers_certificate_is_good_for_every_way_to_it(plane):
    assert names_of(certificate(plane["k8s-master1"], f"{SSL}/apiserver.pem")) == {
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "k8s-master1",
        "127.0.0.1",
        "10.96.0.1",
        "10.1.1.100",
    }


def test_a_load_balancers_name_and_more_names_are_in_it(rendered):
    api = ApiServer("https://k8s.example:443", names=("10.1.1.9", "kube.example"))
    node = rendered(whole(api=api))["k8s-master1"]
    assert {"k8s.example", "10.1.1.9", "kube.example"} <= names_of(certificate(node, f"{SSL}/apiserver.pem"))
    assert 'server: "https://k8s.example:443"' in node.text(f"{CFG}/kubelet.kubeconfig")
    assert 'server: "https://127.0.0.1:6443"' in node.text(f"{CFG}/scheduler.kubeconfig"), "its own, not the endpoint"


def test_etcd_front_proxy_and_cluster_have_cas_of_their_own(plane):
    node = plane["k8s-master1"]
    issuers = {
        "cluster": certificate(node, f"{SSL}/apiserver.pem").issuer,
        "etcd": certificate(node, "/opt/etcd/ssl/etcd.pem").issuer,
        "front-proxy": certificate(node, f"{SSL}/front-proxy-client.pem").issuer,
    }
    assert len(set(issuers.values())) == 3
    assert certificate(node, f"{SSL}/apiserver-etcd-client.pem").issuer == issuers["etcd"]


def test_only_administrators_are_masters(plane):
    """The API server's way to kubelets is bound to one role, unlike kubeadm's, which is system:masters."""
    masters = [
        spec.id for node in plane.values() for spec in node.plan.certificates if "system:masters" in spec.organizations
    ]
    assert masters == ["k8s-master1/admin"]


def test_kubelets_are_verified_and_secrets_are_encrypted(plane):
    node = plane["k8s-master1"]
    server = command(node, "kube-apiserver")
    assert server["kubelet-certificate-authority"] == f"{SSL}/ca.pem"
    assert server["encryption-provider-config"] == f"{CFG}/encryption.yaml"
    config = yaml.safe_load(node.text(f"{CFG}/encryption.yaml"))
    first, second = config["resources"][0]["providers"]
    assert list(first) == ["secretbox"], "what is written is encrypted"
    assert second == {"identity": {}}, "what was written before can be read"


def test_encryption_can_be_turned_off_and_what_was_encrypted_is_still_read(rendered):
    node = rendered(whole(api=ApiServer("https://10.1.1.100:6443", encrypt_secrets=False)))["k8s-master1"]
    config = yaml.safe_load(node.text(f"{CFG}/encryption.yaml"))
    assert [next(iter(provider)) for provider in config["resources"][0]["providers"]] == ["identity", "secretbox"]


def test_the_ca_key_is_on_control_planes_only_and_can_be_kept_back(plane, rendered):
    assert {name for name, node in plane.items() if f"{SSL}/ca-key.pem" in node.files} == {"k8s-master1"}
    kept = rendered(whole(pki=Pki(ca_key_on_hosts=False)))
    assert not [name for name, node in kept.items() if f"{SSL}/ca-key.pem" in node.files]
    assert "cluster-signing-key-file" not in command(kept["k8s-master1"], "kube-controller-manager")
    assert "rotateCertificates: false" in kept["k8s-node1"].text(f"{CFG}/kubelet-config.yml"), "nobody could sign it"


def test_a_worker_has_nothing_of_the_control_plane(plane):
    worker = replace_node_roles = plane["k8s-node2"]
    assert worker.plan.shared_secrets == ()
    for path in replace_node_roles.files:
        assert not re.search(
            r"admin|encryption|service-account|apiserver|front-proxy|ca-key|controller|scheduler", path
        ), path


def test_secrets_are_for_root_only(plane):
    for node in plane.values():
        for path, content in node.files.items():
            secret = b"PRIVATE KEY" in content or path.endswith(("kubeconfig", "encryption.yaml", "-token.yaml"))
            assert node.modes[path] & 0o077 == 0 or not secret, path


def test_etcd_members_name_each_other_and_ask_for_certificates(plane):
    given = command(plane["k8s-node1"], "etcd")
    assert given["initial-cluster"] == (
        "k8s-master1=https://10.1.1.100:2380,k8s-node1=https://10.1.1.120:2380,k8s-node2=https://10.1.1.130:2380"
    )
    assert given["client-cert-auth"] == given["peer-client-cert-auth"] == "true"
    assert given["enable-v2"] == "true", "flannel 0.17 speaks v2 only"
    assert given["quota-backend-bytes"] == str(2048 * 1024 * 1024)
    assert given["auto-compaction-retention"] == "8h"


def test_without_flannel_there_is_no_v2_and_no_key_of_etcd_on_workers(rendered):
    static = rendered(whole(network=network(backend="static")))
    assert "enable-v2" not in command(static["k8s-master1"], "etcd")
    for node in static.values():
        assert not [path for path in node.files if "flannel" in path]
        assert "flanneld.service" not in node.plan.units


def test_a_bootstrap_token_becomes_a_secret_that_may_end(rendered):
    join = Join("bootstrap-token", "abcdef.0123456789abcdef", "2027-01-31T12:00:00Z")
    node = rendered(whole(join=join))["k8s-master1"]
    path = "/opt/kubernetes/objects/bootstrap-token.yaml"
    secret = next(yaml.safe_load_all(node.text(path)))
    assert secret["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert node.modes[path] == 0o600
    assert command(node, "kube-apiserver")["enable-bootstrap-token-auth"] == "true"
    assert "tokencleaner" in command(node, "kube-controller-manager")["controllers"]


def test_with_certificates_there_is_no_token_at_all(plane):
    node = plane["k8s-master1"]
    assert "/opt/kubernetes/objects/bootstrap-token.yaml" not in node.files
    assert "enable-bootstrap-token-auth" not in command(node, "kube-apiserver")


def test_objects_are_good_yaml_and_dns_has_its_address(plane, rendered):
    objects = list(yaml.safe_load_all(plane["k8s-master1"].text("/opt/kubernetes/objects/coredns.yaml")))
    kinds = {item["kind"]: item for item in objects}
    assert kinds["Service"]["spec"]["clusterIP"] == "10.96.0.10"
    container = kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.k8s.io/coredns/coredns:v1.8.6"
    assert "rcode NXDOMAIN" in kinds["ConfigMap"]["data"]["Corefile"]
    upstream = network(upstreams=(IPv4Address("10.1.1.53"),))
    node = rendered(whole(network=upstream))["k8s-master1"]
    assert "forward . 10.1.1.53" in node.text("/opt/kubernetes/objects/coredns.yaml")


def test_node_roles_are_given_by_the_control_plane(plane):
    text = plane["k8s-master1"].text("/opt/kubernetes/bin/label-nodes")
    assert "node-role.kubernetes.io/control-plane" in text
    assert "node-labels" not in plane["k8s-master1"].text(f"{CFG}/kubelet.conf"), (
        "a kubelet with such a label does not start"
    )


def test_a_label_that_is_not_the_nodes_own_is_not_a_kubelet_flag(rendered):
    labelled = replace(whole().nodes[1], labels={"site": "a", "node-role.kubernetes.io/press": ""})
    cluster = whole(nodes=(whole().nodes[0], labelled, whole().nodes[2]))
    files = rendered(cluster)
    assert "--node-labels=site=a " in files["k8s-node1"].text(f"{CFG}/kubelet.conf")
    assert "node-role.kubernetes.io/press" in files["k8s-master1"].text("/opt/kubernetes/bin/label-nodes")


def test_units_that_may_wait_for_another_host_are_known(plane, rendered):
    assert plane["k8s-master1"].plan.waiting == (
        "etcd.service",
        "bundler-flannel-keys.service",
        "flanneld.service",
        "kube-apiserver.service",
        "kube-controller-manager.service",
        "kube-scheduler.service",
        "bundler-objects.service",
    )
    alone = replace(whole().nodes[0])
    assert rendered(whole(nodes=(alone,)))["k8s-master1"].plan.waiting == (), "nobody to wait for"


def test_a_node_has_only_what_its_roles_need(rendered):
    nodes = (
        Node("cp", IPv4Address("10.1.1.100"), roles=("control-plane",)),
        Node("db", IPv4Address("10.1.1.110"), roles=("etcd",)),
        Node("wk", IPv4Address("10.1.1.120")),
    )
    found = rendered(whole(nodes=nodes))
    units = {name: set(node.plan.units) for name, node in found.items()}
    assert "containerd.service" not in units["cp"] | units["db"]
    assert units["db"] == {"bundler-firewall.service", "etcd.service", "bundler-flannel-keys.service"}
    assert "etcd.service" not in units["cp"] | units["wk"]
    assert found["cp"].plan.pod_subnet is None
    assert found["cp"].plan.ports == (6443, 10257, 10259)
    assert found["db"].plan.ports == (2379, 2380, 2381)


def test_the_page_on_security_names_flags_that_are_there(plane):
    """docs/security.md: every `--flag=value` of it stands in a unit or in the kubelet's file."""
    node = plane["k8s-master1"]
    held = "\n".join(content.decode() for path, content in node.files.items() if path.startswith((UNITS, CFG)))
    page = (ROOT / "docs" / "security.md").read_text()
    table = "\n".join(line for line in page.splitlines() if "| met |" in line)
    flags = set(re.findall(r"`(--[a-z-]+(?:=[^` ]+)?)`", table))
    assert len(flags) > 20
    left_at_their_default = {"--auto-tls", "--peer-auto-tls", "--request-timeout", "--service-account-lookup"}
    assert {flag for flag in flags if flag not in held} == left_at_their_default | {"--token-auth-file"}
