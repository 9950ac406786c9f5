"""One virtual machine: a QEMU process in the namespace, its disk, its serial console, and a way in by ssh."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from builder.errors import BundlerError
from builder.rehearse.commands import Children, CommandError, Done, Listener
from builder.rehearse.image import Image
from builder.rehearse.network import Network

_MOST_SOCKET = 100  # a path that ssh can still add its suffix to (sun_path has 108 bytes)
_SSH = (
    "ssh",
    *("-F", "none", "-l", "root"),
    *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"),
    *("-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=20"),
    *("-o", "LogLevel=ERROR"),
)


class GuestError(BundlerError):
    """A guest is not there any more, or does not do what every host does."""


@dataclass(frozen=True)
class Hardware:
    """What all guests have alike; `memory` in MiB, `accel` is kvm or tcg."""

    image: Image
    memory: int
    accel: str
    cpus: int = 1
    start: str = ""  # the hardware clock's time (UTC, as QEMU takes it), or empty for now
    clock: str = ""  # words for the kernel of the image, about the clock


@dataclass(frozen=True)
class Place:
    """Where a guest's own things are on this machine; `sticks` are read-only disks by their serial number."""

    folder: Path
    tap: str
    mac: str
    seed: Path
    sticks: Mapping[str, Path]
    key: Path
    known_hosts: Path

    @property
    def disk(self) -> Path:
        """What this guest wrote, over the image."""
        return self.folder / "disk.qcow2"

    @property
    def console(self) -> Path:
        """What its serial console said, of all its boots."""
        return self.folder / "console.log"


def qemu_command(name: str, hardware: Hardware, place: Place) -> list[str]:
    """The command line. cache=unsafe: the guests' syncs would make all of them wait for this machine's disk."""
    image = hardware.image
    tcg = hardware.accel == "tcg"
    command = [
        "qemu-system-x86_64",
        *("-name", name, "-nodefaults", "-display", "none", "-monitor", "none", "-no-user-config"),
        *("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512" if tcg else "kvm"),
        *("-cpu", "max" if tcg else "host", "-smp", str(hardware.cpus), "-m", str(hardware.memory)),
        *("-chardev", f"file,id=console,path={place.console},append=on", "-serial", "chardev:console"),
        *("-netdev", f"tap,id=net0,ifname={place.tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net0,mac={place.mac},romfile="),
        *("-device", "virtio-rng-pci"),
    ]
    if hardware.start:
        command += ["-rtc", f"base={hardware.start}"]
    if image.kernel and image.initrd:
        words = "root=LABEL=root rw console=ttyS0 net.ifnames=0 quiet systemd.show_status=0"
        words += f" {hardware.clock}" if hardware.clock else ""
        command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", words]
        command += _drive("seed", place.seed, "format=raw,readonly=on")
        command += _drive("root", place.disk, "format=qcow2,cache=unsafe")
    else:
        command += _drive("root", place.disk, "format=qcow2,cache=unsafe")
        command += _drive("seed", place.seed, "format=raw,readonly=on")
    for serial, file in place.sticks.items():
        command += _drive(serial, file, "format=raw,readonly=on")
    return command


def _drive(serial: str, file: Path, options: str) -> list[str]:
    """A disk that the guest finds as /dev/disk/by-id/virtio-SERIAL. QEMU wants a comma in a name doubled."""
    name = str(file).replace(",", ",,")
    return [
        *("-drive", f"if=none,id={serial},file={name},{options}"),
        *("-device", f"virtio-blk-pci,drive={serial},serial={serial}"),
    ]


