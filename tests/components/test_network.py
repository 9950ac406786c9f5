"""flannel's files: its keys in a real etcd 3.5, subnet.env, the CNI configuration, containerd's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace

import pytest

from tests.components.etcd import running_etcd
from tests.kit import DATA, HOSTS, SHELLS, cluster, network

RESERVE = "/opt/flannel/reserve-subnet"
KEYS = "/coreos.com/network"


@pytest.mark.parametrize("name", HOSTS)
def test_subnet_env_is_what_flanneld_and_the_cni_plugin_read(seed, name):
    grammar = json.loads((DATA / "subnet-env-v0.17.json").read_text())
    text = seed[name].text("/opt/flannel/subnet.env")
    assert re.fullmatch(grammar["regex"]["ipv4"].removeprefix("^").removesuffix("$"), text)
    last = HOSTS[name].rpartition(".")[2]
    assert f"FLANNEL_SUBNET=172.7.{last}.1/24\n" in text
    assert "FLANNEL_IPMASQ=false\n" in text


def test_subnet_env_is_back_after_a_boot(seed, tmp_path):
    """pitfall 11: /run is empty then; systemd-tmpfiles itself is run on the generated file."""
    node = seed["k8s-node1"]
    conf = tmp_path / "etc/tmpfiles.d/bundler-flannel.conf"
    for path, place in (
        ("/etc/tmpfiles.d/bundler-flannel.conf", conf),
        ("/opt/flannel/subnet.env", tmp_path / "opt/flannel/subnet.env"),
    ):
        place.parent.mkdir(parents=True)
        place.write_bytes(node.files[path])
    create = ["systemd-tmpfiles", f"--root={tmp_path}", "--create", str(conf)]
    done = subprocess.run(create, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run/flannel/subnet.env").read_bytes() == node.files["/opt/flannel/subnet.env"]
    (tmp_path / "run/flannel/subnet.env").write_text("flanneld's own\n")
    subprocess.run(create, check=True, capture_output=True)
    assert (tmp_path / "run/flannel/subnet.env").read_text() == "flanneld's own\n"


def test_the_network_that_flannel_reads_fits_its_schema(seed, schema):
    config = json.loads(seed["k8s-node1"].plan.flannel.network)
    assert list(schema("flannel-net-conf-v0.17").iter_errors(config)) == []
    assert config["Network"] == "172.7.0.0/16"
    assert config["Backend"] == {"Type": "host-gw"}


def test_the_cni_configuration_fits_its_schema(seed, schema):
    """pitfalls 14, 17 and 25"""
    config = json.loads(seed["k8s-node1"].text("/etc/cni/net.d/10-flannel.conflist"))
    assert [error.message for error in schema("cni-conflist").iter_errors(config)] == []
    assert config["plugins"][0]["delegate"]["hairpinMode"] is True
    assert config["plugins"][1]["capabilities"] == {"portMappings": True}
    assert config["name"] == "flannel"


def test_every_cni_plugin_that_the_configuration_needs_is_in_the_bundle(seed):
    """pitfall 14"""
    held = {file.path for file in seed["k8s-node1"].plan.payload}
    needed = {"flannel", "bridge", "host-local", "portmap", "loopback"}
    assert {f"/opt/cni/bin/{name}" for name in needed} <= held


def test_containerd_reads_its_configuration_as_it_is_meant(seed, tmp_path):
    (tmp_path / "config.toml").write_bytes(seed["k8s-node1"].files["/etc/containerd/config.toml"])
    dump = ["containerd", "--config", str(tmp_path / "config.toml"), "config", "dump"]
    done = subprocess.run(dump, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'sandbox_image = "k8s.gcr.io/pause:3.7"' in done.stdout
    assert 'bin_dir = "/opt/cni/bin"' in done.stdout
    assert "SystemdCgroup = true" in done.stdout
    assert 'BinaryName = "/opt/containerd/bin/runc"' in done.stdout


def test_hosts_entries_name_every_node(seed):
    assert seed["k8s-node1"].text("/etc/hosts").splitlines() == [
        "10.1.1.100 k8s-master1",
        "10.1.1.120 k8s-node1",
        "10.1.1.130 k8s-node2",
    ]


def test_sysctls_forward_before_any_pod_exists(seed):
    text = seed["k8s-node1"].text("/etc/sysctl.d/90-bundler.conf")
    assert "net.ipv4.ip_forward = 1" in text
    assert "net.bridge.bridge-nf-call-iptables = 1" in text


def test_networkd_leaves_the_routes_alone(seed):
    """pitfall 24"""
    assert "ManageForeignRoutes=no" in seed["k8s-node1"].text("/etc/systemd/networkd.conf.d/90-bundler.conf")


@pytest.fixture(scope="module")
def etcd(seed, tmp_path_factory):
    """A real etcd 3.5 with its v2 API on, that asks clients for certificates of flannel's own CA."""
    with running_etcd(seed["k8s-node1"], tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(request):
    if "etcd" in request.fixturenames:
        request.getfixturevalue("etcd").v2("rm", "--recursive", KEYS, check=False)


def reserve(etcd, node, shell, tmp_path):
    script = tmp_path / "reserve-subnet"
    script.write_bytes(node.files[RESERVE])
    environ = os.environ | {"ETCDCTL": etcd.etcdctl, "ETCD_ENDPOINTS": etcd.endpoint, "FLANNEL_SSL": str(etcd.ssl)}
    return subprocess.run([*shell, script], capture_output=True, text=True, check=False, env=environ)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[-1])
def shell(request):
    return request.param


