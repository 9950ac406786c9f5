"""Three hosts' control plane out of generated files, with real programs: etcd, Kubernetes 1.20.2, kubectl, HAProxy.

Without virtual machines: every host is a folder, its units' own command lines are run (tests/cluster/harness.py).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from builder.pki.ca import load_ca, make_ca
from builder.pki.issue import Policy, issue
from tests.cluster.harness import get
from tests.cluster.loopback import ADDRESSES, FIRST, NAMES, SSL, Cluster

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def running(bins, hosts_folder):
    """Everything of the control plane on three hosts, with nodes of their own and the objects applied once."""
    made = Cluster(hosts_folder, bins)
    try:
        made.start("etcd.service")
        # etcd says that it is ready a moment before it listens; systemd starts the unit again, too
        made.first.wait_for(lambda: made.start("bundler-flannel-keys.service", [FIRST]) is None, 30)
        made.start("kube-apiserver.service")
        made.start("kube-controller-manager.service")
        made.start("kube-scheduler.service")
        made.start_proxies()
        for name, host in made.hosts.items():
            host.wait_for(lambda name=name: made.script("apply-objects", name).returncode == 0, 120)
        for name in NAMES:
            made.hosts[name].wait_for(lambda name=name: join(made, name), 60)
        yield made
    finally:
        made.stop()


def join(running, name):
    """What the kubelet does first: it makes its own Node, with its own certificate, through its local proxy."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    return running.kubectl("create", "-f", "-", who="kubelet", host=name, stdin=manifest).returncode == 0


def test_every_program_says_that_it_is_well(running):
    ca = running.first.path(f"{SSL}/ca.pem")
    for name, address in ADDRESSES.items():
        assert get(f"https://{address}:6443/readyz", ca=ca)[0] == 200, name
        for port in (10257, 10259):
            assert get(f"https://{address}:{port}/healthz")[0] == 200, (name, port)
    assert running.etcdctl("member", "list").stdout.count("started") == 3
    assert running.etcdctl("endpoint", "health", "--cluster").returncode == 0


@pytest.mark.parametrize(
    "pair", [f"{SSL}/apiserver-etcd-client", "/opt/flannel/ssl/etcd", "/opt/etcd/ssl/etcd-client", "/opt/etcd/ssl/etcd"]
)
def test_etcd_takes_the_generated_clients(running, pair):
    files = {"certificate": running.first.path(f"{pair}.pem"), "key": running.first.path(f"{pair}-key.pem")}
    assert running.etcdctl("get", "nothing", **files).returncode == 0


def test_etcd_refuses_a_client_of_another_ca(running, tmp_path):
    now = datetime.now(timezone.utc)
    authority = load_ca(make_ca("etcd-ca", "ecdsa-p256", timedelta(days=2), now), "ca", now)
    spec = next(spec for spec in running.rendered[FIRST].plan.certificates if spec.id.endswith("/etcd-client"))
    made = issue(spec, authority, Policy("ecdsa-p256", timedelta(days=1), timedelta(0)), now)
    (tmp_path / "foreign.pem").write_text(made.certificate)
    (tmp_path / "foreign-key.pem").write_text(made.key)
    files = {"certificate": tmp_path / "foreign.pem", "key": tmp_path / "foreign-key.pem"}
    assert running.etcdctl("--command-timeout=3s", "get", "nothing", check=False, **files).returncode != 0


def test_the_clusters_ca_opens_no_etcd(running):
    """pitfall 20: with one CA for all, any kubelet's certificate reads all of etcd."""
    files = {
        "certificate": running.first.path(f"{SSL}/apiserver-kubelet-client.pem"),
        "key": running.first.path(f"{SSL}/apiserver-kubelet-client-key.pem"),
    }
    assert running.etcdctl("--command-timeout=3s", "get", "nothing", check=False, **files).returncode != 0


