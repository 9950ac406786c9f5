"""What this machine can do: acceleration that really works, and what is missing for a rehearsal."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from builder.errors import BundlerError
from builder.rehearse.commands import Children

Accel = Literal["auto", "kvm", "tcg"]
Access = Literal["cloud-init", "ssh-key"]

_GET_API_VERSION, _CREATE_VM = 0xAE00, 0xAE01  # linux/kvm.h
_API_VERSION = 12
_TRIAL_SECONDS = 10
_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
    "xorriso": "xorriso",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
}
_ALWAYS = ("qemu-system-x86_64", "qemu-img", "ip", "ssh", "ssh-keygen")
_OWN_IMAGE = ("mmdebstrap", "mkfs.ext4", "unshare")
_GIVEN_IMAGE: Mapping[Access, tuple[str, ...]] = {"cloud-init": ("xorriso",), "ssh-key": ("debugfs", "e2fsck")}


class MachineError(BundlerError):
    """This machine cannot rehearse; nothing was started. Exit code 2."""

    exit_code = 2


def require(
    given_image: Access | None,
    *,
    which: Callable[[str], str | None] = shutil.which,
    user: int | None = None,
    tun: Path = Path("/dev/net/tun"),
) -> None:
    """Raises MachineError with everything that is missing; `given_image` says how a user's image is entered."""
    needed = _GIVEN_IMAGE[given_image] if given_image else _OWN_IMAGE
    lacking = [name for name in (*_ALWAYS, *needed) if not which(name)]
    problems = []
    if (os.geteuid() if user is None else user) != 0:
        problems.append("needs root, for a network namespace and its taps: run it with sudo")
    if lacking:
        packages = " ".join(sorted({_PACKAGES[name] for name in lacking}))
        problems.append(f"needs {', '.join(lacking)}: on Debian, apt-get install {packages}")
    if not tun.exists():
        problems.append(f"needs {tun}, for the taps: modprobe tun, or give the container that device")
    if problems:
        raise MachineError(f"rehearse {'; it also '.join(problems)}")


def kvm_fault(children: Children, kernel: Path | None, device: str = "/dev/kvm") -> str:
    """Why KVM does not work here, or nothing.

    A device that is there can still refuse to make a machine, and one that makes machines can make such as boot
    nothing; so one is booted, for a moment.
    """
    try:
        with Path(device).open("r+b", buffering=0) as kvm:
            version = fcntl.ioctl(kvm, _GET_API_VERSION, 0)
            os.close(fcntl.ioctl(kvm, _CREATE_VM, 0))
    except OSError as error:
        return f"{device}: {error.strerror}"
    if version != _API_VERSION:
        return f"{device} speaks version {version} instead of {_API_VERSION}"
    booted, said = _trial(children, kernel)
    return "" if booted else f"a machine does not boot with it: {said}"


def _trial(children: Children, kernel: Path | None) -> tuple[bool, str]:
    """Boot the kernel, or just the firmware where there is none, until it says its name."""
    command = [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"),
        *("-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-chardev", "stdio,id=said"),
    ]
    if kernel:
        command += ["-serial", "chardev:said", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    else:
        command += ["-device", "isa-debugcon,iobase=0x402,chardev=said"]
    word = "Linux version" if kernel else "SeaBIOS"
    done = children.run(command, timeout=_TRIAL_SECONDS)
    last = (done.err.strip() or "it says nothing").splitlines()[-1]
    return word in done.out, last


def choose(wanted: Accel, fault: Callable[[], str]) -> tuple[str, str]:
    """`kvm` or `tcg`, and a sentence on why. Raises MachineError where KVM is asked for and does not work."""
    if wanted == "tcg":
        return "tcg", "software emulation, as asked for"
    reason = fault()
    if not reason:
        return "kvm", "KVM works here"
    if wanted == "kvm":
        raise MachineError(f"KVM does not work here: {reason}", "use --accel tcg (several times slower)")
    return "tcg", f"software emulation, as KVM does not work here ({reason}): several times slower"
