"""The repair recipes, done by installing a new bundle: a node renamed, its pods' subnet changed, a certificate replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host
from tests.shell.test_generations import live_on, of_host, run
from tests.shell.test_surroundings import command

SSL = "opt/kubernetes/ssl"
NEW_NAME, NEW_SUBNET = "k8s-node9", "10.244.99.0/24"


def links(host: Host) -> set[str]:
    done = subprocess.run(host.enter("ip", "-o", "link"), check=True, capture_output=True, text=True)
    return {line.split(": ")[1] for line in done.stdout.splitlines()}


def joined(host: Host, name: str) -> dict[str, str]:
    """What a kubelet writes that asked for its certificate itself."""
    written = {
        f"{SSL}/kubelet-client-2026.pem": f"certificate of {name}\n",
        f"{SSL}/kubelet.crt": f"serving certificate of {name}\n",
        f"{SSL}/kubelet.key": f"serving key of {name}\n",
        "opt/kubernetes/cfg/kubelet.kubeconfig": f"system:node:{name}\n",
    }
    for path, content in written.items():
        (host.root / path).write_text(content)
    (host.root / SSL / "kubelet-client-current.pem").symlink_to(f"/{SSL}/kubelet-client-2026.pem")
    return written


def in_place(host: Host) -> dict[str, str]:
    paths = [path for path in (host.root / SSL).iterdir() if path.is_file() and not path.is_symlink()]
    paths.append(host.root / "opt/kubernetes/cfg/kubelet.kubeconfig")
    found = {str(path.relative_to(host.root)): path.read_text() for path in paths if path.exists()}
    del found[f"{SSL}/kubelet-key.pem"]
    return found


def rename(host: Host, bundle: Bundle, name: str) -> None:
    host.outside("hostname", name)
    bundle.head["NODE"] = name
    bundle.files["/opt/kubernetes/cfg/kubelet.conf"] = (
        f"--hostname-override={name}\n".encode(),
        0o644,
        "kubelet.service",
    )
    bundle.write(host.root / "root/bundle")


def test_a_renamed_node_loses_what_the_kubelet_got_under_the_old_name(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    old = joined(host, "k8s-node1")
    host.outside("hostname", NEW_NAME)
    assert "[Hostname] this host is called k8s-node9" in run(host, toolset, code=1)
    rename(host, bundle, NEW_NAME)
    dry = run(host, toolset, "--dry-run", code=2)
    assert "would put the certificates aside that the kubelet got as k8s-node1" in dry
    assert in_place(host) == old
    run(host, toolset)
    assert in_place(host) == {}
    assert not (host.root / SSL / "kubelet-client-current.pem").is_symlink()
    assert (host.root / SSL / "kubelet-key.pem").exists()
    calls = [line for line in host.calls() if "kubelet" in line]
    assert calls == ["systemctl stop kubelet.service", "systemctl --no-block start kubelet.service"] or calls == [
        "systemctl stop kubelet.service",
        "systemctl --no-block restart kubelet.service",
    ]
    new = joined(host, NEW_NAME)
    assert run(host, toolset).startswith("nothing to do")
    run(host, toolset, "rollback")
    assert in_place(host) == old
    run(host, toolset, "rollback", "--to=2")
    assert in_place(host) == new


def test_a_renaming_that_is_cut_short_is_finished_or_undone(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    old = joined(host, "k8s-node1")
    first = of_host(host)
    rename(host, bundle, NEW_NAME)
    for number, ending in enumerate(("abort", "resume", "abort")):
        command(
            host,
            "mv",
            f'case $3 in */.of-*kubelet.{("crt", "key", "kubeconfig")[number]}) kill -9 $PPID ;; esac\nexec /usr/bin/mv "$@"',
        )
        assert host.run(toolset, "/root/bundle").code != 0
        live_on(host)
        run(host, toolset, ending)
        if ending == "resume":
            assert in_place(host) == {}
            joined(host, NEW_NAME)
            run(host, toolset, "rollback")
        assert in_place(host) == old
    assert of_host(host) == first | {p: a for p, a in of_host(host).items() if ".of-" in p}


def test_purge_takes_all_that_kubelets_got(host: Host, bundle: Bundle, settled: Path, toolset: str) -> None:
    joined(host, "k8s-node1")
    rename(host, bundle, NEW_NAME)
    run(host, toolset)
    joined(host, NEW_NAME)
    run(host, toolset, "uninstall", "--purge")
    assert not (host.root / "opt/kubernetes").exists()


def move(host: Host, bundle: Bundle) -> None:
    """A host with pods of the old subnet, and the bundle of the new one."""
    bundle.files["/opt/flannel/subnet.env"] = (b"FLANNEL_SUBNET=10.244.120.1/24\n", 0o644, "flanneld.service")
    tmpfiles = b"d /run/flannel 0755 root root -\nC /run/flannel/subnet.env 0644 root root - /opt/flannel/subnet.env\n"
    bundle.files["/etc/tmpfiles.d/bundler-flannel.conf"] = (tmpfiles, 0o644, "-")
    ctr = b'#!/bin/sh\necho "ctr $*" >>/fake/log\n[ "$4" != ls ] || printf "%s\\n" one two\n'
    bundle.files["/opt/containerd/bin/ctr"] = (ctr, 0o755, "-")
    bundle.head["UNITS"] = "flanneld.service containerd.service kubelet.service"
    unit = b"[Service]\nExecStart=/opt/flannel/flanneld\n[Install]\nWantedBy=multi-user.target\n"
    bundle.files["/etc/systemd/system/flanneld.service"] = (unit, 0o644, "flanneld.service")
    command(
        host,
        "systemd-tmpfiles",
        'echo "systemd-tmpfiles $*" >>/fake/log\nmkdir -p /run/flannel\n[ -e /run/flannel/subnet.env ] || [ ! -e /opt/flannel/subnet.env ] || cp /opt/flannel/subnet.env /run/flannel/subnet.env',
    )
    bundle.write(host.root / "root/bundle")
    assert host.run("dash", "/root/bundle").code == 0
    host.outside("ip", "link", "add", "cni0", "type", "bridge")
    host.outside("ip", "link", "add", "flannel.1", "type", "bridge")
    for path in ("networks/flannel/10.244.120.2", "flannel/abc", "results/abc"):
        (host.root / "var/lib/cni" / path).parent.mkdir(parents=True)
        (host.root / "var/lib/cni" / path).write_text("old\n")
    bundle.head["POD_SUBNET"] = NEW_SUBNET
    bundle.files["/opt/flannel/subnet.env"] = (b"FLANNEL_SUBNET=10.244.99.1/24\n", 0o644, "flanneld.service")
    bundle.write(host.root / "root/bundle")
    host.calls()


def caches(host: Host) -> list[Path]:
    return [path for path in (host.root / "var/lib/cni").rglob("*") if path.is_file()]


def test_a_changed_subnet_leaves_nothing_of_the_old_network(host: Host, bundle: Bundle, toolset: str) -> None:
    move(host, bundle)
    dry = run(host, toolset, "--dry-run", code=2)
    assert "would end the pods of this host, and remove the links and caches of their old network" in dry
    assert {"cni0", "flannel.1"} <= links(host)
    assert len(caches(host)) == 3
    host.calls()
    run(host, toolset)
    assert not {"cni0", "flannel.1"} & links(host)
    assert caches(host) == []
    assert (host.root / "run/flannel/subnet.env").read_text() == "FLANNEL_SUBNET=10.244.99.1/24\n"
    calls = host.calls()
    order = [
        "systemctl stop kubelet.service",
        "ctr -n k8s.io tasks kill -a -s KILL one",
        "ctr -n k8s.io tasks kill -a -s KILL two",
        "systemd-tmpfiles --create /etc/tmpfiles.d/bundler-flannel.conf",
        "systemctl --no-block restart flanneld.service",
    ]
    places = [calls.index(line) for line in order]
    assert places == sorted(places)
    assert calls[-1] in ("systemctl --no-block start kubelet.service", "systemctl --no-block restart kubelet.service")
    assert run(host, toolset).startswith("nothing to do")


@pytest.mark.parametrize("ending", ["resume", "abort", "rollback"])
def test_a_change_of_subnet_is_finished_or_undone(host: Host, bundle: Bundle, toolset: str, ending: str) -> None:
    move(host, bundle)
    if ending != "rollback":
        command(host, "mv", '[ "$3" != ./opt/flannel/subnet.env ] || kill -9 $PPID\nexec /usr/bin/mv "$@"')
        assert host.run(toolset, "/root/bundle").code != 0
        live_on(host)
    else:
        run(host, toolset)
        host.outside("ip", "link", "add", "cni0", "type", "bridge")
    run(host, toolset, ending)
    assert "cni0" not in links(host)
    gateway = "10.244.99.1/24" if ending == "resume" else "10.244.120.1/24"
    assert (host.root / "run/flannel/subnet.env").read_text() == f"FLANNEL_SUBNET={gateway}\n"
    assert (host.root / "opt/flannel/subnet.env").read_text() == f"FLANNEL_SUBNET={gateway}\n"
    assert (host.root / "fake/units/kubelet.service").read_text() == "active\n"


def test_a_replaced_certificate_restarts_what_uses_it_and_nothing_else(
    host: Host, bundle: Bundle, settled: Path, shell: str
) -> None:
    path = "/opt/kubernetes/ssl/kubelet-key.pem"
    bundle.files[path] = (b"ANOTHER-SECRET\n", 0o600, "kubelet.service")
    bundle.head["NOT_AFTER"] = "4000000001"
    bundle.write(settled)
    said = run(host, shell)
    assert "done: 1 written, " in said
    assert "SECRET" not in said
    assert (host.root / path[1:]).read_text() == "ANOTHER-SECRET\n"
    assert (host.root / path[1:]).stat().st_mode & 0o7777 == 0o600
    assert host.calls() == ["systemctl --no-block restart kubelet.service"]
    run(host, shell, "rollback")
    assert (host.root / path[1:]).read_text() == "TOP-SECRET-KEY\n"


def test_under_another_authority_the_kubelet_does_not_keep_its_old_certificates(
    host: Host, bundle: Bundle, toolset: str
) -> None:
    bundle.files[f"/{SSL}/ca.pem"] = (b"one CA\n", 0o644, "kubelet.service")
    bundle.write(host.root / "root/bundle")
    run(host, toolset)
    old = joined(host, "k8s-node1")
    bundle.files["/opt/kubernetes/ssl/kubelet-key.pem"] = (b"OTHER-SECRET\n", 0o600, "kubelet.service")
    bundle.write(host.root / "root/bundle")
    run(host, toolset)
    assert old.items() <= in_place(host).items()
    bundle.files[f"/{SSL}/ca.pem"] = (b"another CA\n", 0o644, "kubelet.service")
    bundle.write(host.root / "root/bundle")
    assert "put the certificates aside that the kubelet got as k8s-node1" in run(host, toolset)
    assert in_place(host) == {f"{SSL}/ca.pem": "another CA\n"}
    run(host, toolset, "rollback")
    assert old.items() <= in_place(host).items()