def test_flannels_keys_have_no_end_and_a_second_run_changes_none(running):
    def state():
        keys = sorted(running.etcdctl("ls", "/coreos.com/network/subnets", api="2").stdout.split())
        texts = [running.etcdctl("-o", "extended", "get", key, api="2").stdout for key in keys]
        return keys, [
            [line for line in text.splitlines() if "Etcd-Index" not in line and "Raft" not in line] for text in texts
        ]

    keys, before = state()
    assert keys == [f"/coreos.com/network/subnets/172.7.{number}.0-24" for number in (1, 2, 3)]
    assert all("TTL: 0" in lines for lines in before)
    for host in running.hosts.values():
        host.start("bundler-flannel-keys.service")
    assert state() == (keys, before)


def test_the_operators_kubeconfig_sees_the_whole_cluster(running):
    done = running.kubectl("get", "namespaces,nodes", "-o", "name", kubeconfig=running.admin)
    assert "namespace/kube-system" in done.stdout
    assert all(f"node/{name}" in done.stdout for name in NAMES)


def versions(running):
    """The resource version of each of our objects; of what has a status that moves by itself, the generation."""
    kinds = "clusterroles,clusterrolebindings,configmaps,services,deployments"
    ours = ("bundler:", "system:coredns", "system:public-info", "coredns", "kube-dns")
    items = running.objects(kinds, "-A")["items"]
    return {
        (item["kind"], item["metadata"]["name"]): item["metadata"].get(
            "generation", item["metadata"]["resourceVersion"]
        )
        for item in items
        if item["metadata"]["name"].startswith(ours)
    }


def test_objects_are_applied_again_and_by_three_hosts_at_once_without_a_change(running):
    before = versions(running)
    assert {("ClusterRoleBinding", "bundler:health"), ("Deployment", "coredns"), ("Service", "kube-dns")} <= set(before)
    with ThreadPoolExecutor(3) as pool:
        for done in pool.map(lambda name: running.script("apply-objects", name), NAMES):
            assert done.returncode == 0, done.stderr
    assert versions(running) == before


def test_what_somebody_changed_of_the_objects_comes_back(running):
    patch = '{"spec":{"selector":{"k8s-app":"mine"}}}'
    running.kubectl("-n", "kube-system", "patch", "service", "kube-dns", "--type=merge", "-p", patch)
    assert running.script("apply-objects").returncode == 0
    assert running.objects("service", "kube-dns", "-n", "kube-system")["spec"]["selector"] == {"k8s-app": "kube-dns"}


def test_a_kubelets_certificate_is_good_for_its_own_node_and_no_other(running):
    own, other = NAMES[1], NAMES[2]
    assert running.kubectl("get", "node", own, "-o", "name", who="kubelet", host=own).stdout.strip() == f"node/{own}"
    done = running.kubectl("label", "node", other, "site=a", who="kubelet", host=own, check=False)
    assert "is not allowed to modify node" in done.stderr
    done = running.kubectl("label", "node", own, "node-role.kubernetes.io/x=", who="kubelet", host=own, check=False)
    assert "is not allowed to modify labels" in done.stderr
    done = running.kubectl("get", "secrets", "-A", who="kubelet", host=own, check=False)
    assert "forbidden" in done.stderr.lower()


def test_nodes_get_labels_that_they_may_not_give_themselves(running):
    assert running.script("label-nodes").returncode == 0
    (node,) = running.objects("nodes", "--field-selector=metadata.name=" + NAMES[1])["items"]
    assert node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == ""
    assert node["metadata"]["labels"]["line"] == "a"
    before = node["metadata"]["resourceVersion"]
    assert running.script("label-nodes", NAMES[2]).returncode == 0
    (node,) = running.objects("nodes", "--field-selector=metadata.name=" + NAMES[1])["items"]
    assert node["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_an_anonymous_caller_sees_whether_it_is_well(running, path):
    assert get(f"https://{ADDRESSES[FIRST]}:6443{path}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/version",
        "/api",
        "/apis",
        "/api/v1/namespaces",
        "/api/v1/nodes",
        "/openapi/v2",
        "/metrics",
        "/logs",
        "/readyz/etcd",
        "/debug/pprof/",
        "/api/v1/namespaces/kube-system/secrets",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    ],
)
def test_an_anonymous_caller_sees_nothing_else(running, path):
    assert get(f"https://{ADDRESSES[FIRST]}:6443{path}")[0] in {401, 403}


