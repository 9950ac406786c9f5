"""What a run changes beyond files and units, and that it is written down before and leaves again: modules, sysctls,
what tmpfiles.d lists, iptables chains, images."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.kit import ROOT
from tests.shell.conftest import PATHS, Bundle, Host
from tests.shell.test_generations import die_before, live_on, run
from tests.shell.test_surroundings import command

RANGE = "net.ipv4.ip_local_port_range"
FIREWALL = "/opt/kubernetes/bin/bundler-firewall"
RULES = """*filter
:BUNDLER-INPUT - [0:0]
:BUNDLER-FORWARD - [0:0]
-A BUNDLER-INPUT -s 10.244.0.0/16 -j ACCEPT
COMMIT
*nat
:BUNDLER-POSTROUTING - [0:0]
-A BUNDLER-POSTROUTING -s 10.244.120.0/24 -d 10.244.0.0/16 -j ACCEPT
COMMIT
"""


def inside(host: Host, *words: str) -> str:
    command = host.enter("chroot", str(host.root), "env", f"PATH={PATHS['dash']}", *words)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_all_of_it_is_in_the_journal_before_it_is_made(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.files["/opt/kubernetes/cfg/iptables.rules"] = (RULES.encode(), 0o644, "-")
    bundle.write(host.root / "root/bundle")
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle").code != 0
    live_on(host)
    assert not any(line.startswith(("modprobe", "systemd-tmpfiles")) for line in host.calls())
    journal = (host.root / "var/lib/bundler/journal").read_text()
    origins = (host.root / "var/lib/bundler/origins").read_text()
    for line in (
        "was module absent - - - bundler_one\n",
        "was module absent - - - bundler-two\n",
        "was sysctl - - - - net.ipv4.ip_forward 0\n",
        "was absent - - - - /run/flannel\n",
        "was chain absent - - - filter/BUNDLER-INPUT\n",
        "was chain absent - - - nat/BUNDLER-POSTROUTING\n",
        "was unit inactive - - - kubelet.service\n",
    ):
        assert line in journal
    for line in (
        "module - - - - bundler_one\n",
        "sysctl - - - - net.ipv4.ip_forward 0\n",
        "tmpfile - - - - /run/flannel\n",
        "chain - - - - filter/BUNDLER-FORWARD\n",
    ):
        assert line in origins
    run(host, toolset)
    assert run(host, toolset).startswith("nothing to do")


def test_an_abort_takes_back_modules_and_what_tmpfiles_made(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    before = host.tree()
    systemctl = host.root / "fake/systemctl"
    systemctl.rename(host.root / "fake/sound")
    command(host, "systemctl", '[ "$1" != daemon-reload ] || kill -9 $PPID\nexec /fake/sound "$@"')
    assert host.run(toolset, "/root/bundle").code != 0
    (host.root / "fake/sound").rename(systemctl)
    assert (host.root / "sys/module/bundler_one").exists()
    assert (host.root / "run/flannel").exists()
    run(host, toolset, "abort")
    assert inside(host, "sysctl", "-n", "net.ipv4.ip_forward") == "0"
    assert {path: about for path, about in host.tree().items() if not path.startswith("/var/log/bundler")} == before


def test_a_module_that_is_in_use_stays_and_is_named(host: Host, settled: Path, toolset: str) -> None:
    (host.root / "fake/used-bundler_one").touch()
    said = run(host, toolset, "uninstall")
    assert "the module bundler_one stays loaded, as something uses it" in said
    assert "unloaded the module bundler-two" in said
    assert [path.name for path in (host.root / "sys/module").iterdir()] == ["bundler_one"]


def test_a_module_that_was_loaded_before_is_not_unloaded(host: Host, bundle: Bundle, toolset: str) -> None:
    (host.root / "sys/module/bundler_one").mkdir(parents=True)
    bundle.write(host.root / "root/bundle")
    run(host, toolset)
    run(host, toolset, "uninstall")
    assert [path.name for path in (host.root / "sys/module").iterdir()] == ["bundler_one"]


def test_sysctls_go_back_unless_someone_changed_them_since(host: Host, bundle: Bundle, toolset: str) -> None:
    text = b"net.ipv4.ip_forward=1\nnet.ipv4.ip_local_port_range = 10000\t60000\nnet.ipv4.ip_default_ttl = 77\n"
    bundle.files["/etc/sysctl.d/90-bundler.conf"] = (text, 0o644, "-")
    bundle.write(host.root / "root/bundle")
    ports = inside(host, "sysctl", "-n", RANGE)
    run(host, toolset)
    assert inside(host, "sysctl", "-n", RANGE) == "10000\t60000"
    inside(host, "sysctl", "-qw", "net.ipv4.ip_default_ttl=99")
    with (host.root / "var/lib/bundler/origins").open("a") as origins:
        origins.write("sysctl - - - - net.bridge.came-with-a-module\n")
    said = run(host, toolset, "uninstall")
    assert "left net.ipv4.ip_default_ttl = 99: it was changed since the install" in said
    assert inside(host, "sysctl", "-n", "net.ipv4.ip_default_ttl") == "99"
    assert inside(host, "sysctl", "-n", RANGE) == ports
    assert inside(host, "sysctl", "-n", "net.ipv4.ip_forward") == "0"


def test_chains_leave_even_when_their_unit_does_not_take_them(host: Host, bundle: Bundle, toolset: str) -> None:
    real_iptables(host)
    script = (ROOT / "overlays/firewall" / FIREWALL[1:]).read_bytes()
    bundle.files[FIREWALL] = (script, 0o755, "bundler-firewall.service")
    bundle.files["/opt/kubernetes/cfg/iptables.rules"] = (RULES.encode(), 0o644, "bundler-firewall.service")
    bundle.write(host.root / "root/bundle")
    inside(host, "iptables", "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")
    before = rules(host)
    run(host, toolset)
    inside(host, FIREWALL, "start")
    assert "-A INPUT -j BUNDLER-INPUT" in rules(host)
    assert "would remove the iptables chain nat/BUNDLER-POSTROUTING" in run(
        host, toolset, "uninstall", "--dry-run", code=2
    )
    assert "removed the iptables chain filter/BUNDLER-INPUT" in run(host, toolset, "uninstall")
    assert [line for line in rules(host) if "BUNDLER" in line] == []
    assert set(before) <= set(rules(host))


def real_iptables(host: Host) -> None:
    """The host's own rules, in its own network namespace."""
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (host.root / "fake" / name).unlink()
        (host.root / "fake" / name).symlink_to("/usr/sbin/xtables-nft-multi")


