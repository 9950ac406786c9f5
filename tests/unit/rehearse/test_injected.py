"""An image without cloud-init: its partitions, and the unit that is put into a copy of it."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess

import pytest

from builder.rehearse.commands import Children
from builder.rehearse.disk import FileSystem, file_systems
from builder.rehearse.image import given_image
from builder.rehearse.injected import with_seed_unit
from builder.rehearse.machine import MachineError

TOOLS = ("mkfs.ext4", "debugfs", "e2fsck", "qemu-img")
MISSING = [name for name in TOOLS if not shutil.which(name)]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here")

MIB = 1024 * 1024
NEEDED = ("usr/lib/systemd/system/systemd-networkd.service", "usr/sbin/sshd", "usr/bin/tar", "etc/passwd")


def mbr(*starts):
    table = b"".join(struct.pack("<4xB3xII", 0x83, start, 2048) for start in starts)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt(*starts):
    """A protective MBR, the header in sector 1, entries from sector 2."""
    header = b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 128, 128)
    entries = [b"\x01" * 32 + struct.pack("<QQ", start, start + 2047) for start in starts]
    return mbr(1) + header.ljust(512, b"\0") + b"".join(entry.ljust(128, b"\0") for entry in entries)


def disk_of(tmp_path, table, **contents):
    """A disk with that table, and bytes at `_OFFSET`."""
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(16 * MIB)
        file.write(table)
        for offset, content in contents.items():
            file.seek(int(offset[1:]))
            file.write(content)
    return disk


@pytest.mark.parametrize("table", [mbr, gpt])
def test_partitions_of_both_tables(tmp_path, table):
    disk = disk_of(tmp_path, table(2048, 4096, 8192), **{f"_{2 * MIB}": b"XFSB", f"_{4 * MIB + 1080}": b"\x53\xef"})
    wanted = [FileSystem(MIB, "unknown"), FileSystem(2 * MIB, "xfs"), FileSystem(4 * MIB, "ext4")]
    assert file_systems(disk) == wanted


def test_a_disk_without_a_table(tmp_path):
    assert file_systems(disk_of(tmp_path, b"", _1080=b"\x53\xef")) == [FileSystem(0, "ext4")]
    assert file_systems(disk_of(tmp_path, b"")) == []


def test_a_table_that_is_cut_off_or_nonsense_is_no_crash(tmp_path):
    disk = tmp_path / "disk.raw"
    disk.write_bytes(gpt(2048)[:1060])
    assert file_systems(disk) == []
    disk.write_bytes(gpt(2**62))
    assert file_systems(disk) == [FileSystem(2**62 * 512, "unknown")]


def image(tmp_path, *files, form="qcow2"):
    """A disk with a root file system on its second partition; files that are not named are not there."""
    root = tmp_path / "root"
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "usr").mkdir()
    for link in ("bin", "sbin", "lib"):
        (root / link).symlink_to(f"usr/{link}")
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    disk = disk_of(tmp_path, mbr(2048, 4096), **{f"_{MIB + 1080}": b"\x53\xef"})  # the first is not whole
    options = ("-q", "-F", "-E", f"offset={2 * MIB}", "-d", root)
    subprocess.run(["mkfs.ext4", *options, disk, "12m"], check=True, capture_output=True)
    if form == "raw":
        return disk
    made = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, made], check=True)
    return made


def injected(tmp_path, disk):
    (tmp_path / "copy").mkdir(exist_ok=True)
    return with_seed_unit(given_image(disk), tmp_path / "copy", Children())


def said(copy, request):
    command = ["debugfs", "-R", request, f"{copy}?offset={2 * MIB}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_tools
@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_the_unit_is_in_a_copy_and_the_users_file_is_as_it_was(tmp_path, form):
    disk = image(tmp_path, *NEEDED, form=form)
    before = hashlib.sha256(disk.read_bytes()).hexdigest()
    made = injected(tmp_path, disk)
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == before
    assert (made.form, made.kernel, made.seed_is_tar) == ("raw", None, True)
    assert "tar -xf /dev/$$(grep -lx seed" in said(made.disk, "cat /etc/systemd/system/rehearsal-seed.service")
    status = said(made.disk, "stat /etc/systemd/system/rehearsal-seed.service")
    assert "Mode:  0644" in status
    assert "User:     0   Group:     0" in status
    assert "symlink" in said(made.disk, "stat /etc/systemd/system/sysinit.target.wants/rehearsal-seed.service")
    assert "symlink" in said(made.disk, "stat /etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
    subprocess.run(["e2fsck", "-fn", f"{made.disk}?offset={2 * MIB}"], check=True, capture_output=True)


@needs_tools
def test_an_image_that_lacks_what_it_takes_is_refused(tmp_path):
    with pytest.raises(MachineError, match=r"disk.raw: the image has no systemd-networkd, sshd; .*cloud-init"):
        injected(tmp_path, image(tmp_path, "etc/passwd", "usr/bin/tar", form="raw"))


@needs_tools
def test_a_root_file_system_that_cannot_be_mended_by_itself_is_refused(tmp_path):
    disk = image(tmp_path, *NEEDED, form="raw")
    for request in ("clri /usr/bin", "set_super_value state 2"):  # a folder without its inode; errors are known
        command = ["debugfs", "-w", "-R", request, f"{disk}?offset={2 * MIB}"]
        subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(MachineError, match=r"disk.raw: its root file system is damaged"):
        injected(tmp_path, disk)


@needs_tools
def test_a_disk_without_an_ext4_root_is_refused_with_what_is_there(tmp_path):
    with pytest.raises(MachineError, match=r"no ext4 with a root file system is on this disk, but xfs, unknown"):
        injected(tmp_path, disk_of(tmp_path, mbr(2048, 4096), **{f"_{MIB}": b"XFSB"}))
    with pytest.raises(MachineError, match=r"but no partition"):
        injected(tmp_path, disk_of(tmp_path, b""))
