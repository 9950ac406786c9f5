"""Uninstall: data stays unless asked, and nothing is removed through a mount or a link."""

from __future__ import annotations

from pathlib import Path

from tests.shell.conftest import Host


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
    shown = host.run(toolset, "/root/bundle", "uninstall", "--purge", "--dry-run")
    assert "would remove /var/lib/etcd and all in it" in shown.out
    assert all(path.exists() for path in found)
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert not any(path.parent.exists() for path in found)
    assert cni.exists()


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
    assert not (host.root / "var/lib/bundler").exists()
    host.outside("umount", str(kubelet))
    etcd.parent.unlink()
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code == 0
    assert not kubelet.parent.exists()


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
