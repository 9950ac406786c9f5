"""Every shipped example, loaded, planned and rendered as a build does it; nothing is fetched."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from builder.config.load import load_cluster
from builder.config.recipes import load_recipes
from tests.components.conftest import render_cluster
from tests.kit import ROOT

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/cluster.yaml"))
CFG = "/opt/kubernetes/cfg"


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Example -> node -> its rendered files."""
    recipes = load_recipes(ROOT / "recipes")
    made = {}
    for name in EXAMPLES:
        file = ROOT / "examples" / name / "cluster.yaml"
        loaded = load_cluster(file.read_text(), str(file), environ={}, base=file.parent, components=recipes)
        assert loaded.cluster.name == name, "dist/NAME and state/NAME are found by the example's name"
        made[name] = render_cluster(loaded.cluster, tmp_path_factory.mktemp(name))
    return made


def test_the_examples_are_these():
    assert EXAMPLES == ["ha", "one-node", "three-node", "three-node-join"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_script_is_clean_for_shellcheck(examples, example):
    seen = 0
    for node in examples[example].values():
        for path, content in node.files.items():
            if content.startswith(b"#!/bin/sh\n"):
                check = ["shellcheck", "-s", "sh", "-"]
                done = subprocess.run(check, input=content, capture_output=True, check=False)
                assert (done.returncode, done.stdout.decode()) == (0, ""), path
                seen += 1
    assert seen


@pytest.mark.parametrize("example", EXAMPLES)
def test_iptables_accepts_every_nodes_rules(examples, example):
    for name, node in examples[example].items():
        check = ["unshare", "-n", "iptables-restore", "--test", "--noflush"]
        done = subprocess.run(check, input=node.files[f"{CFG}/iptables.rules"], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), name


@pytest.mark.parametrize("example", EXAMPLES)
def test_exactly_one_pod_network_is_on_every_worker(examples, example):
    static = example in {"ha", "one-node"}
    for node in examples[example].values():
        networks = [path for path in node.files if path.startswith("/etc/cni/net.d/")]
        assert networks == [f"/etc/cni/net.d/10-{'bundler' if static else 'flannel'}.conflist"]
        assert ("bundler-routes.service" in node.plan.units) == static
        assert ("flanneld.service" in node.plan.units) == (not static)


def test_routes_of_the_ha_example_lead_to_every_other_host(examples):
    for name, node in examples["ha"].items():
        script = node.text("/opt/kubernetes/bin/pod-routes")
        lines = [line.strip() for line in script.splitlines() if line.startswith("\techo '")]
        others = [peer for peer in node.plan.peers if peer.name != name]
        assert lines == [f"echo '{peer.pod_subnet} {peer.address}'" for peer in others]


def test_a_cluster_of_one_has_no_routes(examples):
    assert "echo '" not in examples["one-node"]["k8s-1"].text("/opt/kubernetes/bin/pod-routes")


def test_with_a_local_proxy_kubelet_and_kube_proxy_dial_it_and_it_dials_all_api_servers(examples, tmp_path):
    for name, node in examples["ha"].items():
        proxy = node.text(f"{CFG}/haproxy.cfg")
        assert "bind 127.0.0.1:7443\n" in proxy
        for octet in (11, 12, 13):
            assert f" 10.20.0.{octet}:6443\n" in proxy
        for which in ("kubelet", "kube-proxy"):
            kubeconfig = yaml.safe_load(node.text(f"{CFG}/{which}.kubeconfig"))
            assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7443"
        manifests = yaml.safe_load(node.text(f"{CFG}/kubelet-config.yml"))["staticPodPath"]
        pod = yaml.safe_load(node.text(f"{manifests}/local-proxy.yaml"))
        image = pod["spec"]["containers"][0]["image"]
        (archive,) = [file for file in node.plan.payload if file.component == "haproxy"]
        assert archive.artifact.url == f"docker://{image}", name
        (tmp_path / "haproxy.cfg").write_text(proxy)
        subprocess.run(["haproxy", "-c", "-f", tmp_path / "haproxy.cfg"], check=True, capture_output=True)


@pytest.mark.parametrize("example", ["one-node", "three-node", "three-node-join"])
def test_without_a_local_proxy_nothing_of_it_is_there(examples, example):
    for node in examples[example].values():
        assert not [path for path in node.files if "haproxy" in path or "manifests" in path]
        assert "haproxy" not in {file.component for file in node.plan.payload}


def test_joining_brings_neither_control_plane_nor_etcd(examples):
    for node in examples["three-node-join"].values():
        assert not {"etcd.service", "kube-apiserver.service"} & set(node.plan.units)
    for node in examples["three-node"].values():
        assert "etcd.service" in node.plan.units
    assert "kube-apiserver.service" in examples["three-node"]["k8s-master1"].plan.units
