"""`bundler build` as a user runs it: the seed's three nodes, the same bytes twice, nothing half there."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.build.conftest import Site
from tests.kit import HOSTS, ROOT


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_three_tarballs_with_sums_and_index(built):
    names = {path.name for path in built.dist.iterdir()}
    assert names == {f"{host}.tar.gz" for host in HOSTS} | {"SHA256SUMS", "index.json"}
    subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=built.dist, check=True, capture_output=True)
    index = json.loads((built.dist / "index.json").read_text())
    assert [item["node"] for item in index["bundles"]] == list(HOSTS)
    assert index["cluster"] == "three-node"


def test_bundles_are_for_their_owner_only(built):
    for path in built.dist.glob("*.tar.gz"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_verify_passes_and_inspect_tells_without_unpacking(built):
    for host, address in HOSTS.items():
        tarball = built.dist / f"{host}.tar.gz"
        assert "good" in built.bundler("verify", tarball).stdout
        text = built.bundler("inspect", tarball, "--files").stdout
        assert f"{host} ({address}, amd64)" in text
        assert "/opt/kubernetes/bin/kubelet" in text
        assert "STAND-IN" in text
        assert re.search(r"^  k8s\.gcr\.io/pause:3\.7  sha256:[0-9a-f]{64}$", text, re.MULTILINE)
        assert json.loads(built.bundler("inspect", tarball, "-o", "json").stdout)["node"] == host


def test_a_signed_build_is_the_same_every_time_and_names_its_signer(site, tmp_path):
    for name in ("mine", "other"):
        key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / name]
        subprocess.run(key, check=True)
        public = ["openssl", "ec", "-in", tmp_path / name, "-pubout", "-out", tmp_path / f"{name}.pub"]
        subprocess.run(public, check=True, capture_output=True)
    site.build("--sign-key", tmp_path / "mine")
    first = digests(site.dist)
    site.build("--sign-key", tmp_path / "mine")
    assert digests(site.dist) == first
    tarball = site.dist / "k8s-node1.tar.gz"
    assert "files; signed\n" in site.bundler("verify", "--key", tmp_path / "mine.pub", tarball).stdout
    assert "not one of" in site.bundler("verify", "--key", tmp_path / "other.pub", tarball, check=False).stderr
    site.build()
    assert "not signed" in site.bundler("verify", "--key", tmp_path / "mine.pub", tarball, check=False).stderr
    assert "/dev/null: the private key cannot be read" in site.build("--sign-key", "/dev/null", check=False).stderr


@pytest.fixture
def elsewhere():
    """A folder that another user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_another_folder_day_umask_locale_user_and_zone_give_the_same_bytes(built, mirror, elsewhere):
    """reprotest's idea: everything around the build is different, the inputs and the state are not."""
    site = Site(elsewhere / "a folder" / "of another name", ())
    shutil.copytree(built.folder / "state", site.folder / "state")
    shutil.copy(built.folder / "cluster.yaml", site.folder)
    for name in ("files", "recipes"):
        shutil.copytree(mirror / name, elsewhere / "other mirror" / name)
    (elsewhere / "home").mkdir()
    for path in elsewhere.rglob("*"):
        shutil.chown(path, "nobody", "nogroup")
    surroundings = {
        "HOME": str(elsewhere / "home"),
        "TZ": "Asia/Shanghai",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
    }
    # python itself may lie where only root can read, so the modules are loaded before the user changes
    can_switch = os.geteuid() == 0 and all(folder.stat().st_mode & 0o005 == 0o005 for folder in (ROOT, *ROOT.parents))
    program = f"""
import os, sys, time, datetime
os.umask(0o007)
real = datetime.datetime
class Later(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(days=3, hours=5)
datetime.datetime = Later
sys.path.insert(0, {str(ROOT)!r})
import codecs, jsonschema
codecs.lookup("unicode-escape")  # jinja2 asks for it late
from builder.cli import main
if {can_switch}:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
main(prog_name="bundler")
"""
    other = elsewhere / "other mirror"
    options = [
        "--recipes",
        str(other / "recipes"),
        "--mirror",
        str(other / "files"),
        "--image-mirror",
        mirror.url,
        "--jobs",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", program, "build", *options],
        cwd=site.folder,
        env={"PATH": os.environ["PATH"], **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "issued" not in done.stderr, "a second build keeps what is there"
    assert digests(site.dist) == digests(built.dist)


def test_a_second_build_with_a_cold_store_gives_the_same_bytes(site, tmp_path):
    site.build()
    first = digests(site.dist)
    done = site.build("--cache", tmp_path / "cold")
    assert digests(site.dist) == first
    assert "issued" not in done.stderr


def test_only_what_changed_is_issued_anew_and_is_said(site):
    first = site.build()
    assert "made the cluster CA" in first.stderr
    text = (site.folder / "cluster.yaml").read_text()
    (site.folder / "cluster.yaml").write_text(text.replace("10.1.1.130", "10.1.1.131"))
    second = site.build("--allow-subnet-change")
    issued = re.findall(r"issued certificate (\S+):", second.stderr)
    assert sorted(issued) == ["k8s-node2/etcd", "k8s-node2/etcd-peer", "k8s-node2/kubelet-serving"]
    assert "its names or addresses changed" in second.stderr


def test_openssl_verifies_every_certificate_for_its_purpose(built):
    for host in HOSTS:
        root = built.folder / host / "root"
        for certificate, ca, purpose in (
            ("opt/kubernetes/ssl/kubelet-serving.pem", "opt/kubernetes/ssl/ca.pem", "sslserver"),
            ("opt/flannel/ssl/etcd.pem", "opt/flannel/ssl/ca.pem", "sslclient"),
        ):
            verify = ["openssl", "verify", "-purpose", purpose, "-CAfile", root / ca, root / certificate]
            subprocess.run(verify, check=True, capture_output=True)


def secrets_in(folder, keys):
    """Which of the state's keys an unpacked bundle holds, in whatever file."""
    held = set()
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            if path.name.endswith("kubeconfig"):
                text += base64.b64decode(yaml.safe_load(text)["users"][0]["user"]["client-key-data"])
            held |= {name for name, line in keys.items() if line.encode() in text}
    return held


def test_every_bundle_holds_its_own_keys_and_no_others(built):
    state = built.folder / "state" / "three-node" / "pki"
    # a line of a PEM file's body is enough to find it by, and a key that is no PEM file is one line
    keys = {
        path.relative_to(state).as_posix(): (path.read_text().splitlines() * 2)[1] for path in state.rglob("*-key.pem")
    }
    assert {"etcd-ca-key.pem", "front-proxy-ca-key.pem", "cluster/admin-key.pem"} <= set(keys)
    roles = {
        "worker": ["kubelet", "kubelet-serving", "flannel-etcd"],
        "etcd": ["etcd", "etcd-peer", "etcd-client"],
        "control-plane": [
            "apiserver",
            "apiserver-kubelet-client",
            "apiserver-etcd-client",
            "front-proxy-client",
            "controller-manager",
            "scheduler",
            "admin",
        ],
    }
    for host in HOSTS:
        names = roles["worker"] + roles["etcd"]
        shared = {"cluster/kube-proxy-key.pem"}
        if host == "k8s-master1":
            names = names + roles["control-plane"]
            shared |= {"cluster-ca-key.pem", "service-account-key.pem", "encryption-key-key.pem"}
        assert secrets_in(built.folder / host, keys) == {f"{host}/{name}-key.pem" for name in names} | shared


def test_the_cas_key_is_in_no_bundle_where_it_is_to_be_kept_back(site):
    described = yaml.safe_load((site.folder / "cluster.yaml").read_text())
    described["spec"]["pki"]["caKeyOnHosts"] = False
    (site.folder / "cluster.yaml").write_text(yaml.safe_dump(described))
    site.build()
    line = (site.folder / "state/three-node/pki/cluster-ca-key.pem").read_text().splitlines()[1]
    for host in HOSTS:
        subprocess.run(["tar", "xzf", site.dist / f"{host}.tar.gz"], cwd=site.folder, check=True)
        assert not secrets_in(site.folder / host, {"ca": line})


def test_the_operators_kubeconfig_is_in_the_state_folder_for_its_owner_only(built):
    path = built.folder / "state" / "three-node" / "admin.kubeconfig"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://10.1.1.100:6443"


def test_nothing_secret_in_output_reports_and_lists(built, site):
    said = site.build()
    texts = [said.stdout, said.stderr, (site.dist / "index.json").read_text()]
    texts += [(built.folder / host / "manifest.json").read_text() for host in HOSTS]
    assert not [text for text in texts if "PRIVATE" in text]


def test_a_failing_build_leaves_the_old_dist_and_no_litter(site):
    site.build()
    before = digests(site.dist)
    (site.folder / "overlays" / "host" / "etc").mkdir(parents=True)
    (site.folder / "overlays" / "host" / "etc" / "motd.j2").write_text("{{ nothing.here }}")
    done = site.build(check=False)
    assert done.returncode == 2
    assert "motd.j2:1: 'nothing' is undefined" in done.stderr
    assert digests(site.dist) == before
    assert [path.name for path in (site.folder / "dist").iterdir()] == ["three-node"]


def test_files_that_no_build_made_are_not_thrown_away(site):
    site.build()
    (site.dist / "my-notes.txt").write_text("precious")
    done = site.build(check=False)
    assert done.returncode == 1
    assert "my-notes.txt" in done.stderr
    assert (site.dist / "my-notes.txt").read_text() == "precious"


def test_overlays_and_recipes_beside_cluster_yaml_extend_the_shipped_ones(site):
    (site.folder / "recipes").mkdir()
    (site.folder / "recipes" / "motd.toml").write_text(
        'name = "motd"\nsummary = "a greeting"\nlicence = "MIT"\nroles = ["worker"]\n'
        '[overlay."/etc/motd"]\nmode = "0640"\n'
    )
    (site.folder / "overlays" / "motd" / "etc").mkdir(parents=True)
    (site.folder / "overlays" / "motd" / "etc" / "motd.j2").write_text("{{ node.name }} of {{ cluster.name }}\n")
    site.build()
    subprocess.run(["tar", "xzf", site.dist / "k8s-node1.tar.gz"], cwd=site.folder, check=True)
    motd = site.folder / "k8s-node1" / "root" / "etc" / "motd"
    assert motd.read_text() == "k8s-node1 of three-node\n"
    assert stat.S_IMODE(motd.stat().st_mode) == 0o640


def test_a_removed_node_leaves_dist_and_moves_nobody(site):
    site.build()
    described = yaml.safe_load((site.folder / "cluster.yaml").read_text())
    described["spec"]["nodes"] = described["spec"]["nodes"][:2]
    described["spec"]["nodes"][1]["roles"] = ["worker"]
    (site.folder / "cluster.yaml").write_text(yaml.safe_dump(described))
    site.build()
    assert not (site.dist / "k8s-node2.tar.gz").exists()
    kept = json.loads((site.folder / "state" / "three-node" / "allocations.json").read_text())
    assert kept["k8s-node2"] == "172.7.130.0/24"


def test_a_nodes_subnet_does_not_move_unasked(site):
    site.build()
    described = yaml.safe_load((site.folder / "cluster.yaml").read_text())
    described["spec"]["nodes"][1]["podSubnet"] = "172.7.7.0/24"
    (site.folder / "cluster.yaml").write_text(yaml.safe_dump(described))
    done = site.build(check=False)
    assert done.returncode == 2
    assert re.search(
        r"cluster\.yaml:\d+:\d+: spec\.nodes\[1\]\.podSubnet: k8s-node1 has had 172\.7\.120\.0/24", done.stderr
    )
    site.build("--allow-subnet-change")


def test_the_cluster_file_may_come_from_standard_input(site):
    text = (site.folder / "cluster.yaml").read_text()
    (site.folder / "cluster.yaml").unlink()
    site.build("-", stdin=text)
    assert (site.dist / "index.json").exists()


def test_bad_input_is_exit_2_with_places_and_nothing_written(site):
    text = (site.folder / "cluster.yaml").read_text()
    (site.folder / "cluster.yaml").write_text(text.replace("10.1.1.120", "10.1.1.100"))
    done = site.build(check=False)
    assert done.returncode == 2
    assert re.search(r"^cluster\.yaml:\d+:\d+: spec\.nodes\[1\]\.address: ", done.stderr, re.MULTILINE)
    assert "nothing was written" in done.stderr
    assert sorted(path.name for path in site.folder.iterdir()) == ["cluster.yaml"]


@pytest.mark.parametrize("value", ["yesterday", "-1", "1.5", "99999999999999"])
def test_a_malformed_source_date_epoch_is_an_error(site, value):
    done = site.build(environ={"SOURCE_DATE_EPOCH": value}, check=False)
    assert done.returncode == 2
    assert "SOURCE_DATE_EPOCH" in done.stderr


def test_source_date_epoch_is_the_time_of_every_file(site):
    site.build(environ={"SOURCE_DATE_EPOCH": "1700000000"})
    listing = subprocess.run(
        ["tar", "tvzf", site.dist / "k8s-node1.tar.gz", "--utc", "--full-time"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert all("2023-11-14 22:13:20" in line for line in listing.splitlines())


def test_stand_ins_are_said_aloud_by_build_and_by_install(site, built, tmp_path):
    assert "WARNING: kubelet: not upstream's own file" in site.build().stderr
    (tmp_path / "host").mkdir()
    done = subprocess.run(
        [built.folder / "k8s-node1" / "install.sh", "--root", tmp_path / "host"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "STAND-IN" in done.stdout + done.stderr
