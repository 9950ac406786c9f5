"""Disks like those that distributions publish for clouds: Debian 12 behind GRUB on a partition, by mmdebstrap."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path

from tests.e2e.parts import KEPT

BASE = (
    *("systemd", "systemd-sysv", "udev", "dbus", "linux-image-cloud-amd64", "grub-pc-bin", "grub-common"),
    *("openssh-server", "iproute2", "iptables", "ipset", "conntrack", "kmod", "procps", "openssl"),
)
CLOUD = ("cloud-init", "netplan.io")
FILES = {
    "etc/fstab": "LABEL=cloudroot / ext4 defaults 0 1\n",
    "etc/machine-id": "",
    "etc/hostname": "localhost\n",
    "boot/grub/grub.cfg": (
        "linux /vmlinuz root=LABEL=cloudroot ro console=ttyS0 quiet tsc=reliable\ninitrd /initrd.img\nboot\n"
    ),
}
SECTOR, START, SIZE = 512, 2048, 3 * 1024**3  # the partition's first sector, the disk's bytes


def cloud_image(*, cloud_init):
    """A qcow2 that boots by itself; kept by what it is made of."""
    packages = (*BASE, *(CLOUD if cloud_init else ()))
    key = hashlib.sha256(json.dumps([packages, FILES, START, SIZE]).encode()).hexdigest()[:12]
    image = KEPT / "images" / f"{'cloud-init' if cloud_init else 'plain'}-{key}.qcow2"
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        aside = image.with_suffix(".making")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        _make(aside, packages, image)
        shutil.rmtree(aside)
    return image


def _make(aside, packages, image):
    root, disk = aside / "root", aside / "disk.raw"
    mmdebstrap = ["unshare", "--mount", "mmdebstrap", "--quiet", "--variant=minbase", "--mode=root"]
    _run(*mmdebstrap, "--format=directory", f"--include={','.join(packages)}", "bookworm", root)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    grub = [root / "usr/lib/grub/i386-pc/boot.img", aside / "core.img"]
    modules = ("biosdisk", "part_msdos", "ext2", "linux", "normal")
    target = ("-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", "/core.img")
    _run("chroot", root, "grub-mkimage", *target, *modules)
    (root / "core.img").rename(grub[1])
    with disk.open("wb") as file:
        file.truncate(SIZE)
    options = ("-q", "-F", "-L", "cloudroot", "-E", f"offset={START * SECTOR}", "-d", root)
    _run("mkfs.ext4", *options, disk, f"{(SIZE - START * SECTOR) // 1024}k")
    with disk.open("r+b") as file:
        file.write(grub[0].read_bytes()[:440])  # as it stands it loads what begins in the sector after it
        file.seek(446)
        file.write(
            struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", START, SIZE // SECTOR - START)
        )
        file.seek(510)
        file.write(b"\x55\xaa")
        file.write(grub[1].read_bytes())
    _run("qemu-img", "convert", "-O", "qcow2", disk, aside / "disk.qcow2")
    (aside / "disk.qcow2").rename(image)


def _run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


if __name__ == "__main__":
    for wanted in (False, True):
        print(Path(cloud_image(cloud_init=wanted)))