class Guest:
    """A host for the scenarios: they reach it only by what a person has, a shell and the power button."""

    def __init__(
        self,
        name: str,
        address: IPv4Address,
        place: Place,
        hardware: Hardware,
        network: Network,
        children: Children,
        patience: float,
    ) -> None:
        self.name = name
        self.address = address
        self.place = place
        self._hardware = hardware
        self._network = network
        self._children = children
        self._patience = patience
        self._qemu: subprocess.Popen[str] | None = None

    def boot(self, start: str = "") -> None:
        """Power on, and wait until ssh answers. A disk that is not there yet is made: a fresh host."""
        self.power_on(start)
        self.wait_for_ssh()

    def power_on(self, start: str = "") -> None:
        """Power on; `start` sets the hardware clock."""
        place, hardware = self.place, self._hardware
        if start:
            hardware = replace(hardware, start=start)
        if not place.disk.exists():
            image = hardware.image
            self._children.check(
                *("qemu-img", "create", "-q", "-f", "qcow2"),
                *("-b", str(image.disk), "-F", image.form, str(place.disk), "20G"),
            )
        command = self._network.inside(*qemu_command(self.name, hardware, place))
        self._qemu = self._children.start(command, owner=f"{self.name} power", log=place.folder / "qemu.log")
        threading.Thread(target=self._watch, args=(self._qemu,), daemon=True).start()

    def _watch(self, qemu: subprocess.Popen[str]) -> None:
        """Whoever talks to a guest that is gone learns it at once, not from a timeout."""
        qemu.wait()
        self._children.forget(qemu)
        self._children.end_of(self.name)

    @property
    def alive(self) -> bool:
        """Whether its QEMU process runs."""
        return self._qemu is not None and self._qemu.poll() is None

    def wait_for_ssh(self, old_boot: str = "") -> None:
        """Until it answers; `old_boot` is the boot that it must have left."""
        limit = time.monotonic() + 90 * self._patience
        while time.monotonic() < limit:
            done = self._ssh("cat /proc/sys/kernel/random/boot_id", timeout=30 * self._patience)
            if not done.code and done.out.strip() != old_boot:
                self._open_master()
                return
            self._still_there()
            time.sleep(1)
        raise GuestError(
            f"{self.name}: no ssh after {90 * self._patience:.0f} s", f"its console ends with: {self._last_words()}"
        )

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float = 120,
        text: str | None = None,
        listener: Listener | None = None,
    ) -> Done:
        """A line of shell as root; `timeout` in seconds, more where machines are emulated.

        Raises GuestError when the guest is dead or dies meanwhile, and with `check` when the command failed.
        """
        self._still_there()
        done = self._ssh(command, timeout=timeout * self._patience, text=text, listener=listener)
        self._still_there()
        if check and done.code:
            said = (done.err.strip() or done.out.strip()).splitlines()
            raise GuestError(f"{self.name}: `{command}` exited with {done.code}: {' / '.join(said[-3:])}")
        return done

    def reboot(self) -> None:
        """As a person does it; back when ssh answers again."""
        boot = self.run("cat /proc/sys/kernel/random/boot_id").out.strip()
        self.run("systemctl reboot", check=False)
        self.wait_for_ssh(boot)

    def power_cut(self) -> None:
        """Pull the plug."""
        if self._qemu is not None:
            self._children.kill(self._qemu)
        self._qemu = None

    def renew(self, start: str = "") -> None:
        """A fresh host of the same name: what this one wrote is gone."""
        self.power_cut()
        self.place.disk.unlink(missing_ok=True)
        self.boot(start)

    def fetch(self, command: str, file: Path) -> None:
        """What a command prints, into a file of this machine; best effort, for logs."""
        with suppress(GuestError, CommandError):
            done = self.run(command, check=False)
            file.write_text(done.out)

    def ssh_command(self) -> list[str]:
        """The way in, for a person."""
        options = ("-i", str(self.place.key), "-o", f"UserKnownHostsFile={self.place.known_hosts}")
        return self._network.inside(*_SSH, *options, str(self.address))

    def _still_there(self) -> None:
        if not self.alive:
            said = (self.place.folder / "qemu.log").read_text(errors="replace").strip().splitlines()
            raise GuestError(f"{self.name}: its virtual machine ended{''.join(f'; {line}' for line in said[-2:])}")

    def _last_words(self) -> str:
        lines = (
            self.place.console.read_text(errors="replace").strip().splitlines() if self.place.console.exists() else []
        )
        return lines[-1] if lines else "nothing"

    @property
    def _socket(self) -> Path | None:
        socket = self.place.folder / "ssh"
        return socket if len(str(socket)) < _MOST_SOCKET else None

    def _open_master(self) -> None:
        """One connection for all commands: a handshake takes seconds where the guest is emulated."""
        if self._socket is None:
            return
        self._socket.unlink(missing_ok=True)
        way, address = self.ssh_command()[:-1], str(self.address)
        master = [*way, "-o", "ControlMaster=yes", "-o", f"ControlPath={self._socket}", "-N", address]
        self._children.start(master, owner=self.name, log=self.place.folder / "ssh.log")

    def _ssh(self, command: str, *, timeout: float, text: str | None = None, listener: Listener | None = None) -> Done:
        way, address = self.ssh_command()[:-1], str(self.address)
        if self._socket is not None:
            way += ["-o", f"ControlPath={self._socket}"]
        line = [*way, address, command]
        return self._children.run(line, owner=self.name, text=text, timeout=timeout, listener=listener)
