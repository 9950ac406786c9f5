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


def test_only_units_whose_inputs_changed_are_restarted(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"kind: Other\n", 0o644, "kubelet.service")
    bundle.write(installed)
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    assert host.calls() == ["systemctl --no-block restart kubelet.service"]
    assert "wrote /opt/kubernetes/cfg/kubelet-config.yml" in done.out
    assert "done: 1 written, 14 unchanged, 0 removed, 1 restarted, 0 started" in done.out


def test_a_changed_unit_file_reloads_systemd_and_restarts_in_order(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    both = "kubelet.service,containerd.service"
    content, mode, _ = bundle.files["/etc/systemd/system/containerd.service"]
    bundle.files["/etc/systemd/system/containerd.service"] = (content + b"# new\n", mode, both)
    bundle.write(installed)
    assert host.run(shell, "/root/bundle").code == 0
    assert host.calls() == [
        "systemctl daemon-reload",
        "systemctl --no-block restart containerd.service",
        "systemctl --no-block restart kubelet.service",
    ]


def test_a_unit_of_someone_else_is_restarted_only_if_it_runs(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    name = "/etc/systemd/networkd.conf.d/90-bundler.conf"
    bundle.files[name] = (b"[Network]\n", 0o644, "systemd-networkd.service")
    bundle.write(installed)
    assert host.run(shell, "/root/bundle").code == 0
    assert host.calls() == []
    bundle.files[name] = (b"[Network]\n#\n", 0o644, "systemd-networkd.service")
    bundle.write(installed)
    (host.root / "fake/units/systemd-networkd.service").write_text("active\n")
    assert host.run(shell, "/root/bundle").code == 0
    assert host.calls() == ["systemctl --no-block restart systemd-networkd.service"]


def test_a_stopped_unit_is_started_and_no_other_touched(host: Host, installed: Path, shell: str) -> None:
    (host.root / "fake/units/containerd.service").unlink()
    assert host.run(shell, "/root/bundle").code == 0
    assert host.calls() == ["systemctl --no-block start containerd.service"]


def test_what_was_changed_by_hand_is_put_right(host: Host, installed: Path, shell: str) -> None:
    (host.root / "opt/kubernetes/ssl/kubelet-key.pem").chmod(0o644)
    (host.root / "opt/kubernetes/ssl").chmod(0o755)
    (host.root / "opt/kubernetes/current").unlink()
    (host.root / "opt/kubernetes/current").symlink_to("/tmp")
    (host.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    assert (host.root / "opt/kubernetes/ssl/kubelet-key.pem").stat().st_mode & 0o777 == 0o600
    assert (host.root / "opt/kubernetes/ssl").stat().st_mode & 0o777 == 0o700
    assert str((host.root / "opt/kubernetes/current").readlink()) == "/opt/kubernetes/bin"
    assert not (host.root / "tmp/bin").exists()
    assert "10.1.1.120 k8s-node1" in (host.root / "etc/hosts").read_text()
    assert host.calls() == ["systemctl --no-block restart kubelet.service"]


def test_files_that_a_newer_bundle_lacks_are_removed(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    del bundle.files["/etc/containerd/config.toml"]
    del bundle.files["/etc/systemd/system/containerd.service"]
    bundle.head["UNITS"] = "kubelet.service"
    bundle.write(installed)
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    assert not (host.root / "etc/containerd/config.toml").exists()
    assert not (host.root / "etc/systemd/system/containerd.service").exists()
    assert not (host.root / "etc/systemd/system/multi-user.target.wants/containerd.service").is_symlink()
    assert host.calls() == ["systemctl stop containerd.service", "systemctl daemon-reload"]
    assert host.run(shell, "/root/bundle").out.startswith("nothing to do")


def test_a_stale_file_that_was_changed_by_hand_is_left(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    (host.root / "etc/containerd/config.toml").write_text("mine\n")
    del bundle.files["/etc/containerd/config.toml"]
    bundle.write(installed)
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    assert "left /etc/containerd/config.toml" in done.out
    assert (host.root / "etc/containerd/config.toml").read_text() == "mine\n"


def test_a_changed_block_replaces_the_old_one_in_its_place(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    hosts = host.root / "etc/hosts"
    hosts.write_text(hosts.read_text() + "10.9.9.9 mine\n")
    hosts.chmod(0o640)
    bundle.blocks["/etc/hosts"] = (b"10.1.1.1 new\n", "-")
    bundle.write(installed)
    assert host.run(shell, "/root/bundle").code == 0
    assert (
        hosts.read_text()
        == "127.0.0.1 localhost\n# BEGIN bundler three-node\n10.1.1.1 new\n# END bundler three-node\n10.9.9.9 mine\n"
    )
    assert hosts.stat().st_mode & 0o777 == 0o640


def test_a_unit_that_does_not_become_active_is_named(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("failed\n")
    done = host.run(shell, "/root/bundle")
    assert done.code == 1
    assert "kubelet.service is failed; see: systemctl status kubelet.service" in done.err
    assert "containerd.service is" not in done.err


def test_a_unit_that_waits_too_long_is_named(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("activating\n")
    done = host.run(shell, "/root/bundle", "--wait=1")
    assert done.code == 1
    assert "kubelet.service is activating" in done.err


def test_an_interrupted_run_is_finished_with_its_restarts(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    state = host.root / "var/lib/bundler"
    (state / "journal").write_text((state / "manifest").read_text() + "# run install\n# restart kubelet.service \n")
    assert host.run(shell, "/root/bundle", "--dry-run").code == 2
    assert host.run(shell, "/root/bundle").code == 0
    assert host.calls() == ["systemctl daemon-reload", "systemctl --no-block restart kubelet.service"]
    assert not (state / "journal").exists()
    assert host.run(shell, "/root/bundle").out.startswith("nothing to do")


def test_a_run_killed_at_any_write_is_finished_by_the_next(host: Host, bundle: Bundle) -> None:
    """mv is the moment of each change: the run dies at its nth one, and the next run ends the work."""
    bundle.write(host.root / "root/bundle")
    (host.root / "etc/containerd").mkdir()
    (host.root / "etc/containerd/config.toml").write_text("foreign\n")
    before = host.tree()
    mv = host.root / "fake/mv"
    for number in (1, 3, 6, 9, 14):
        mv.write_text(
            f'#!/bin/sh\necho x >>/fake/moves\n[ "$(wc -l </fake/moves)" != {number} ] || kill -9 $PPID\nexec /usr/bin/mv "$@"\n'
        )
        mv.chmod(0o755)
        killed = host.run("dash", "/root/bundle").code
        assert killed in (-9, 137)  # 137: it was one of its subshells, and the run ended by itself
        mv.unlink()
        (host.root / "fake/moves").unlink()
        done = host.run("dash", "/root/bundle")
        assert done.code == 0, done.err
        assert ("took over the lock" in done.err) == (killed == -9)
        assert host.run("dash", "/root/bundle").out.startswith("nothing to do")
        assert host.run("dash", "/root/bundle", "--uninstall").code == 0
        after = {
            path: about for path, about in host.tree().items() if not path.startswith(("/run/flannel", "/sys/module/"))
        }
        assert after == before


def test_the_log_says_what_the_terminal_said_and_is_private(host: Host, installed: Path, shell: str) -> None:
    log = host.root / "var/log/bundler/install.log"
    assert "wrote /opt/kubernetes/bin/kubelet" in log.read_text()
    assert "started kubelet.service" in log.read_text()
    assert "TOP-SECRET" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_two_runs_at_once_are_refused_and_a_dead_one_is_taken_over(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    lock = host.root / "run/bundler.lock"
    lock.symlink_to(str(host.holder.pid))
    before = {p: a for p, a in host.tree().items() if not p.startswith("/var")}
    done = host.run(shell, "/root/bundle")
    assert done.code == 1
    assert f"process {host.holder.pid}) is at work" in done.err
    assert {p: a for p, a in host.tree().items() if not p.startswith("/var")} == before
    lock.unlink()
    lock.symlink_to("999999999")
    assert host.run(shell, "/root/bundle").code == 0
    assert not lock.is_symlink()


@pytest.mark.parametrize(
    "name",
    ["with space", "new\nline\n", "quo'te\"s", "-dash", "dollar$(id)`id`", "back\\slash", "star*[a]", "-"],
)
def test_a_bundle_in_an_ugly_path_installs(host: Host, bundle: Bundle, shell: str, name: str) -> None:
    bundle.write(host.root / "root" / name)
    done = host.run(shell, f"/root/{name}", f"--root=/tmp/{name}")
    assert done.code == 1
    assert "is not a folder" in done.err
    (host.root / "tmp" / name).mkdir()
    done = host.run(shell, f"/root/{name}", "--root", f"/tmp/{name}")
    assert (done.code, done.err) == (0, "")
    assert (host.root / "tmp" / name / "opt/kubernetes/bin/kubelet").exists()
