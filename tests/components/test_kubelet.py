from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
import yaml

from builder.model.cluster import Join, Taint
from tests.kit import HOSTS, cluster, nodes

CFG = "/opt/kubernetes/cfg"


def options(node):
    """The words of KUBELET_OPTS as systemd would split them."""
    name, value = shlex.split(node.text(f"{CFG}/kubelet.conf").replace("\\\n", ""))[0].split("=", 1)
    assert name == "KUBELET_OPTS"
    return dict(word.removeprefix("--").split("=", 1) for word in value.split())


@pytest.mark.parametrize("name", HOSTS)
def test_every_flag_is_one_that_kubelet_1_24_knows(seed, flags, name):
    for flag in options(seed[name]):
        assert flag in flags["kubelet"], flag
        assert not flags["kubelet"][flag].get("hidden"), flag


def test_only_the_flags_that_must_be_flags_are(seed, flags):
    """pitfalls 3 and 4: no cgroup flags beside the file, no log flags that 1.26 refuses."""
    deprecated = {flag for flag in options(seed["k8s-node1"]) if flags["kubelet"][flag].get("deprecated")}
    assert deprecated == {"pod-infra-container-image"}


@pytest.mark.parametrize("name", HOSTS)
def test_the_file_is_a_strict_kubelet_configuration(seed, schema, name):
    config = yaml.safe_load(seed[name].text(f"{CFG}/kubelet-config.yml"))
    errors = [error.message for error in schema("KubeletConfiguration-v1beta1-v1.24").iter_errors(config)]
    assert errors == []


def test_authentication_is_nested_as_the_kubelet_reads_it(seed):
    """pitfall 1: the seed's flat YAML gave 401 on every call from the API server."""
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
    assert config["authentication"]["x509"]["clientCAFile"] == "/opt/kubernetes/ssl/ca.pem"
    assert config["authentication"]["anonymous"]["enabled"] is False
    assert config["authorization"]["mode"] == "Webhook"


def test_one_cgroup_driver_everywhere(seed):
    """pitfall 3"""
    node = seed["k8s-node1"]
    config = yaml.safe_load(node.text(f"{CFG}/kubelet-config.yml"))
    assert config["cgroupDriver"] == "systemd"
    assert "cgroup-driver" not in options(node)
    assert "SystemdCgroup = true" in node.text("/etc/containerd/config.toml")


def test_the_kubelet_stays_in_its_own_unit(seed):
    """pitfall 4"""
    given = options(seed["k8s-node1"])
    assert "runtime-cgroups" not in given
    assert "kubelet-cgroups" not in given


def test_dns_is_an_address_of_the_service_network(seed):
    """pitfall 5"""
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
    assert config["clusterDNS"] == ["10.96.0.10"]


@pytest.mark.parametrize("name", HOSTS)
def test_a_node_has_one_name_everywhere(seed, name):
    """pitfall 6"""
    node = seed[name]
    proxy = yaml.safe_load(node.text(f"{CFG}/kube-proxy-config.yml"))
    kubeconfig = yaml.safe_load(node.text(f"{CFG}/kubelet.kubeconfig"))
    assert options(node)["hostname-override"] == name
    assert proxy["hostnameOverride"] == name
    assert kubeconfig["users"][0]["name"] == f"system:node:{name}"
    assert name in {spec.common_name.rpartition(":")[2] for spec in node.plan.certificates}


def test_the_pause_image_is_named_alike_for_containerd_and_for_image_gc(seed):
    """pitfall 15"""
    node = seed["k8s-node1"]
    image = options(node)["pod-infra-container-image"]
    assert f'sandbox_image = "{image}"' in node.text("/etc/containerd/config.toml")


def test_the_kubelet_knows_its_address_without_a_default_route(seed):
    """pitfall 19"""
    assert options(seed["k8s-node2"])["node-ip"] == "10.1.1.130"


def test_nothing_is_open_unauthenticated(seed):
    """pitfall 23"""
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
    proxy = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kube-proxy-config.yml"))
    assert config["readOnlyPort"] == 0
    assert config["healthzBindAddress"] == "127.0.0.1"
    assert proxy["metricsBindAddress"] == "10.1.1.120:10249"
    assert proxy["healthzBindAddress"] == "10.1.1.120:10256"
    assert "-healthz-ip=127.0.0.1" in seed["k8s-node1"].text("/etc/systemd/system/flanneld.service")


