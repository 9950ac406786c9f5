"""install.sh of real bundles, under four shells: the tree that the manifest says, twice."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys

import pytest

from builder.pack.manifest import parse_manifest
from tests.kit import HOSTS, SHELLS


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[-1])
def shell(request):
    return request.param


def snapshot(folder):
    """Everything below: kind, mode, owner, content and the time it was last changed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            content,
            status.st_mtime_ns,
        )
    return found


@pytest.mark.parametrize("name", HOSTS)
def test_root_gives_the_tree_of_the_manifest_and_a_second_run_changes_nothing(built, shell, name, tmp_path):
    bundle, host = built.folder / name, tmp_path / "host"
    host.mkdir()
    subprocess.run([*shell, bundle / "install.sh", "--root", host], check=True, capture_output=True)
    for entry in parse_manifest((bundle / "MANIFEST").read_text()):
        place = host / entry.path.lstrip("/")
        if entry.kind == "link":
            assert os.readlink(place) == entry.target
            continue
        if entry.kind != "block":
            assert stat.S_IMODE(place.stat().st_mode) == entry.mode, entry.path
        if entry.kind == "file":
            assert hashlib.sha256(place.read_bytes()).hexdigest() == entry.sha256, entry.path
    assert "10.1.1.120 k8s-node1" in (host / "etc/hosts").read_text()
    before = snapshot(host)
    again = subprocess.run([*shell, bundle / "install.sh", "--root", host], check=True, capture_output=True, text=True)
    assert snapshot(host) == before
    assert "nothing to do" in again.stdout


def test_on_a_host_with_another_name_nothing_is_written_and_why_is_said(built, shell):
    """In a mount namespace whose whole tree is read-only: an attempt to write would fail, and be seen."""
    script = built.folder / "k8s-node1" / "install.sh"
    guarded = [
        "unshare",
        "--mount",
        "--uts",
        "sh",
        "-c",
        'mount -o remount,bind,ro / && hostname other && exec "$@"',
        "sh",
    ]
    done = subprocess.run([*guarded, *shell, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[Hostname] this host is called other" in done.stderr
    assert "nothing was written" in done.stderr
    assert "Read-only" not in done.stderr


def test_an_image_with_another_name_is_refused(built, shell, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("other\n")
    before = snapshot(tmp_path)
    script = built.folder / "k8s-node1" / "install.sh"
    done = subprocess.run([*shell, script, "--root", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert snapshot(tmp_path) == before


def test_uninstall_gives_back_the_tree_as_it_was(built, shell, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "etc/crictl.yaml").write_text("mine\n")
    before = {path: value[:4] for path, value in snapshot(tmp_path).items()}
    script = built.folder / "k8s-node1" / "install.sh"
    for action in ([], ["--uninstall"]):
        subprocess.run([*shell, script, "--root", tmp_path, *action], check=True, capture_output=True)
    assert {path: value[:4] for path, value in snapshot(tmp_path).items()} == before


def test_the_generated_script_is_clean_for_shellcheck(built):
    done = subprocess.run(
        ["shellcheck", "-s", "sh", built.folder / "k8s-node1" / "install.sh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_flipped_bit_in_a_real_bundle_is_refused(built, shell, tmp_path):
    bundle = shutil.copytree(built.folder / "k8s-node1", tmp_path / "k8s-node1")
    victim = bundle / "root/opt/kubernetes/bin/kubelet"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 4
    victim.write_bytes(content)
    (tmp_path / "host").mkdir()
    done = subprocess.run(
        [*shell, bundle / "install.sh", "--root", tmp_path / "host"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "opt/kubernetes/bin/kubelet" in done.stderr
    assert list((tmp_path / "host").iterdir()) == []


@pytest.mark.parametrize("unit", ["kubelet", "kube-proxy", "flanneld"])
def test_the_command_lines_satisfy_stand_ins_that_hold_the_real_contract(built, unit, tmp_path):
    """Each unit's ExecStart in a chroot-like mount namespace, so that every path is the host's own."""
    host = tmp_path / "host"
    host.mkdir()
    subprocess.run([built.folder / "k8s-node1" / "install.sh", "--root", host], check=True, capture_output=True)
    (host / "run/flannel").mkdir(parents=True)
    shutil.copy(host / "opt/flannel/subnet.env", host / "run/flannel/subnet.env")
    command = exec_start((host / f"etc/systemd/system/{unit}.service").read_text(), host)
    mounts = "mkdir -p /opt && mount -t tmpfs t /opt && mkdir /opt/kubernetes /opt/flannel && "
    mounts += f"mount --bind {host}/opt/kubernetes /opt/kubernetes && mount --bind {host}/opt/flannel /opt/flannel"
    guarded = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
    done = subprocess.run(
        [*guarded, sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"STANDIN_ONCE": "1"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "as the real program wants them" in done.stderr


def exec_start(text, host):
    """The words of ExecStart, its environment file's variable put in."""
    text = text.replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    for environment in (line for line in text.splitlines() if line.startswith("EnvironmentFile=")):
        content = (host / environment.partition("=")[2].lstrip("/")).read_text().replace("\\\n", " ")
        name, value = shlex.split(content)[0].split("=", 1)
        line = line.replace(f"${name}", value)
    return shlex.split(line)
