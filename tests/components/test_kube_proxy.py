from __future__ import annotations

import shlex

import pytest
import yaml

from builder.config.recipes import load_recipes
from tests.components.plans import workers
from tests.kit import HOSTS, ROOT

CFG = "/opt/kubernetes/cfg"


@pytest.mark.parametrize("name", HOSTS)
def test_the_file_is_a_strict_kube_proxy_configuration(seed, schema, name):
    """pitfalls 1 and 2: nested clientConnection, one file, nothing of a shell in it"""
    config = yaml.safe_load(seed[name].text(f"{CFG}/kube-proxy-config.yml"))
    errors = [error.message for error in schema("KubeProxyConfiguration-v1alpha1-v1.24").iter_errors(config)]
    assert errors == []
    assert config["clientConnection"]["kubeconfig"] == f"{CFG}/kube-proxy.kubeconfig"
    assert config["clusterCIDR"] == "172.7.0.0/16"
    assert config["mode"] == "iptables"


def test_every_flag_is_one_that_kube_proxy_1_24_knows(seed, flags):
    text = seed["k8s-node1"].text(f"{CFG}/kube-proxy.conf").replace("\\\n", "")
    name, value = shlex.split(text)[0].split("=", 1)
    assert name == "KUBE_PROXY_OPTS"
    for word in value.split():
        flag = flags["kube-proxy"][word.removeprefix("--").split("=")[0]]
        assert not flag["deprecated"]


def test_it_is_the_user_that_the_built_in_binding_names(seed):
    specs = {spec.id: spec for spec in seed["k8s-node1"].plan.certificates}
    assert specs["cluster/kube-proxy"].common_name == "system:kube-proxy"


def test_in_ipvs_mode_the_file_is_strict_too_and_the_kernel_has_what_it_needs(schema):
    described = workers(proxy_mode="ipvs")
    config = yaml.safe_load(described.render("k8s-node1", f"kube-proxy{CFG}/kube-proxy-config.yml.j2"))
    assert [error.message for error in schema("KubeProxyConfiguration-v1alpha1-v1.24").iter_errors(config)] == []
    assert config["mode"] == "ipvs"
    modules = (ROOT / "overlays/kube-proxy/etc/modules-load.d/bundler-ipvs.conf").read_text().splitlines()
    # Kubernetes: pkg/util/ipvs/ipvs.go, GetRequiredIPVSModules
    assert modules[1:] == ["ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "nf_conntrack"]


def test_the_modules_are_asked_for_in_ipvs_mode_only():
    recipe = load_recipes(ROOT / "recipes")["kube-proxy"]
    assert recipe.overlay["/etc/modules-load.d/bundler-ipvs.conf"].when == "proxy=ipvs"
