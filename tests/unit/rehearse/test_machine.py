"""What is missing here, and whether KVM really works."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.rehearse.commands import Children
from builder.rehearse.machine import MachineError, choose, kvm_fault, require

THERE = Path("/")


def test_all_that_is_missing_is_named_with_its_packages():
    with pytest.raises(MachineError) as caught:
        require(None, which=lambda name: None if name in {"ip", "mmdebstrap"} else "/x", user=1000)
    said = str(caught.value)
    assert "root" in said
    assert "ip, mmdebstrap" in said
    assert "apt-get install iproute2 mmdebstrap" in said
    assert caught.value.exit_code == 2


def test_a_machine_without_taps_is_refused(tmp_path):
    with pytest.raises(MachineError, match=r"rehearse needs .*/no-tun, for the taps: modprobe tun"):
        require(None, which=lambda _name: "/x", user=0, tun=tmp_path / "no-tun")


def test_a_given_image_needs_no_mmdebstrap():
    require("cloud-init", which=lambda name: None if name == "mmdebstrap" else "/x", user=0, tun=THERE)
    with pytest.raises(MachineError, match="xorriso"):
        require("cloud-init", which=lambda name: None if name == "xorriso" else "/x", user=0, tun=THERE)


def test_what_an_image_without_cloud_init_needs_is_another():
    require("ssh-key", which=lambda name: None if name in {"mmdebstrap", "xorriso"} else "/x", user=0, tun=THERE)
    with pytest.raises(MachineError, match=r"debugfs, e2fsck: .*apt-get install e2fsprogs"):
        require("ssh-key", which=lambda name: None if name in {"debugfs", "e2fsck"} else "/x", user=0, tun=THERE)


def test_kvm_is_taken_only_where_it_works():
    assert choose("auto", lambda: "")[0] == "kvm"
    accel, reason = choose("auto", lambda: "no such device")
    assert accel == "tcg"
    assert "no such device" in reason


def test_kvm_that_is_asked_for_and_does_not_work_is_refused():
    with pytest.raises(MachineError, match="broken"):
        choose("kvm", lambda: "broken")


def test_tcg_does_not_try_kvm():
    assert choose("tcg", lambda: pytest.fail("tried"))[0] == "tcg"


def test_a_device_that_is_no_kvm_is_found_out(tmp_path):
    assert "No such file" in kvm_fault(Children(), None, str(tmp_path / "kvm"))
    assert "/dev/null" in kvm_fault(Children(), None, "/dev/null")