def test_the_subnet_is_reserved_once_and_for_ever(etcd, seed, shell, tmp_path):
    """pitfalls 7 and 11, against the v2 API that flannel 0.17 reads"""
    first = reserve(etcd, seed["k8s-node1"], shell, tmp_path)
    assert first.returncode == 0, first.stderr
    key = f"{KEYS}/subnets/172.7.120.0-24"
    assert json.loads(etcd.v2("get", f"{KEYS}/config"))["Network"] == "172.7.0.0/16"
    assert json.loads(etcd.v2("get", key)) == {
        "PublicIP": "10.1.1.120",
        "PublicIPv6": None,
        "BackendType": "host-gw",
    }
    before = etcd.v2("-o", "extended", "get", key)
    assert "\nTTL: 0\n" in before
    second = reserve(etcd, seed["k8s-node1"], shell, tmp_path)
    assert (second.returncode, second.stdout) == (0, "")
    modified = [line for line in before.splitlines() if "Modified-Index" in line]
    assert modified == [line for line in etcd.v2("-o", "extended", "get", key).splitlines() if "Modified-Index" in line]


def test_a_lease_that_would_end_becomes_one_that_does_not(etcd, seed, shell, tmp_path):
    key = f"{KEYS}/subnets/172.7.120.0-24"
    etcd.v2("set", "--ttl", "86400", key, seed["k8s-node1"].plan.flannel.reservations[0].lease)
    assert reserve(etcd, seed["k8s-node1"], shell, tmp_path).returncode == 0
    assert "\nTTL: 0\n" in etcd.v2("-o", "extended", "get", key)


def test_an_old_lease_of_this_host_is_removed_and_others_stay(etcd, seed, shell, tmp_path):
    old = f"{KEYS}/subnets/172.7.57.0-24"
    other = f"{KEYS}/subnets/172.7.130.0-24"
    etcd.v2("set", "--ttl", "86400", old, seed["k8s-node1"].plan.flannel.reservations[0].lease)
    etcd.v2("set", other, seed["k8s-node2"].plan.flannel.reservations[0].lease)
    done = reserve(etcd, seed["k8s-node1"], shell, tmp_path)
    assert "removed the old lease" in done.stdout
    assert sorted(etcd.v2("ls", f"{KEYS}/subnets").split()) == [f"{KEYS}/subnets/172.7.120.0-24", other]


def test_a_subnet_that_another_host_holds_is_never_taken(etcd, seed, shell, tmp_path):
    key = f"{KEYS}/subnets/172.7.120.0-24"
    etcd.v2("set", key, seed["k8s-node2"].plan.flannel.reservations[0].lease)
    done = reserve(etcd, seed["k8s-node1"], shell, tmp_path)
    assert done.returncode == 1
    assert "belongs to another host" in done.stderr
    assert "10.1.1.130" in etcd.v2("get", key)


def test_a_network_that_is_there_is_not_overwritten(etcd, seed, shell, tmp_path):
    etcd.v2("set", f"{KEYS}/config", '{"Network":"172.7.0.0/16","Backend":{"Type":"vxlan"}}')
    assert reserve(etcd, seed["k8s-node1"], shell, tmp_path).returncode == 0
    assert "vxlan" in etcd.v2("get", f"{KEYS}/config")


def test_another_network_in_etcd_is_an_error_and_stays(etcd, seed, shell, tmp_path):
    etcd.v2("set", f"{KEYS}/config", '{"Network":"10.244.0.0/16","Backend":{"Type":"host-gw"}}')
    done = reserve(etcd, seed["k8s-node1"], shell, tmp_path)
    assert done.returncode == 1
    assert "is not about 172.7.0.0/16" in done.stderr
    assert "10.244" in etcd.v2("get", f"{KEYS}/config")


def test_a_host_without_etcdctl_relies_on_subnet_env(seed, shell, tmp_path):
    script = tmp_path / "reserve-subnet"
    script.write_bytes(seed["k8s-node1"].files[RESERVE])
    environ = os.environ | {"ETCDCTL": "/nonexistent"}
    done = subprocess.run([*shell, script], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0
    assert "subnet.env alone asks for 172.7.120.0/24" in done.stdout


def test_an_etcd_that_does_not_answer_is_an_error_that_systemd_retries(etcd, seed, shell, tmp_path):
    script = tmp_path / "reserve-subnet"
    script.write_bytes(seed["k8s-node1"].files[RESERVE])
    nowhere = {"ETCDCTL": etcd.etcdctl, "ETCD_ENDPOINTS": "https://127.0.0.1:1", "FLANNEL_SSL": str(etcd.ssl)}
    done = subprocess.run([*shell, script], capture_output=True, text=True, check=False, env=os.environ | nowhere)
    assert done.returncode == 1
    assert "etcd does not answer" in done.stderr


def test_the_script_is_clean_for_shellcheck(seed, tmp_path):
    script = tmp_path / "reserve-subnet"
    script.write_bytes(seed["k8s-node1"].files[RESERVE])
    done = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hostile_values_stay_values_in_the_script(rendered, tmp_path):
    """The door refuses such a prefix; should it ever come through, the shell must not run it."""
    flannel = replace(network().flannel, etcd_prefix="/x'; touch pwned; '")
    node = rendered(cluster(network=network(flannel=flannel)))["k8s-node1"]
    script = tmp_path / "reserve-subnet"
    script.write_bytes(node.files[RESERVE])
    environ = os.environ | {"ETCDCTL": "/bin/true"}
    subprocess.run(["dash", script], capture_output=True, check=False, env=environ, cwd=tmp_path)
    assert not (tmp_path / "pwned").exists()