def rules(host: Host) -> list[str]:
    return [line for line in inside(host, "iptables-save").splitlines() if not line.startswith(("#", ":", "COMMIT"))]


def with_images(host: Host, bundle: Bundle) -> None:
    script = b'#!/bin/sh\necho "ctr $*" >>/fake/log\ncase "$*" in *" ls -q"*) echo there ;; esac\n'
    bundle.files["/opt/containerd/bin/ctr"] = (script, 0o755, "containerd.service")
    bundle.write(host.root / "root/bundle")
    assert host.run("dash", "/root/bundle").code == 0
    (host.root / "var/lib/bundler/images").write_text(
        "registry.k8s.io/pause:3.7 sha256:1\ndocker.io/library/old:1 sha256:2\n"
    )
    host.calls()


def test_images_that_were_not_there_before_leave_with_purge(host: Host, bundle: Bundle, toolset: str) -> None:
    with_images(host, bundle)
    run(host, toolset, "uninstall", "--purge")
    calls = host.calls()
    gone = [line for line in calls if " rm " in line]
    assert gone == [
        "ctr -n k8s.io images rm --sync docker.io/library/old:1",
        "ctr -n k8s.io images rm --sync registry.k8s.io/pause:3.7",
    ]
    assert calls.index(gone[-1]) < calls.index("systemctl stop containerd.service")
    assert not (host.root / "var/lib/bundler").exists()


def test_images_are_data_and_stay_without_purge(host: Host, bundle: Bundle, toolset: str) -> None:
    with_images(host, bundle)
    run(host, toolset, "uninstall")
    assert not any(line.startswith("ctr ") for line in host.calls())
    assert not (host.root / "var/lib/bundler").exists()


def test_an_uninstall_that_was_cut_short_is_finished_and_not_undone(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    (host.root / "var/lib/etcd").mkdir()
    rm = host.root / "fake/rm"
    command(host, "rm", '[ "$2" != ./opt/kubernetes/current ] || kill -9 $PPID\nexec /usr/bin/rm "$@"')
    assert host.run(toolset, "/root/bundle", "uninstall", "--purge").code != 0
    rm.unlink()
    before = host.tree()
    said = run(host, toolset, "abort", code=1)
    assert "an uninstall cannot be undone" in said
    assert "finish it with resume, then install again" in said
    assert host.tree() == before
    assert "# purge 1\n" in (host.root / "var/lib/bundler/journal").read_text()
    assert "done: " in run(host, toolset, "resume")
    for path in ("opt/kubernetes", "var/lib/bundler", "var/lib/etcd", "run/flannel"):
        assert not (host.root / path).exists()


def test_a_repair_that_was_cut_short_is_finished(host: Host, settled: Path, toolset: str) -> None:
    (host.root / "opt/kubernetes/current").unlink()
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle", "repair").code != 0
    live_on(host)
    assert "# run repair\n" in (host.root / "var/lib/bundler/journal").read_text()
    assert "done: " in run(host, toolset, "resume")
    assert run(host, toolset, "check").startswith("well: generation 1")


def test_resume_wants_the_very_bundle(host: Host, bundle: Bundle, settled: Path, toolset: str) -> None:
    """One that differs in one file only, of the same versions and times, is another one."""
    bundle.links["/opt/kubernetes/current"] = "/opt/kubernetes/cfg"
    bundle.write(settled)
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle").code != 0
    live_on(host)
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"kind: Slightly\n", 0o644, "kubelet.service")
    bundle.write(settled)
    assert "the interrupted run was of another bundle" in run(host, toolset, "resume", code=1)
    run(host, toolset)
    assert run(host, toolset).startswith("nothing to do")
