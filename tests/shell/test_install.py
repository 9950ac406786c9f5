"""install.sh on a host: what it writes, what it runs, and that a second time there is nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host


def test_a_fresh_install_gives_the_tree_of_the_manifest(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    done = host.run(shell, "/root/bundle")
    assert (done.code, done.err) == (0, "")
    for path, (content, mode, _) in bundle.files.items():
        assert (host.root / path[1:]).read_bytes() == content
        assert (host.root / path[1:]).stat().st_mode & 0o7777 == mode
    assert (host.root / "opt/kubernetes/ssl").stat().st_mode & 0o7777 == 0o700
    assert (host.root / "opt/kubernetes").stat().st_mode & 0o7777 == 0o755
    assert str((host.root / "opt/kubernetes/current").readlink()) == "/opt/kubernetes/bin"
    wants = host.root / "etc/systemd/system/multi-user.target.wants"
    assert str((wants / "kubelet.service").readlink()) == "/etc/systemd/system/kubelet.service"
    assert (host.root / "etc/hosts").read_text() == (
        "127.0.0.1 localhost\n# BEGIN bundler three-node\n10.1.1.100 k8s-master1\n10.1.1.120 k8s-node1\n# END bundler three-node\n"
    )
    assert host.calls() == [
        "modprobe bundler_one",
        "modprobe bundler-two",
        "systemd-tmpfiles --create /etc/tmpfiles.d/bundler.conf",
        "systemctl daemon-reload",
        "systemctl --no-block start containerd.service",
        "systemctl --no-block start kubelet.service",
    ]
    assert done.out.splitlines()[-1] == "done: 15 written, 0 unchanged, 0 removed, 0 restarted, 2 started"


def test_a_second_run_changes_nothing_and_says_so(host: Host, installed: Path, shell: str) -> None:
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle")
    assert (done.code, done.out, done.err) == (0, "nothing to do: k8s-node1 is as this bundle wants it\n", "")
    assert host.tree(times=True) == before
    assert host.calls() == []
