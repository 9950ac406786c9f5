"""What this machine can do: acceleration that really works, and what is missing for a rehearsal."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

from builder.errors import BundlerError

Accel = Literal["auto", "kvm", "tcg"]

_GET_API_VERSION, _CREATE_VM, _CREATE_VCPU = 0xAE00, 0xAE01, 0xAE41
_API_VERSION = 12
_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "xorriso": "xorriso",
}
_ALWAYS = ("qemu-system-x86_64", "qemu-img", "ip", "ssh", "ssh-keygen")
_OWN_IMAGE, _GIVEN_IMAGE = ("mmdebstrap", "mkfs.ext4"), ("xorriso",)


class MachineError(BundlerError):
    """This machine cannot rehearse; nothing was started. Exit code 2."""

    exit_code = 2


def require(*, given_image: bool, which: Callable[[str], str | None] = shutil.which, user: int | None = None) -> None:
    """Raises MachineError with everything that is missing."""
    lacking = [name for name in (*_ALWAYS, *(_GIVEN_IMAGE if given_image else _OWN_IMAGE)) if not which(name)]
    problems = []
    if (os.geteuid() if user is None else user) != 0:
        problems.append("needs root, for a network namespace and its taps: run it with sudo")
    if lacking:
        packages = " ".join(sorted({_PACKAGES[name] for name in lacking}))
        problems.append(f"needs {', '.join(lacking)}: on Debian, apt-get install {packages}")
    if problems:
        raise MachineError(f"rehearse {'; it also '.join(problems)}")


def kvm_fault(device: str = "/dev/kvm") -> str:
    """Why KVM does not work here, or nothing: a device that is there can still refuse to make a machine."""
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"{device}: {error.strerror}"
    opened = [kvm]
    try:
        version = fcntl.ioctl(kvm, _GET_API_VERSION, 0)
        if version != _API_VERSION:
            return f"{device} speaks version {version} instead of {_API_VERSION}"
        machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
        opened.append(machine)
        opened.append(fcntl.ioctl(machine, _CREATE_VCPU, 0))
    except OSError as error:
        return f"{device} makes no virtual machine: {error.strerror}"
    finally:
        _close(opened)
    return ""


def _close(opened: Iterable[int]) -> None:
    for number in opened:
        with suppress(OSError):
            os.close(number)


def choose(wanted: Accel, fault: Callable[[], str] = kvm_fault) -> tuple[str, str]:
    """`kvm` or `tcg`, and a sentence on why. Raises MachineError where KVM is asked for and does not work."""
    if wanted == "tcg":
        return "tcg", "software emulation, as asked for"
    reason = fault()
    if not reason:
        return "kvm", "KVM works here"
    if wanted == "kvm":
        raise MachineError(f"KVM does not work here: {reason}", "use --accel tcg (several times slower)")
    return "tcg", f"software emulation, as KVM does not work here ({reason}): several times slower"
