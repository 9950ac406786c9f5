"""The guests' disk: Debian 12, made on the spot by mmdebstrap, kept by what it is made of."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builder.events import Sink, Step
from builder.rehearse.commands import Children

SUITE = "bookworm"
SIZE = "10G"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "linux-image-cloud-amd64",
    "openssh-server",
    "iproute2",
    "iptables",
    "ipset",
    "conntrack",
    "kmod",
    "procps",
    "openssl",
)
"""What a small Debian server has. Neither containerd nor CNI plugins: the bundle brings them."""

_SEED_UNIT = """\
[Unit]
Description=Name, address and keys of this guest, from the disk that the rehearsal made
DefaultDependencies=no
ConditionPathExists=!/etc/rehearsal
After=systemd-remount-fs.service
Before=systemd-udev-trigger.service systemd-networkd.service ssh.service network-pre.target sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'tar -xf DISK -C / && sh /etc/rehearsal'

[Install]
WantedBy=sysinit.target
"""


def seed_unit(disk: str) -> str:
    """The unit that unpacks the seed, from that disk."""
    return _SEED_UNIT.replace("DISK", disk)


_FILES = {
    "etc/fstab": "LABEL=root / ext4 defaults,noatime 0 1\n",
    "etc/systemd/system/rehearsal-seed.service": seed_unit("/dev/vda"),
    "etc/systemd/journald.conf.d/rehearsal.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
    "etc/ssh/sshd_config.d/rehearsal.conf": (
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\nMaxSessions 60\nMaxStartups 60\n"
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    ),
    "etc/machine-id": "uninitialized\n",
}
_ENABLED = ("rehearsal-seed", "systemd-networkd", "ssh")
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-firstboot.service",
)


@dataclass(frozen=True)
class Image:
    """A disk that guests start from. Without a kernel it boots itself; its settings come as a tar, or by cloud-init."""

    disk: Path
    form: str
    kernel: Path | None = None
    initrd: Path | None = None
    seed_is_tar: bool = False


def given_image(disk: Path) -> Image:
    """The user's own cloud image, as it is."""
    with disk.open("rb") as file:
        form = "qcow2" if file.read(4) == b"QFI\xfb" else "raw"
    return Image(disk.absolute(), form)


def debian_image(cache: Path, children: Children, sink: Sink) -> Image:
    """The image from the cache, made first where it is not there; only one process makes it at a time."""
    folder = cache / f"debian-12-{_key()}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            sink(Step("making the guests' disk, Debian 12, by mmdebstrap: about two minutes, once"))
            _make(folder, children)
    return Image(folder / "disk.raw", "raw", folder / "kernel", folder / "initrd", seed_is_tar=True)


def _key() -> str:
    """Everything that the image is made of, as 12 hex digits."""
    made_of = [SUITE, SIZE, PACKAGES, _FILES, _ENABLED, _MASKED]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


def _make(folder: Path, children: Children) -> None:
    """The folder appears whole or not at all."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making."))
    try:
        root = aside / "root"
        # a mount namespace of its own: what it mounts is gone with it, however it ends
        words = (
            "unshare",
            "--mount",
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--mode=root",
            "--format=directory",
        )
        children.check(*words, f"--include={','.join(PACKAGES)}", SUITE, str(root))
        _settle(root, children)
        for name, pattern in (("kernel", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            shutil.copy(max((root / "boot").glob(pattern)), aside / name)
        disk = aside / "disk.raw"
        children.check("mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(disk), SIZE)
        shutil.rmtree(root)
        aside.chmod(0o755)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _settle(root: Path, children: Children) -> None:
    """Our few files, units on and off, and no keys that all guests would share."""
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "var/log/journal").mkdir(parents=True, exist_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for lists in ("var/lib/apt/lists", "var/cache/apt"):
        shutil.rmtree(root / lists, ignore_errors=True)
    children.check("chroot", str(root), "systemctl", "enable", "--quiet", *_ENABLED)
    children.check("chroot", str(root), "systemctl", "mask", "--quiet", *_MASKED)
