"""--dry-run, --uninstall, --status and --root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host

PAST = {"write": "wrote", "link": "linked", "make": "made", "remove": "removed", "put": "put", "take": "took", "load": "loaded",
        "set": "set", "create": "created", "reload": "reloaded", "restart": "restarted", "start": "started", "stop": "stopped",
        "record": "recorded", "unload": "unloaded"}  # fmt: skip


def announced(out: str) -> list[str]:
    lines = [line.removeprefix("would ") for line in out.splitlines() if line.startswith("would ")]
    return [" ".join([PAST[line.split()[0]], *line.split()[1:]]) for line in lines]


def done_lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.split()[0] in PAST.values()]


def change(bundle: Bundle, host: Host) -> None:
    """A newer bundle on a host where things were changed: every kind of change at once."""
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"kind: Other\n", 0o644, "kubelet.service")
    bundle.files["/opt/kubernetes/ssl/kubelet-key.pem"] = (b"NEW-SECRET-KEY\n", 0o600, "kubelet.service")
    bundle.files["/opt/kubernetes/new"] = (b"new\n", 0o644, "-")
    del bundle.files["/etc/containerd/config.toml"]
    bundle.blocks["/etc/hosts"] = (b"10.1.1.1 changed\n", "-")
    (host.root / "opt/kubernetes/logs").chmod(0o700)
    (host.root / "sys/module/bundler_one").rmdir()
    host.outside("chroot", str(host.root), "sysctl", "-qw", "net.ipv4.ip_forward=0")
    (host.root / "fake/units/containerd.service").unlink()


def test_a_dry_run_announces_what_an_install_does(host: Host, bundle: Bundle, shell: str) -> None:
    folder = bundle.write(host.root / "root/bundle")
    for step in (lambda: None, lambda: change(bundle, host)):
        step()
        bundle.write(folder)
        before = host.tree(times=True)
        dry = host.run(shell, "/root/bundle", "--dry-run")
        assert dry.code == 2
        assert host.tree(times=True) == before
        assert host.calls() == []
        real = host.run(shell, "/root/bundle")
        assert real.code == 0, real.err
        assert announced(dry.out) == done_lines(real.out)
        assert "SECRET" not in dry.out + dry.err + real.out
        assert host.run(shell, "/root/bundle", "--dry-run").code == 0
        host.calls()


def test_a_dry_run_shows_a_diff_of_texts_and_digests_of_the_rest(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"kind: Other\n", 0o644, "kubelet.service")
    bundle.files["/opt/kubernetes/bin/kubelet"] = (b"\x7fELF\0other\n", 0o755, "kubelet.service")
    bundle.blocks["/etc/hosts"] = (b"10.1.1.1 changed\n", "-")
    bundle.write(installed)
    out = host.run(shell, "/root/bundle", "--dry-run").out
    assert "    -kind: KubeletConfiguration\n    +kind: Other\n" in out
    assert "    -10.1.1.100 k8s-master1\n" in out
    assert "    +10.1.1.1 changed\n" in out
    assert "    11 bytes, sha256 " in out
    assert "    is now 1300 bytes, sha256 " in out
    assert "would restart kubelet.service" in out


def test_a_secret_on_the_host_is_not_shown_when_its_mode_opens(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    bundle.files["/opt/kubernetes/ssl/kubelet-key.pem"] = (b"public now\n", 0o644, "-")
    bundle.write(installed)
    done = host.run(shell, "/root/bundle", "--dry-run")
    assert "would write /opt/kubernetes/ssl/kubelet-key.pem" in done.out
    assert "SECRET" not in done.out


def test_a_dry_run_that_is_refused_exits_1(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    host.outside("hostname", "other")
    assert host.run(shell, "/root/bundle", "--dry-run").code == 1


def foreign_files(root: Path) -> None:
    """A host on which some of our places are taken."""
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.9.9.9 no-newline-at-end")
    (root / "etc/containerd").mkdir()
    (root / "etc/containerd/config.toml").write_text("mine\n")
    (root / "etc/containerd/config.toml").chmod(0o640)
    (root / "opt/kubernetes/ssl").mkdir(parents=True)
    (root / "opt/kubernetes/ssl").chmod(0o711)
    (root / "opt/kubernetes/current").symlink_to("/somewhere")
    (root / "opt/kubernetes/cfg").mkdir()
    same = root / "opt/kubernetes/cfg/kubelet-config.yml"
    same.write_text("kind: KubeletConfiguration\n")  # as the bundle has it, but not ours


@pytest.mark.parametrize("upgrade", [False, True])
def test_uninstall_gives_back_the_host_as_it_was(host: Host, bundle: Bundle, shell: str, upgrade: bool) -> None:
    foreign_files(host.root)
    folder = bundle.write(host.root / "root/bundle")
    before = host.tree()
    assert host.run(shell, "/root/bundle").code == 0
    if upgrade:
        change(bundle, host)
        bundle.write(folder)
        assert host.run(shell, "/root/bundle").code == 0
        assert (host.root / "etc/containerd/config.toml").read_text() == "mine\n"
    host.calls()
    done = host.run(shell, "/root/bundle", "--uninstall")
    assert done.code == 0, done.err
    after = host.tree()
    ours = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {path for path in ours if not path.startswith("/root/")} == set()
    assert host.calls() == [
        "systemctl stop kubelet.service",
        "systemctl stop containerd.service",
        "rmmod bundler_one",
        "rmmod bundler-two",
        "systemctl daemon-reload",
    ]
    assert "nothing is installed" in host.run(shell, "/root/bundle", "--uninstall").out


def test_uninstall_in_a_dry_run_announces_and_writes_nothing(host: Host, installed: Path, shell: str) -> None:
    before = host.tree(times=True)
    dry = host.run(shell, "/root/bundle", "--uninstall", "--dry-run")
    assert dry.code == 2
    assert host.tree(times=True) == before
    assert host.calls() == []
    real = host.run(shell, "/root/bundle", "--uninstall")
    assert announced(dry.out)[:-1] == done_lines(real.out)


def test_uninstall_leaves_what_was_changed_and_lists_it(host: Host, bundle: Bundle, shell: str) -> None:
    foreign_files(host.root)
    bundle.write(host.root / "root/bundle")
    assert host.run(shell, "/root/bundle").code == 0
    (host.root / "etc/containerd/config.toml").write_text("changed since\n")
    hosts = host.root / "etc/hosts"
    hosts.write_text("10.8.8.8 first\n" + hosts.read_text())
    done = host.run(shell, "/root/bundle", "--uninstall")
    assert done.code == 0
    assert "left /etc/containerd/config.toml: it was changed" in done.out
    assert (host.root / "etc/containerd/config.toml").read_text() == "changed since\n"
    assert (host.root / "var/lib/bundler/original/etc/containerd/config.toml").read_text() == "mine\n"
    assert hosts.read_text() == "10.8.8.8 first\n127.0.0.1 localhost\n10.9.9.9 no-newline-at-end\n"


def test_status_of_a_sound_host_is_0(host: Host, installed: Path, shell: str) -> None:
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", "--status")
    assert (done.code, done.err) == (0, "")
    assert "node k8s-node1 of cluster three-node: Kubernetes v1.24.0, bundler 0.1.0" in done.out
    assert "15 paths are as installed" in done.out
    assert "kubelet.service: active" in done.out
    assert "days left" in done.out
    assert host.tree(times=True) == before


def test_status_names_every_drift(host: Host, installed: Path, shell: str) -> None:
    (host.root / "etc/containerd/config.toml").write_text("changed\n")
    (host.root / "opt/kubernetes/cfg/kubelet-config.yml").unlink()
    (host.root / "opt/kubernetes/ssl/kubelet-key.pem").chmod(0o644)
    hosts = host.root / "etc/hosts"
    hosts.write_text(hosts.read_text().replace("10.1.1.100", "10.1.1.101"))
    (host.root / "fake/units/kubelet.service").write_text("failed\n")
    done = host.run(shell, "/root/bundle", "--status")
    assert done.code == 1
    for line in (
        "changed: /etc/containerd/config.toml",
        "missing: /opt/kubernetes/cfg/kubelet-config.yml",
        "mode or owner changed: /opt/kubernetes/ssl/kubelet-key.pem",
        "changed: /etc/hosts",
        "kubelet.service: failed",
        "11 paths are as installed",
    ):
        assert line in done.out


def test_status_says_when_certificates_end_and_when_nothing_is_installed(
    host: Host, bundle: Bundle, shell: str
) -> None:
    bundle.head["NOT_AFTER"] = "1000000001"
    bundle.write(host.root / "root/bundle")
    assert "nothing is installed here" in host.run(shell, "/root/bundle", "--status").err
    assert host.run(shell, "/root/bundle", "--ignore-preflight-errors=Clock").code == 0
    done = host.run(shell, "/root/bundle", "--status")
    assert (done.code, "certificates: ended" in done.out) == (1, True)


def image(host: Host) -> Path:
    root = host.root / "root/image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    return root


def test_an_image_gets_the_tree_and_nothing_is_started(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    root = image(host)
    host.outside("hostname", "builder")
    outside = {p: a for p, a in host.tree().items() if not p.startswith("/root")}
    done = host.run(shell, "/root/bundle", "--root", "/root/image")
    assert (done.code, done.err) == (0, "")
    assert host.calls() == []
    assert {p: a for p, a in host.tree().items() if not p.startswith("/root")} == outside
    found = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}
    wants = {f"etc/systemd/system/multi-user.target.wants/{name}.service" for name in ("kubelet", "containerd")}
    expected = (
        {path[1:] for path in {*bundle.files, *bundle.links, *bundle.blocks}}
        | wants
        | {"var/lib/bundler/origins", "var/lib/bundler/manifest", "var/lib/bundler/generations/1/manifest"}
    )
    kept = ("var/lib/bundler/files/", "var/lib/bundler/attributes/")  # the latter not by busybox's cp
    assert {path for path in found if not path.startswith(kept)} == expected
    before = host.tree(times=True)
    assert host.run(shell, "/root/bundle", "--root", "/root/image").out.startswith("nothing to do")
    assert host.run(shell, "/root/bundle", "--root=/root/image", "--status").code == 0
    assert host.tree(times=True) == before


def test_an_image_is_uninstalled_whole(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    image(host)
    before = host.tree()
    assert host.run(shell, "/root/bundle", "--root", "/root/image").code == 0
    assert host.run(shell, "/root/bundle", "--root", "/root/image", "--uninstall").code == 0
    assert host.tree() == before
    assert host.calls() == []


def test_an_image_of_another_host_is_refused(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    (image(host) / "etc/hostname").write_text("k8s-node2\n")
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", "--root", "/root/image")
    assert done.code == 1
    assert "[Hostname] the image's etc/hostname says k8s-node2" in done.err
    assert host.tree(times=True) == before


def test_a_link_in_an_image_does_not_lead_to_this_host(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    root = image(host)
    (root / "opt").symlink_to("/opt")
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", "--root", "/root/image")
    assert done.code == 1
    assert "[Paths] /opt is a link that leads out of /root/image" in done.err
    assert host.tree(times=True) == before
    (root / "opt").unlink()
    (root / "data").mkdir()
    (root / "opt").symlink_to("data")
    assert host.run(shell, "/root/bundle", "--root", "/root/image").code == 0
    assert (root / "data/kubernetes/bin/kubelet").exists()


def test_an_image_that_was_booted_has_only_what_runs_left_to_do(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    assert host.run(shell, "/root/bundle", "--root", "/").code == 0
    assert host.calls() == []
    done = host.run(shell, "/root/bundle")
    assert done.code == 0
    assert "wrote" not in done.out
    assert host.calls()[-2:] == [
        "systemctl --no-block start containerd.service",
        "systemctl --no-block start kubelet.service",
    ]


def test_the_notice_is_prominent(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["NOTICE"] = "This bundle holds stand-ins"
    bundle.write(host.root / "root/bundle")
    assert "*** This bundle holds stand-ins ***" in host.run(shell, "/root/bundle", "--dry-run").err
