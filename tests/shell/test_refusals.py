"""What install.sh refuses: wrong hosts, damaged bundles, failed preflights. Nothing is written by any of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host, Result, resum


def refused(host: Host, shell: str, *args: str) -> Result:
    """Run an install that must be refused, and see that the host stays as it is."""
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", *args)
    assert done.code == 1
    assert "nothing was written" in done.err
    assert host.tree(times=True) == before
    assert host.calls() == []
    return done


def flip(folder: Path) -> None:
    path = folder / "root/opt/kubernetes/bin/kubelet"
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


def swap(folder: Path) -> None:
    first, second = (
        folder / "root/etc/containerd/config.toml",
        folder / "root/opt/kubernetes/cfg/kubelet-config.yml",
    )
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def link(folder: Path) -> None:
    path = folder / "root/etc/containerd/config.toml"
    path.rename(folder / "root/etc/elsewhere")
    path.symlink_to("../elsewhere")


def edit_manifest(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / "MANIFEST").read_text()
        assert old in text
        (folder / "MANIFEST").write_text(text.replace(old, new, 1))
        resum(folder)

    return edit


def add_and_sum(folder: Path) -> None:
    (folder / "root/etc/extra").write_text("x")
    resum(folder)


TAMPERINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (flip, "./root/opt/kubernetes/bin/kubelet: not what was built"),
    "a cut file": (
        lambda f: (f / "root/opt/kubernetes/bin/kubelet").write_bytes(b"\x7fELF"),
        "kubelet: not what was built",
    ),
    "an added file": (lambda f: (f / "root/etc/extra").write_text("x"), "./root/etc/extra: not listed"),
    "an added file with a newline": (lambda f: (f / "root/etc/a\n.").write_text("x"), "not listed"),
    "an added file in both lists but not in MANIFEST": (add_and_sum, "root/etc/extra: not in MANIFEST"),
    "a removed file": (
        lambda f: (f / "root/etc/containerd/config.toml").unlink(),
        "./root/etc/containerd/config.toml: missing",
    ),
    "swapped files": (swap, "not what was built"),
    "a link": (link, "./root/etc/containerd/config.toml: neither a file nor a folder"),
    "a pipe": (lambda f: os.mkfifo(f / "root/etc/pipe"), "./root/etc/pipe: neither"),
    "a changed script": (
        lambda f: (f / "install.sh").write_text((f / "install.sh").read_text() + "\n"),
        "./install.sh: not what",
    ),
    "no MANIFEST": (lambda f: (f / "MANIFEST").unlink(), "./MANIFEST: missing"),
    "no SHA256SUMS": (lambda f: (f / "SHA256SUMS").unlink(), "./SHA256SUMS: missing"),
    "an empty SHA256SUMS": (lambda f: (f / "SHA256SUMS").write_text(""), "not listed"),
    "a SHA256SUMS of other words": (
        lambda f: (f / "SHA256SUMS").write_text("hello\n"),
        "SHA256SUMS: line 1 cannot be read",
    ),
    "a MANIFEST of another format": (edit_manifest("manifest 1", "manifest 2"), "not a manifest of format 1"),
    "a path that climbs": (edit_manifest(" /opt/kubernetes/logs", " /opt/../logs"), "cannot be read"),
    "a path that is relative": (
        edit_manifest(" /opt/kubernetes/logs", " opt/kubernetes/logs"),
        "cannot be read",
    ),
    "a path twice": (edit_manifest("/opt/kubernetes/logs", "/opt/kubernetes/ssl"), "cannot be read"),
    "an unknown kind": (edit_manifest("dir -", "device -"), "unknown kind"),
    "an odd mode": (
        edit_manifest(" 0755 0:0 kubelet.service /opt", " 9755 0:0 kubelet.service /opt"),
        "mode or owner",
    ),
    "odd units": (edit_manifest(" kubelet.service /opt", " $(id) /opt"), "units cannot be read"),
    "a hash of another file": (edit_manifest("file ", "file 0"), "not in the bundle"),
}


@pytest.mark.parametrize("what", list(TAMPERINGS))
def test_a_bundle_with_this_is_refused(host: Host, bundle: Bundle, toolset: str, what: str) -> None:
    folder = bundle.write(host.root / "root/bundle")
    tamper, said = TAMPERINGS[what]
    tamper(folder)
    done = refused(host, toolset, "--ignore-preflight-errors=all")
    assert said in done.err
    assert host.run(toolset, "/root/bundle", "--verify").code == 1


def test_verify_accepts_a_whole_bundle_and_writes_nothing(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", "--verify")
    assert (done.code, done.out, done.err) == (0, "the bundle is whole\n", "")
    assert host.tree(times=True) == before


def test_a_user_who_is_not_root_is_refused(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    (host.root / "root").chmod(0o755)
    before = host.tree()
    command = host.command(shell, "/root/bundle")
    command[command.index("chroot") : command.index("chroot") + 1] = ["chroot", "--userspec=65534:65534"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "install.sh: [Root] run this as root; nothing was written\n"
    assert host.tree() == before


def test_a_host_with_another_name_is_refused(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    host.outside("hostname", "k8s-node2")
    done = refused(host, shell, "--ignore-preflight-errors=all")
    assert "[Hostname] this host is called k8s-node2" in done.err
    assert host.run(shell, "/root/bundle", "--ignore-preflight-errors=Hostname").code == 0


@pytest.mark.parametrize("name", ["k8s-node1.example.com", "K8S-NODE1"])
def test_a_longer_name_of_the_same_host_is_accepted(host: Host, bundle: Bundle, toolset: str, name: str) -> None:
    bundle.write(host.root / "root/bundle")
    host.outside("hostname", name)
    assert host.run(toolset, "/root/bundle", "--dry-run").code == 2


def test_a_node_name_with_a_dot_wants_the_whole_name(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["NODE"] = "k8s-node1.example.com"
    bundle.write(host.root / "root/bundle")
    assert "[Hostname]" in refused(host, shell).err
    (host.root / "etc/hostname").write_text("k8s-node1.example.com\n")
    assert host.run(shell, "/root/bundle", "--dry-run").code == 2


def test_a_host_with_another_address_is_refused(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    host.outside("ip", "addr", "del", "10.1.1.120/32", "dev", "lo")
    host.outside("ip", "addr", "add", "10.1.1.12/32", "dev", "lo")
    done = refused(host, shell, "--ignore-preflight-errors", "all")
    assert "[Address] no interface of this host has 10.1.1.120; it has: 127.0.0.1 10.1.1.12;" in done.err
    assert host.run(shell, "/root/bundle", "--ignore-preflight-errors=Address").code == 0


def test_a_host_of_another_architecture_is_refused(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["ARCH"] = {"amd64": "arm64", "arm64": "amd64"}[bundle.full_head()["ARCH"]]
    bundle.write(host.root / "root/bundle")
    assert "[Arch] this host is" in refused(host, shell, "--ignore-preflight-errors=all").err


def test_the_address_is_found_without_the_ip_command(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    script = ". /root/bundle/install.sh; cd /; command() { return 1; }; host_addresses"
    command = host.command(shell, "/root/bundle")[:-1]
    command[command.index("env") + 1 : command.index("env") + 2] = ["-i", "BUNDLER_INSTALL_LIB=1"]
    done = subprocess.run([*command, "-c", script], check=False, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == ["10.1.1.120", "127.0.0.1"]


def no_systemd(host: Host, bundle: Bundle) -> None:
    (host.root / "run/systemd/system").rmdir()


def old_systemd(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/systemd-version").write_text("systemd 219\n")


def no_module(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/no-module-bundler-two").touch()


def no_memory_cgroup(host: Host, bundle: Bundle) -> None:
    (host.root / "sys/fs/cgroup/cgroup.controllers").write_text("cpuset cpu io pids\n")


def early_clock(host: Host, bundle: Bundle) -> None:
    bundle.head["NOT_BEFORE"] = "3999999999"


def late_clock(host: Host, bundle: Bundle) -> None:
    bundle.head["NOT_AFTER"] = "1000000001"


def huge(host: Host, bundle: Bundle) -> None:
    bundle.head["DISK_KIB"] = "1999999999"


def few_inodes(host: Host, bundle: Bundle) -> None:
    host.outside("mount", "-t", "tmpfs", "-o", "nr_inodes=6,size=8m", "none", f"{host.root}/opt")


def kubeadm(host: Host, bundle: Bundle) -> None:
    (host.root / "etc/kubernetes").mkdir()
    (host.root / "etc/kubernetes/kubelet.conf").touch()


def foreign_unit(host: Host, bundle: Bundle) -> None:
    (host.root / "etc/systemd/system").mkdir(parents=True)
    (host.root / "etc/systemd/system/kubelet.service").write_text("[Service]\n")


def running_unit(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/units/containerd.service").write_text("active\n")


PREFLIGHTS = {
    "no systemd": (no_systemd, "Systemd", "systemd does not run here"),
    "an old systemd": (old_systemd, "Systemd", "systemd 219 is too old"),
    "a missing module": (no_module, "KernelModules", "the kernel has no module bundler-two"),
    "no memory cgroup": (no_memory_cgroup, "Cgroups", "the kernel's cgroups lack: memory"),
    "a clock before the window": (early_clock, "Clock", "before the time"),
    "a clock after the window": (late_clock, "Clock", "have ended"),
    "a small disk": (huge, "Disk", " needs 1953126 MiB free and has "),
    "few inodes": (few_inodes, "Inodes", "inodes free and has 5 inodes"),
    "kubeadm": (kubeadm, "ExistingKubernetes", "/etc/kubernetes/kubelet.conf is there"),
    "a foreign unit file": (
        foreign_unit,
        "ExistingKubernetes",
        "/etc/systemd/system/kubelet.service is there and not ours",
    ),
    "a foreign running unit": (
        running_unit,
        "ExistingKubernetes",
        "a unit containerd.service that is not ours runs",
    ),
}


@pytest.mark.parametrize("what", list(PREFLIGHTS))
def test_a_host_with_this_is_refused_by_name_unless_ignored(
    host: Host, bundle: Bundle, toolset: str, what: str
) -> None:
    prepare, name, said = PREFLIGHTS[what]
    prepare(host, bundle)
    bundle.write(host.root / "root/bundle")
    done = refused(host, toolset)
    assert f"[{name}]" in done.err
    assert said in done.err
    ignoring = host.run(toolset, "/root/bundle", "--dry-run", f"--ignore-preflight-errors=Ports,{name}")
    assert ignoring.code == 2
    assert f"warning: [{name}]" in ignoring.err


def test_all_failures_are_listed_at_once(host: Host, bundle: Bundle, shell: str) -> None:
    for prepare in (no_systemd, no_module, no_memory_cgroup, late_clock, kubeadm):
        prepare(host, bundle)
    bundle.write(host.root / "root/bundle")
    done = refused(host, shell)
    names = [line.split("]")[0].strip("[") for line in done.err.splitlines() if line.startswith("[")]
    assert names == ["Systemd", "KernelModules", "Cgroups", "Clock", "ExistingKubernetes"]
    assert host.run(shell, "/root/bundle", "--dry-run", "--ignore-preflight-errors=all").code == 2


def test_missing_commands_are_named(host: Host, bundle: Bundle, shell: str) -> None:
    host.outside("mount", "-t", "tmpfs", "none", f"{host.root}/usr/sbin")
    for name in ("iptables", "iptables-save"):
        (host.root / "fake" / name).unlink()
    bundle.write(host.root / "root/bundle")
    done = refused(host, shell)
    missing = done.err.split("[Commands] missing:")[1].split(";")[0].split()
    assert {"iptables", "iptables-save"} <= set(missing)
    assert "iptables-restore" not in missing


def listen(host: Host, port: int) -> subprocess.Popen[bytes]:
    code = f"import socket,time; s=socket.socket(); s.bind(('127.0.0.1',{port})); s.listen(); print('up',flush=True); time.sleep(1000)"
    process = subprocess.Popen(host.enter("python3", "-c", code), stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


def test_a_port_in_use_is_refused_and_its_holder_named(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    process = listen(host, 10250)
    try:
        assert f"[Ports] port 10250 is in use by python3 (process {process.pid})" in refused(host, shell).err
    finally:
        process.kill()
        process.communicate()
    assert host.run(shell, "/root/bundle", "--dry-run").code == 2


def test_a_port_held_by_our_own_unit_is_no_problem(host: Host, installed: Path, shell: str) -> None:
    process = listen(host, 10250)
    try:
        cgroup = host.root / "tmp/cgroup"
        cgroup.write_text("0::/system.slice/kubelet.service\n")
        host.outside("mount", "--bind", str(cgroup), f"{host.root}/proc/{process.pid}/cgroup")
        assert host.run(shell, "/root/bundle").out.startswith("nothing to do")
    finally:
        process.kill()
        process.communicate()


def test_swap_and_little_memory_are_warnings(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"failSwapOn: false\n", 0o644, "kubelet.service")
    bundle.write(host.root / "root/bundle")
    for name, text in {
        "swaps": "Filename\n/dev/sda2 partition\n",
        "meminfo": "MemTotal: 500000 kB\n",
    }.items():
        (host.root / "tmp" / name).write_text(text)
        host.outside("mount", "--bind", f"{host.root}/tmp/{name}", f"{host.root}/proc/{name}")
    done = host.run(shell, "/root/bundle", "--dry-run")
    assert done.code == 2
    assert "warning: swap is on" in done.err
    assert "488 MiB of memory" in done.err


def file_for_folder(root: Path) -> None:
    (root / "opt/kubernetes").write_text("")


def folder_for_file(root: Path) -> None:
    (root / "opt/kubernetes/bin/kubelet").mkdir(parents=True)


def half_block(root: Path) -> None:
    (root / "etc/hosts").write_text("# BEGIN bundler three-node\n10.0.0.1 x\n")


def linked_hosts(root: Path) -> None:
    (root / "etc/hosts").unlink()
    (root / "etc/hosts").symlink_to("/etc/other")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (file_for_folder, "[Paths] /opt/kubernetes is not a folder"),
        (folder_for_file, "[Paths] /opt/kubernetes/bin/kubelet is a folder where a file must be"),
        (half_block, "[Paths] /etc/hosts: the lines"),
        (linked_hosts, "[Paths] /etc/hosts is not a plain file"),
    ],
)
def test_what_stands_in_the_way_is_refused(
    host: Host, bundle: Bundle, toolset: str, prepare: Callable[[Path], None], said: str
) -> None:
    prepare(host.root)
    bundle.write(host.root / "root/bundle")
    assert said in refused(host, toolset, "--ignore-preflight-errors=all").err


def test_a_node_of_another_cluster_is_refused(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    bundle.head["CLUSTER"] = "other"
    bundle.write(installed)
    assert "node of the cluster three-node" in refused(host, shell).err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--frobnicate"], "unknown argument: --frobnicate"),
        (["extra"], "unknown argument: extra"),
        (["--root"], "--root needs a value"),
        (["--root="], "--root needs a value"),
        (["--status", "--uninstall"], "status and uninstall do not go together"),
        (["--dry-run", "--status"], "--dry-run and status do not go together"),
        (["--ignore-preflight-errors=Swop"], "no such name: Swop"),
        (["--ignore-preflight-errors=Root"], "no such name: Root"),
        (["--wait=soon"], "--wait takes a number"),
        (["rollback", "--to=x"], "--to takes a number"),
        (["--to=1"], "--to goes with rollback only"),
        (["--purge"], "--purge goes with uninstall only"),
        (["--keep-generations=0"], "--keep-generations takes 1 or more"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(
    host: Host, bundle: Bundle, toolset: str, args: list[str], said: str
) -> None:
    bundle.write(host.root / "root/bundle")
    before = host.tree(times=True)
    done = host.run(toolset, "/root/bundle", *args)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") == 1
    assert host.tree(times=True) == before


def test_help_and_version_need_nothing(host: Host, bundle: Bundle, shell: str) -> None:
    folder = bundle.write(host.root / "root/bundle")
    shutil.rmtree(folder / "root")
    done = host.run(shell, "/root/bundle", "--help")
    assert done.code == 0
    for word in (
        "--dry-run",
        "--root",
        "  uninstall ",
        "  rollback ",
        "  generations ",
        "  resume ",
        "  abort ",
        "  status ",
        "  verify ",
        "--keep-generations",
        "Exit codes",
        "ExistingKubernetes",
        "Address",
    ):
        assert word in done.out
    assert host.run(shell, "/root/bundle", "--version").out == "bundler 0.1.0, Kubernetes v1.24.0, bundle format 1\n"
