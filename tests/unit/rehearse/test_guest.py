"""QEMU's command line, and what a guest says when its machine is gone."""

from __future__ import annotations

import os
import signal
import time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from builder.rehearse.commands import Children
from builder.rehearse.guest import Guest, GuestError, Hardware, Place, qemu_command
from builder.rehearse.image import Image
from builder.rehearse.network import Network

OURS = Image(Path("/i/disk.raw"), "raw", Path("/i/kernel"), Path("/i/initrd"))


def place(folder=Path("/r/n1")):
    sticks = {"bundle": Path("/d/a,b.tar.gz")}
    return Place(folder, "tap0", "52:54:00:01:02:03", folder / "seed.tar", sticks, Path("/r/key"), Path("/r/known"))


def line(image=OURS, accel="tcg", start=""):
    return " ".join(qemu_command("n1", Hardware(image, 1536, accel, 2, start), place()))


def test_the_only_network_is_the_tap():
    command = line()
    assert "-nodefaults" in command
    assert command.count("-netdev") == 1
    assert "tap,id=net0,ifname=tap0,script=no,downscript=no" in command


def test_a_comma_in_a_file_name_is_doubled_and_sticks_are_read_only():
    assert "id=bundle,file=/d/a,,b.tar.gz,format=raw,readonly=on" in line()
    assert "virtio-blk-pci,drive=bundle,serial=bundle" in line()


def test_our_image_boots_its_kernel_and_finds_the_seed_first():
    command = line()
    assert "-kernel /i/kernel -initrd /i/initrd" in command
    assert command.index("id=seed") < command.index("id=root")


def test_a_given_image_boots_from_its_own_disk():
    command = line(Image(Path("/c.qcow2"), "qcow2"))
    assert "-kernel" not in command
    assert command.index("id=root") < command.index("id=seed")


def test_only_kvm_has_the_hosts_processor():
    assert "-accel kvm -cpu host" in line(accel="kvm")
    assert "-cpu max" in line(accel="tcg")


def test_memory_and_clock_are_passed_on():
    assert "-m 1536" in line()
    assert "-rtc" not in line()
    assert "-rtc base=2020-01-01T00:00:00" in line(start="2020-01-01T00:00:00")


def test_a_machine_that_is_gone_is_no_timeout(tmp_path):
    (tmp_path / "qemu.log").write_text("no memory\n")
    children = Children()
    network = Network(children, IPv4Network("10.1.1.0/24"), IPv4Address("10.1.1.254"))
    guest = Guest("n1", IPv4Address("10.1.1.1"), place(tmp_path), Hardware(OURS, 1, "tcg"), network, children, 1)
    with pytest.raises(GuestError, match="n1: its virtual machine ended; no memory"):
        guest.run("true")


class Here:
    """Programs run on this machine, in no namespace."""

    def inside(self, *words):
        return list(words)


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A guest whose QEMU and ssh are programs that only wait."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("qemu-system-x86_64", "ssh"):
        (programs / name).write_text("#!/bin/sh\necho I am here\nexec sleep 300\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (tmp_path / "disk.qcow2").touch()
    children = Children()
    guest = Guest("n1", IPv4Address("10.1.1.1"), place(tmp_path), Hardware(OURS, 1, "tcg"), Here(), children, 1)
    guest.power_on()
    yield guest
    children.end()


def test_a_machine_that_is_killed_ends_what_runs_there_within_seconds(running):
    heard = []

    def kill(line):
        heard.append(time.monotonic())
        os.kill(running._qemu.pid, signal.SIGKILL)

    with pytest.raises(GuestError, match="n1: its virtual machine ended"):
        running.run("sleep 300", timeout=300, listener=kill)
    assert time.monotonic() - heard[0] < 10


def test_nothing_is_asked_of_a_machine_that_is_gone(running):
    os.kill(running._qemu.pid, signal.SIGKILL)
    running._qemu.wait()
    began = time.monotonic()
    with pytest.raises(GuestError, match="n1: its virtual machine ended"):
        running.run("true")
    assert time.monotonic() - began < 10
