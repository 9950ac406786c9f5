from __future__ import annotations

import configparser
import shlex
import subprocess
from dataclasses import replace

import pytest

from tests.kit import HOSTS, cluster, network, whole

UNITS = "/etc/systemd/system/"


def unit(text):
    """A unit file as section -> list of (key, value), continuation lines joined."""
    sections, name = {}, None
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif line.strip() and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            sections[name].append((key, value))
    return sections


ALONE = whole(nodes=whole().nodes[:1])
KINDS = {"joins": cluster(), "everything": ALONE, "static": replace(ALONE, network=network(backend="static"))}


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_accepts_every_unit(render_once, tmp_path, kind):
    """systemd-analyze verify, with a file in place of each program that a unit starts."""
    root = tmp_path / "root"
    node = render_once(KINDS[kind])["k8s-master1"]
    for path, content in node.files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(node.modes[path])
    for file in node.plan.payload:
        place = root / file.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\n")
        place.chmod(file.mode)
    modprobe = root / "sbin/modprobe"
    modprobe.parent.mkdir(exist_ok=True)
    modprobe.write_text("#!/bin/sh\n")
    modprobe.chmod(0o755)
    stock = root / "usr/lib/systemd/system"
    stock.mkdir(parents=True)
    for name in (
        "multi-user",
        "network-online",
        "network",
        "local-fs",
        "sysinit",
        "basic",
        "shutdown",
        "initrd-switch-root",
        "timers",
        "time-set",
        "time-sync",
    ):
        (stock / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    verify = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no"]
    done = subprocess.run([*verify, *node.plan.units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", HOSTS)
def test_units_are_plain_key_and_value_lines(seed, name):
    for path, content in seed[name].files.items():
        if path.startswith(UNITS):
            parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#", ";"), interpolation=None)
            parser.optionxform = str
            parser.read_string(content.decode().replace("\\\n", " "))
            wanted = "timers.target" if path.endswith(".timer") else "multi-user.target"
            assert parser["Install"]["WantedBy"] == wanted, path


def test_units_start_in_the_order_that_works(seed):
    assert seed["k8s-node1"].plan.units == (
        "bundler-service-route.service",
        "bundler-firewall.service",
        "flanneld.service",
        "containerd.service",
        "bundler-images.service",
        "kubelet.service",
        "kube-proxy.service",
    )


def test_nothing_requires_flanneld(seed):
    """pitfalls 8 and 9: stopping flanneld, or an etcd that comes late, must not take containerd down."""
    for path, content in seed["k8s-node1"].files.items():
        if path.startswith(UNITS):
            for section in unit(content.decode()).values():
                for key, value in section:
                    assert key not in {"Requires", "RequiredBy", "BindsTo", "PartOf", "Requisite"}, (path, value)
    containerd = dict(unit(seed["k8s-node1"].text(UNITS + "containerd.service"))["Unit"])
    assert containerd["Wants"] == "flanneld.service"
    assert "flanneld.service" in containerd["After"]


def test_flanneld_never_gives_up_and_holds_nobody_up_for_long(seed):
    """pitfall 9"""
    sections = unit(seed["k8s-node1"].text(UNITS + "flanneld.service"))
    service = dict(sections["Service"])
    assert service["Type"] == "notify"
    assert 0 < int(service["TimeoutStartSec"]) <= 90, "containerd waits for one start of flanneld, not for etcd"
    assert service["Restart"] == "always"
    assert service["RestartSec"] == "5"
    assert dict(sections["Unit"])["StartLimitIntervalSec"] == "0"
    assert "etcd.service" in dict(sections["Unit"])["After"]


@pytest.mark.parametrize("name", HOSTS)
def test_every_flag_is_one_that_flanneld_0_17_knows(seed, flags, name):
    command = dict(unit(seed[name].text(UNITS + "flanneld.service"))["Service"])["ExecStart"]
    words = shlex.split(command)
    assert words[0] == "/opt/flannel/flanneld"
    given = dict(word.removeprefix("-").split("=", 1) for word in words[1:])
    assert set(given) <= set(flags["flanneld-v0.17.0"])
    assert given["iface"] == given["public-ip"] == HOSTS[name], "host-gw needs both to be the node's address"
    assert given["etcd-endpoints"] == "https://10.1.1.100:2379,https://10.1.1.120:2379,https://10.1.1.130:2379"
    assert given["ip-masq"] == "false"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_unit_starts_is_in_the_bundle(render_once, kind):
    node = render_once(KINDS[kind])["k8s-master1"]
    held = {file.path for file in node.plan.payload} | set(node.files)
    for path, content in node.files.items():
        if path.startswith(UNITS):
            for key, value in unit(content.decode()).get("Service", []):
                if key.startswith("Exec"):
                    program = shlex.split(value)[0].lstrip("-")
                    assert program in held or program.startswith("/sbin/"), (path, program)
                if key == "EnvironmentFile":
                    assert value in held


@pytest.mark.parametrize("kind", KINDS)
def test_every_unit_of_the_plan_has_its_file_and_each_file_its_unit(render_once, kind):
    node = render_once(KINDS[kind])["k8s-master1"]
    files = {path.removeprefix(UNITS) for path in node.files if path.startswith(UNITS)}
    started_by_a_timer = {f"{name.removesuffix('.timer')}.service" for name in files if name.endswith(".timer")}
    assert files - started_by_a_timer == set(node.plan.units)


def test_the_whole_starts_in_the_order_that_works(render_once):
    assert render_once(ALONE)["k8s-master1"].plan.units == (
        "bundler-service-route.service",
        "bundler-firewall.service",
        "etcd.service",
        "bundler-flannel-keys.service",
        "flanneld.service",
        "containerd.service",
        "bundler-images.service",
        "kubelet.service",
        "kube-proxy.service",
        "kube-apiserver.service",
        "kube-controller-manager.service",
        "kube-scheduler.service",
        "bundler-nodes.timer",
        "bundler-objects.service",
    )
