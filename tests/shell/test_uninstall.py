"""Uninstall: data stays unless asked, and nothing is removed through a mount or a link."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.shell.conftest import Bundle, Host
from tests.shell.test_moved import joined


def data(host: Host) -> list[Path]:
    found = [host.root / "var/lib" / name / "member" for name in ("etcd", "kubelet", "containerd")]
    for path in found:
        path.mkdir(parents=True)
        (path / "x").write_text("data\n")
    return found


def test_data_stays_unless_purge_is_said(host: Host, settled: Path, toolset: str) -> None:
    found = data(host)
    cni = host.root / "etc/cni/net.d/10-mine.conflist"
    cni.parent.mkdir(parents=True)
    cni.write_text("{}")
    assert host.run(toolset, "/root/bundle", "uninstall").code == 0
    assert all((path / "x").exists() for path in found)
    assert host.run(toolset, "/root/bundle").code == 0  # a node again, and not any more
    assert "; ./install.sh uninstall --purge removes it" in host.run(toolset, "/root/bundle", "uninstall").out
    shown = host.run(toolset, "/root/bundle", "uninstall", "--purge", "--dry-run")
    assert shown.code == 2
    assert "would remove /var/lib/etcd and all in it" in shown.out
    assert all(path.exists() for path in found)
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert not any(path.parent.exists() for path in found)
    assert cni.exists()


def test_a_later_purge_leaves_nothing(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    before = host.tree()
    assert host.run(toolset, "/root/bundle").code == 0
    data(host)
    joined(host, "k8s-node1")
    assert host.run(toolset, "/root/bundle", "uninstall").code == 0
    assert (host.root / "opt/kubernetes/ssl/kubelet.key").exists()
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert host.tree() == before
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").out.startswith("nothing to do")


def test_a_later_purge_leaves_what_came_since(host: Host, settled: Path, toolset: str) -> None:
    found = data(host)
    assert host.run(toolset, "/root/bundle", "uninstall").code == 0
    (host.root / "var/lib/cni").mkdir()
    (host.root / "var/lib/cni/x").write_text("another's\n")
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert not any(path.parent.exists() for path in found)
    assert (host.root / "var/lib/cni/x").exists()


def test_the_word_of_data_goes_when_somebody_removed_the_data(host: Host, settled: Path, toolset: str) -> None:
    found = data(host)
    assert host.run(toolset, "/root/bundle", "uninstall").code == 0
    word = host.root / "var/lib/bundler/left"
    assert word.read_text().startswith("data /var/lib/etcd\ndata /var/lib/kubelet\ndata /var/lib/containerd\nfolder /")
    assert host.run(toolset, "/root/bundle").code == 0
    for path in found:
        shutil.rmtree(path.parent)
    assert host.run(toolset, "/root/bundle", "uninstall").code == 0
    assert not word.parent.exists()


def test_purge_is_not_for_a_host_that_never_was_a_node(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    data(host)
    before = host.tree(times=True)
    done = host.run(toolset, "/root/bundle", "uninstall", "--purge")
    assert (done.code, done.out) == (0, "nothing to do: nothing is installed here\n")
    assert host.tree(times=True) == before


def test_purge_stops_at_mounts_and_links(host: Host, settled: Path, toolset: str) -> None:
    etcd, kubelet, containerd = data(host)
    host.outside("mount", "-t", "tmpfs", "none", str(kubelet))
    elsewhere = host.root / "opt/disk"
    etcd.parent.rename(elsewhere)
    etcd.parent.symlink_to("/opt/disk")
    done = host.run(toolset, "/root/bundle", "uninstall", "--purge")
    assert done.code == 1
    assert "[Mounts] something is mounted in /var/lib/kubelet: /var/lib/kubelet/member" in done.err
    assert "[Mounts] /var/lib/etcd is a link" in done.err
    assert "reboot this host" in done.err
    assert (elsewhere / "member/x").exists()
    assert not containerd.parent.exists()
    assert [path.name for path in (host.root / "var/lib/bundler").iterdir()] == ["left"]
    host.outside("umount", str(kubelet))
    etcd.parent.unlink()
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert not kubelet.parent.exists()
    assert not (host.root / "var/lib/bundler").exists()


def test_a_mount_on_what_is_ours_is_refused(host: Host, settled: Path, toolset: str) -> None:
    host.outside("mount", "-t", "tmpfs", "none", f"{host.root}/opt/kubernetes/logs")
    before = host.tree(times=True)
    done = host.run(toolset, "/root/bundle", "uninstall")
    assert done.code == 1
    assert "[Mounts] something is mounted on /opt/kubernetes/logs; unmount it: umount /opt/kubernetes/logs" in done.err
    assert host.tree(times=True) == before


def test_a_folder_that_became_a_link_is_refused(host: Host, settled: Path, toolset: str) -> None:
    (host.root / "opt/kubernetes").rename(host.root / "tmp/kubernetes")
    (host.root / "opt/kubernetes").symlink_to("/tmp/kubernetes")
    before = host.tree(times=True)
    done = host.run(toolset, "/root/bundle", "uninstall")
    assert done.code == 1
    assert "[Paths] /opt/kubernetes was a folder that we made and is a link now" in done.err
    assert host.tree(times=True) == before


def test_sysctls_go_back_and_what_someone_else_set_stays(host: Host, settled: Path, toolset: str) -> None:
    value = ("chroot", str(host.root), "sysctl", "-n", "net.ipv4.ip_forward")
    host.outside("sh", "-c", '[ "$("$@")" = 1 ]', "sh", *value)
    assert "set net.ipv4.ip_forward = 0" in host.run(toolset, "/root/bundle", "uninstall").out
    host.outside("sh", "-c", '[ "$("$@")" = 0 ]', "sh", *value)
