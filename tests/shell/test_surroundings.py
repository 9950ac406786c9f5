"""Preflight: what else lives on the host. Each check in a test in which it fails and one in which it passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.shell.conftest import Bundle, Host
from tests.shell.test_refusals import refused


def over(host: Host, path: str, text: str) -> None:
    """Put a text over a file of /proc."""
    source = host.root / "fake" / path.replace("/", "-")
    source.write_text(text)
    host.outside("mount", "--bind", str(source), f"{host.root}/{path}")


def command(host: Host, name: str, script: str) -> None:
    path = host.root / "fake" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def active(name: str) -> Callable[[Host], None]:
    return lambda host: (host.root / "fake/units" / name).write_text("active\n") and None


def text(path: str, content: str) -> Callable[[Host], None]:
    def write(host: Host) -> None:
        (host.root / path).parent.mkdir(parents=True, exist_ok=True)
        (host.root / path).write_text(content)

    return write


def mounted(path: str, options: str) -> Callable[[Host], None]:
    def mount(host: Host) -> None:
        (host.root / path).mkdir(parents=True, exist_ok=True)
        host.outside("mount", "-t", "tmpfs", "-o", options, "none", f"{host.root}/{path}")

    return mount


def old_kernel(host: Host) -> None:
    command(host, "uname", '[ "$1" = -r ] && echo 2.6.32-754.el6 || exec /usr/bin/uname "$@"')


def both_tables(host: Host) -> None:
    command(host, "iptables", "echo 'iptables v1.8.7 (legacy)'")
    command(host, "iptables-nft-save", "echo '-A INPUT -j ACCEPT'")


def only_legacy(host: Host) -> None:
    command(host, "iptables", "echo 'iptables v1.8.7 (legacy)'")
    command(host, "iptables-nft-save", "echo '# nothing'")


def route(network: str) -> Callable[[Host], None]:
    return lambda host: host.outside("ip", "route", "add", network, "dev", "lo")


FAILING: dict[str, tuple[Callable[[Host], None], str, str]] = {
    "an old kernel": (old_kernel, "Kernel", "the kernel is 2.6.32-754.el6"),
    "a kernel without overlay": (text("fake/no-module-xt_statistic", ""), "Kernel", "the kernel lacks: xt_statistic"),
    "swap": (lambda host: over(host, "proc/swaps", "Filename\n/dev/sda2\n"), "Swap", "swap is on"),
    "no memory": (lambda host: over(host, "proc/meminfo", "MemTotal: 300000 kB\n"), "Memory", "has 292 MiB"),
    "a read-only /opt": (mounted("opt", "ro"), "ReadOnly", "/opt/kubernetes is mounted read-only"),
    "a noexec /opt": (mounted("opt", "noexec"), "NoExec", "/opt/kubernetes/bin is mounted noexec"),
    "both kinds of iptables": (both_tables, "Iptables", "there are nf_tables rules, too"),
    "firewalld": (active("firewalld.service"), "Firewall", "firewalld runs"),
    "ufw": (text("etc/ufw/ufw.conf", "ENABLED=yes\n"), "Firewall", "ufw is enabled"),
    "docker": (active("docker.service"), "ExistingRuntime", "docker.service runs"),
    "k3s": (active("k3s.service"), "ExistingRuntime", "k3s.service runs"),
    "SELinux": (text("sys/fs/selinux/enforce", "1\n"), "Selinux", "restorecon is missing"),
    "a route to the pods": (route("10.244.7.0/24"), "Routes", "10.244.7.0/24 overlaps 10.244.0.0/16"),
    "a wide route": (route("10.0.0.0/8"), "Routes", "10.0.0.0/8 overlaps 10.0.0.0/24"),
    "cloud-init": (text("etc/cloud/cloud.cfg.d/1.cfg", "manage_etc_hosts: true\n"), "CloudInit", "at each boot"),
}

PASSING: dict[str, Callable[[Host], None]] = {
    "a disabled ufw": text("etc/ufw/ufw.conf", "ENABLED=no\n"),
    "one kind of iptables": only_legacy,
    "a permissive SELinux": text("sys/fs/selinux/enforce", "0\n"),
    "a cloud-init that lets be": text("etc/cloud/cloud.cfg", "manage_etc_hosts: false\n"),
    "a route beside": route("10.245.0.0/16"),
    "a disk at /opt": mounted("opt", "size=64m"),
}


@pytest.mark.parametrize("what", list(FAILING))
def test_a_host_with_this_is_refused_by_name_unless_ignored(
    host: Host, bundle: Bundle, toolset: str, what: str
) -> None:
    bundle.write(host.root / "root/bundle")
    prepare, name, said = FAILING[what]
    prepare(host)
    done = refused(host, toolset)
    assert f"[{name}] " in done.err
    assert said in done.err
    ignoring = host.run(toolset, "/root/bundle", "--dry-run", f"--ignore-preflight-errors={name}")
    assert ignoring.code == 2, ignoring.err
    assert f"warning: [{name}]" in ignoring.err


@pytest.mark.parametrize("what", list(PASSING))
def test_a_host_with_this_is_taken(host: Host, bundle: Bundle, toolset: str, what: str) -> None:
    bundle.write(host.root / "root/bundle")
    PASSING[what](host)
    done = host.run(toolset, "/root/bundle", "--dry-run")
    assert (done.code, done.err) == (2, "")


WARNED: dict[str, tuple[Callable[[Host], None], str]] = {
    "a noexec /tmp": (mounted("tmp", "noexec"), "/tmp is mounted noexec"),
    "a policy of DROP": (lambda host: command(host, "iptables-save", "echo ':FORWARD DROP [0:0]'"), "is forwarded"),
    "nftables": (active("nftables.service"), "nftables.service loads rules"),
    "no default route": (lambda host: host.outside("ip", "route", "del", "default"), "there is no default route"),
}


@pytest.mark.parametrize("what", list(WARNED))
def test_a_host_with_this_is_warned_of(host: Host, bundle: Bundle, toolset: str, what: str) -> None:
    bundle.write(host.root / "root/bundle")
    prepare, said = WARNED[what]
    prepare(host)
    done = host.run(toolset, "/root/bundle", "--dry-run")
    assert done.code == 2
    assert said in done.err


def test_what_was_written_gets_its_labels(host: Host, bundle: Bundle, toolset: str) -> None:
    text("sys/fs/selinux/enforce", "1\n")(host)
    command(host, "restorecon", 'echo "restorecon $*" >>/fake/log')
    bundle.write(host.root / "root/bundle")
    assert host.run(toolset, "/root/bundle").code == 0
    call = next(line for line in host.calls() if line.startswith("restorecon -F "))
    assert "/opt/kubernetes/bin/kubelet" in call.split()