def test_controllers_and_scheduler_tell_strangers_nothing(running):
    for port in (10257, 10259):
        assert get(f"https://{ADDRESSES[FIRST]}:{port}/metrics")[0] in {401, 403}


def request(running, name, wanted, title):
    """A CSR by NAME's kubelet for the name WANTED, in the shape that Kubernetes asks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{wanted}"),
        ]
    )
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": title},
        "spec": {
            "request": base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "key encipherment", "client auth"],
        },
    }
    return running.kubectl("create", "-f", "-", who="kubelet", host=name, stdin=json.dumps(manifest), check=False)


def test_a_kubelets_renewal_is_approved_and_signed_by_itself(running):
    assert request(running, NAMES[1], NAMES[1], "renewal").returncode == 0
    issued = running.first.wait_for(lambda: running.objects("csr", "renewal")["status"].get("certificate"), 60)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(issued))
    ca = x509.load_pem_x509_certificate(running.first.path(f"{SSL}/ca.pem").read_bytes())
    certificate.verify_directly_issued_by(ca)


def test_another_nodes_name_is_not_approved(running):
    request(running, NAMES[1], NAMES[2], "theft")
    time.sleep(5)  # the approver has had its time: the renewal above takes less than one second
    found = running.kubectl("get", "csr", "theft", "-o", "json", check=False)
    if found.returncode == 0:
        status = json.loads(found.stdout).get("status", {})
        assert "certificate" not in status
        assert "Approved" not in [item["type"] for item in status.get("conditions", [])]


def test_secrets_are_encrypted_in_etcd_and_read_by_every_api_server(running):
    running.kubectl("-n", "default", "create", "secret", "generic", "plc", "--from-literal=password=hunter2")
    stored = running.etcdctl("get", "/registry/secrets/default/plc", "--print-value-only").stdout
    assert stored.startswith("k8s:enc:secretbox:v1:key1:")
    assert "hunter2" not in stored
    for name in NAMES:
        found = running.objects("secret", "plc", "-n", "default", host=name)
        assert base64.b64decode(found["data"]["password"]) == b"hunter2"


def test_service_account_tokens_of_one_host_are_known_to_the_others(running):
    manifest = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = json.loads(running.kubectl("create", "--raw", path, "-f", "-", stdin=manifest).stdout)["status"]["token"]
    for address in ADDRESSES.values():
        assert get(f"https://{address}:6443/api", token=token)[0] == 200


def test_who_did_what_is_written_down_without_secrets(running):
    log = running.first.path("/var/log/kubernetes/audit.log").read_text()
    assert '"resource":"secrets"' in log
    assert "hunter2" not in log


def test_an_api_server_that_dies_loses_no_request_that_is_tried_again(running):
    """Through one host's local proxy, while the API server of another one is killed."""
    url = f"https://{ADDRESSES[NAMES[0]]}:7443/readyz"
    lost, done, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            for attempt in (1, 2):
                try:
                    assert get(url, seconds=10)[0] == 200
                    done.append(attempt)
                    break
                except (OSError, AssertionError) as error:
                    if attempt == 2:
                        lost.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(2)
        running.hosts[NAMES[2]].kill("kube-apiserver.service")
        time.sleep(10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not lost
    assert len(done) > 100
    running.kubectl("get", "nodes", who="kubelet", host=NAMES[0])
