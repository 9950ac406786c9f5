"""The command as a user meets it: every verb, its exit codes, and no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile

import pytest
import yaml

from tests.kit import ROOT


def test_init_writes_a_file_that_validates_and_never_overwrites(site):
    done = site.bundler("init", "new.yaml")
    assert "Wrote new.yaml" in done.stdout
    assert "good; 3 nodes" in site.bundler("validate", "new.yaml").stdout
    again = site.bundler("init", "new.yaml", check=False)
    assert again.returncode == 1
    assert "is there already; give another name, or --force" in again.stderr


def test_plan_as_table_json_and_yaml_say_the_same(site):
    table = site.bundler("plan", *site.options[:2]).stdout
    assert re.search(r"^k8s-node1 +10\.1\.1\.120 +amd64 +etcd,worker +172\.7\.120\.0/24$", table, re.MULTILINE)
    assert "to be issued" in table
    as_json = json.loads(site.bundler("plan", "-o", "json").stdout)
    as_yaml = yaml.safe_load(site.bundler("plan", "-o", "yaml").stdout)
    ids = [item["id"] for item in as_json["certificates"]]
    assert ids == [item["id"] for item in as_yaml["certificates"]]
    assert {item["component"]: item["pinned"] for item in as_json["artifacts"]}["flannel"] == "not pinned yet"
    assert sorted(path.name for path in site.folder.iterdir()) == ["cluster.yaml"], "plan writes nothing"


def test_plan_knows_sizes_and_windows_once_there_are_any(site):
    site.build()
    planned = json.loads(site.bundler("plan", "-o", "json", *site.options[:2], *site.options[-2:]).stdout)
    assert all(item["size"] for item in planned["artifacts"])
    assert {item["state"] for item in planned["certificates"]} == {"kept"}


def test_validate_gives_problems_as_json(site):
    text = (site.folder / "cluster.yaml").read_text()
    (site.folder / "cluster.yaml").write_text(text.replace("10.1.1.130", "300.1.1.1"))
    done = site.bundler("validate", "-o", "json", check=False)
    assert done.returncode == 2
    (first, *_) = json.loads(done.stdout)
    assert {"file", "line", "column", "field", "wrong", "remedy"} == set(first)


def test_schema_is_json(site):
    assert json.loads(site.bundler("schema").stdout)["title"] == "bundler cluster.yaml"


def test_fetch_fills_the_store_and_offline_builds_from_it_alone(site, mirror, tmp_path):
    cold = ("--cache", tmp_path / "cold", "--recipes", mirror / "recipes")
    missing = site.bundler("build", "--offline", *cold, check=False)
    assert missing.returncode == 1
    assert missing.stderr.count("https://") >= 9, "everything that is missing is listed at once"
    assert "15 artifacts in the store" in site.bundler("fetch", *mirror.options, "--cache", tmp_path / "cold").stdout
    assert not (site.folder / "dist").exists()
    site.bundler("build", "--offline", *cold)
    assert (site.dist / "index.json").exists()


def test_lock_records_what_no_recipe_pins(site, mirror, tmp_path):
    """Only the recipe of flannel is the shipped one here, so it is what nobody pins."""
    (tmp_path / "recipes").mkdir()
    for path in (mirror / "recipes").iterdir():
        if path.name != "flannel.toml":
            (tmp_path / "recipes" / path.name).write_bytes(path.read_bytes())
    options = ("--recipes", tmp_path / "recipes", *mirror.options[2:], "--cache", tmp_path / "cold")
    refused = site.bundler("build", "--require-digests", *options, check=False)
    assert refused.returncode == 1
    assert "flannel v0.17.0 amd64" in refused.stderr
    done = site.bundler("lock", *options)
    assert "WARNING: NOBODY PUBLISHES A DIGEST OF flannel v0.17.0 amd64" in done.stderr
    assert "1 artifacts are pinned by" in done.stdout
    assert "flannel-v0.17.0-linux-amd64.tar.gz" in (site.folder / "bundler.lock").read_text()
    again = site.bundler("build", "--require-digests", *options)
    assert "NOBODY PUBLISHES" not in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "none.yaml"), "none.yaml: cannot be read (No such file or directory); write one with"),
        (("build", "."), "cannot be read (Is a directory)"),
        (("verify", "cluster.yaml"), "not a whole bundle"),
        (("inspect", "none.tar.gz"), "No such file"),
        (("build", "--recipes", "none"), "none: no such folder"),
        (("build", "--mirror", "ftp://x"), "neither an http(s) URL nor a folder"),
        (("plan", "-o", "xml"), "Invalid value"),
        (("biuld",), "No such command"),
    ],
)
def test_wrong_calls_are_one_clear_message(site, arguments, said):
    done = site.bundler(*arguments, check=False)
    assert done.returncode in {1, 2}
    assert said in done.stderr


def test_a_given_ca_with_a_passphrase_signs_and_stays_where_it_is(site):
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=theirs", "-days", "900"]
    make += ["-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca-key.pem", "-out", "ca.pem"]
    subprocess.run([*make, "-passout", "pass:s3cret"], cwd=site.folder, check=True, capture_output=True)
    text = (site.folder / "cluster.yaml").read_text()
    given = "  pki:\n    clusterCA: {certificate: ca.pem, key: ca-key.pem, passphraseEnv: CA_PASS}\n"
    (site.folder / "cluster.yaml").write_text(text.replace("  pki:\n", given))
    unset = site.build(check=False)
    assert unset.returncode == 2
    assert "spec.pki.clusterCA: passphraseEnv: CA_PASS is not set; export it" in unset.stderr
    wrong = site.build(check=False, environ={"CA_PASS": "wr0ng"})
    assert wrong.returncode == 2
    assert "check the passphrase" in wrong.stderr
    assert "wr0ng" not in wrong.stderr
    assert not (site.folder / "dist").exists()
    done = site.build(environ={"CA_PASS": "s3cret"})
    assert "s3cret" not in done.stdout + done.stderr
    assert not (site.folder / "state/three-node/pki/cluster-ca-key.pem").exists()
    subprocess.run(["tar", "xzf", site.dist / "k8s-node1.tar.gz"], cwd=site.folder, check=True)
    serving = site.folder / "k8s-node1/root/opt/kubernetes/ssl/kubelet-serving.pem"
    subprocess.run(["openssl", "verify", "-CAfile", site.folder / "ca.pem", serving], check=True, capture_output=True)


def test_one_ca_for_cluster_and_etcd_is_refused_unless_accepted(site):
    """pitfall 20"""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=one", "-days", "900"]
    subprocess.run([*make, "-keyout", "ca-key.pem", "-out", "ca.pem"], cwd=site.folder, check=True, capture_output=True)
    text = (site.folder / "cluster.yaml").read_text()
    both = "".join(f"    {ca}: {{certificate: ca.pem, key: ca-key.pem}}\n" for ca in ("clusterCA", "etcdCA"))
    (site.folder / "cluster.yaml").write_text(text.replace("  pki:\n", "  pki:\n" + both))
    done = site.build(check=False)
    assert done.returncode == 2
    assert "any kubelet could read and write all of etcd" in done.stderr
    (site.folder / "cluster.yaml").write_text(text.replace("  pki:\n", "  pki:\n    allowSharedCA: true\n" + both))
    site.build()


def test_a_bootstrap_token_comes_from_the_environment_and_is_shown_to_nobody(site):
    text = (site.folder / "cluster.yaml").read_text()
    joined = text.replace("    method: certificate", '    method: bootstrap-token\n    token: "${TOKEN}"')
    (site.folder / "cluster.yaml").write_text(joined)
    secret = "abcdef.0123456789abcdef"
    done = site.build(environ={"TOKEN": secret})
    assert secret not in done.stdout + done.stderr
    subprocess.run(["tar", "xzf", site.dist / "k8s-node1.tar.gz"], cwd=site.folder, check=True)
    holders = [
        path.relative_to(site.folder).as_posix()
        for path in (site.folder / "k8s-node1").rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert holders == ["k8s-node1/root/opt/kubernetes/cfg/bootstrap.kubeconfig"]


def test_both_arches_in_one_cluster(site, mirror, tmp_path):
    """The mirror holds amd64 only: what an arm64 node needs is asked for by its own URLs."""
    text = (site.folder / "cluster.yaml").read_text()
    (site.folder / "cluster.yaml").write_text(
        text.replace("    - name: k8s-node2\n", "    - name: k8s-node2\n      arch: arm64\n")
    )
    planned = json.loads(site.bundler("plan", "-o", "json").stdout)
    urls = [item["url"] for item in planned["artifacts"] if item["arch"] == "arm64"]
    assert len(urls) == 12
    assert all("arm64" in url or url.startswith("docker://") for url in urls), "an image's list holds every arch"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(site, shell):
    assert "_BUNDLER_COMPLETE" in site.bundler("completion", shell).stdout


def test_completion_works_in_bash(site):
    asked = (
        os.environ
        | {"PYTHONPATH": str(ROOT)}
        | {"_BUNDLER_COMPLETE": "bash_complete", "COMP_WORDS": "bundler va", "COMP_CWORD": "1"}
    )
    done = subprocess.run(
        [sys.executable, "-c", "from builder.cli import main; main(prog_name='bundler')"],
        env=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "plain,validate"


def test_the_wheel_holds_recipes_and_overlays_and_no_stand_in(tmp_path):
    make = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(make, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "builder/_assets/recipes/kubelet.toml" in names
    assert "builder/_assets/overlays/kubelet/opt/kubernetes/cfg/kubelet-config.yml.j2" in names
    assert "builder/installer/90-main.sh" in names
    assert not [name for name in names if "standin" in name or name.startswith(("tests", "demo"))]
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    run = [sys.executable, "-m", "builder", "validate", str(ROOT / "examples/three-node/cluster.yaml")]
    environ = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bars_on_a_terminal_and_plain_lines_elsewhere(site, tmp_path):
    """`script` gives the command a terminal of its own."""
    quoted = " ".join(str(part) for part in site.options[:-2])
    command = f"{sys.executable} -m builder fetch {quoted} --cache {tmp_path}/cold"
    environ = {key: value for key, value in os.environ.items() if key != "CI"} | {
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
    }
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=site.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b[" in done.stdout
    plain = site.bundler("fetch", *site.options[:-2], "--cache", tmp_path / "colder").stderr
    assert "\x1b[" not in plain
    assert "fetched kubelet v1.24.0 amd64" in plain