def test_renewal_is_on(seed):
    """pitfall 22"""
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
    assert config["rotateCertificates"] is True


def test_pods_that_ignore_sigterm_do_not_hold_a_reboot_up(seed):
    """pitfall 26"""
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))
    assert config["shutdownGracePeriod"] == "30s"
    assert config["shutdownGracePeriodCriticalPods"] == "10s"


def test_with_a_token_there_is_a_bootstrap_kubeconfig_and_no_ready_made_one(rendered, schema):
    token = "abcdef.0123456789abcdef"
    node = rendered(cluster(join=Join("bootstrap-token", token)))["k8s-node1"]
    assert f"{CFG}/kubelet.kubeconfig" not in node.files
    kubeconfig = yaml.safe_load(node.text(f"{CFG}/bootstrap.kubeconfig"))
    assert kubeconfig["users"] == [{"name": "kubelet-bootstrap", "user": {"token": token}}]
    assert list(schema("kubeconfig-v1").iter_errors(kubeconfig)) == []
    assert options(node)["bootstrap-kubeconfig"] == f"{CFG}/bootstrap.kubeconfig"
    assert "kubelet" not in {spec.id.rpartition("/")[2] for spec in node.plan.certificates}


def test_a_kubeconfig_holds_a_token_or_a_certificate_never_both(seed):
    assert f"{CFG}/bootstrap.kubeconfig" not in seed["k8s-node1"].files
    assert "bootstrap-kubeconfig" not in options(seed["k8s-node1"])


def test_labels_and_taints_reach_the_kubelet(rendered, schema):
    labelled = replace(
        nodes()[0],
        labels={"site": "hall-3", "node.kubernetes.io/rack": "r1"},
        taints=(Taint("dedicated", "plc", "NoSchedule"), Taint("quiet", "", "NoExecute")),
    )
    node = rendered(cluster(nodes=(labelled,)))["k8s-master1"]
    assert options(node)["node-labels"] == "node.kubernetes.io/rack=r1,site=hall-3"
    config = yaml.safe_load(node.text(f"{CFG}/kubelet-config.yml"))
    assert config["registerWithTaints"] == [
        {"key": "dedicated", "value": "plc", "effect": "NoSchedule"},
        {"key": "quiet", "value": "", "effect": "NoExecute"},
    ]
    assert list(schema("KubeletConfiguration-v1beta1-v1.24").iter_errors(config)) == []


def test_extra_settings_are_laid_over_the_file_the_nodes_over_the_clusters(rendered, schema):
    special = replace(nodes()[0], kubelet={"maxPods": 50})
    extra = {"maxPods": 200, "evictionHard": {"memory.available": "500Mi"}, "systemReserved": {"cpu": "500m"}}
    node = rendered(cluster(kubelet=extra, nodes=(special, nodes()[1])))
    config = yaml.safe_load(node["k8s-master1"].text(f"{CFG}/kubelet-config.yml"))
    assert config["maxPods"] == 50
    assert config["evictionHard"] == {
        "imagefs.available": "15%",
        "memory.available": "500Mi",
        "nodefs.available": "10%",
        "nodefs.inodesFree": "5%",
    }
    assert config["systemReserved"] == {"cpu": "500m"}
    assert config["cgroupDriver"] == "systemd"
    assert list(schema("KubeletConfiguration-v1beta1-v1.24").iter_errors(config)) == []
    assert yaml.safe_load(node["k8s-node1"].text(f"{CFG}/kubelet-config.yml"))["maxPods"] == 200


def test_the_unit_pulls_containerd_up_and_never_gives_up(seed):
    """pitfall 10"""
    unit = seed["k8s-node1"].text("/etc/systemd/system/kubelet.service")
    assert "Wants=containerd.service" in unit
    assert "RestartSec=5" in unit
    assert "StartLimitIntervalSec=0" in unit


def test_keys_and_kubeconfigs_are_for_root_only(seed):
    node = seed["k8s-node1"]
    for path, content in node.files.items():
        secret = b"PRIVATE KEY" in content or path.endswith("kubeconfig")
        assert node.modes[path] & 0o077 == 0 or not secret, path
    assert any(b"PRIVATE KEY" in content for content in node.files.values())
