"""A user's image without cloud-init: a copy of it, given the unit that reads the seed disk. The file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.rehearse.commands import Children
from builder.rehearse.disk import file_systems
from builder.rehearse.image import Image, seed_unit
from builder.rehearse.machine import MachineError

_UNITS = "/etc/systemd/system"
_SEED = "rehearsal-seed.service"
_NETWORKD = "systemd-networkd.service"
_NEEDED = {  # what an image must have -> where it may lie
    "systemd-networkd": (f"/lib/systemd/system/{_NETWORKD}", f"/usr/lib/systemd/system/{_NETWORKD}"),
    "sshd": ("/usr/sbin/sshd",),
    "tar": ("/bin/tar", "/usr/bin/tar"),
}
# the disk is known by its serial number, not by its letter; $$ is systemd's way to write $
_BY_SERIAL = "/dev/$$(grep -lx seed /sys/block/vd*/serial | cut -d / -f 4)"
_UNCORRECTED = 4  # e2fsck(8): errors are left, or it could not work
_REMEDY = "use an image with cloud-init, and --image-access cloud-init"


def with_seed_unit(given: Image, folder: Path, children: Children) -> Image:
    """A copy in `folder`, which its guests start from. Raises MachineError for an image that this cannot be done to."""
    copy = folder / "image.raw"
    children.check("qemu-img", "convert", "-f", given.form, "-O", "raw", str(given.disk), str(copy))
    root = _root(given.disk, copy, children)
    unit = folder / _SEED
    unit.write_text(seed_unit(_BY_SERIAL))
    unit.chmod(0o644)
    networkd = _found(root, _NEEDED["systemd-networkd"], children)
    links = {
        f"{_UNITS}/sysinit.target.wants/{_SEED}": f"{_UNITS}/{_SEED}",
        f"{_UNITS}/multi-user.target.wants/{_NETWORKD}": networkd,
    }
    _write(root, unit, links, children)
    for path in (f"{_UNITS}/{_SEED}", *links):
        if not _found(root, (path,), children):
            raise MachineError(f"{given.disk}: {path} could not be written into a copy of it", _REMEDY)
    return Image(copy, "raw", seed_is_tar=True)


def _root(disk: Path, copy: Path, children: Children) -> str:
    """The root file system in the copy, as debugfs is told of it."""
    found = file_systems(copy)
    for system in found:
        root = f"{copy}?offset={system.offset}"
        if system.kind == "ext4" and _found(root, ("/etc/passwd",), children):
            # what its journal still holds would undo what is written now
            if children.run(["e2fsck", "-p", root]).code >= _UNCORRECTED:
                raise MachineError(f"{disk}: its root file system is damaged", "mend it with e2fsck, or use another")
            lacking = [name for name, paths in _NEEDED.items() if not _found(root, paths, children)]
            if lacking:
                raise MachineError(f"{disk}: the image has no {', '.join(lacking)}", _REMEDY)
            return root
    kinds = ", ".join(system.kind for system in found) or "no partition"
    raise MachineError(f"{disk}: no ext4 with a root file system is on this disk, but {kinds}", _REMEDY)


def _found(root: str, paths: tuple[str, ...], children: Children) -> str:
    """The first of the paths that is there, or nothing. debugfs exits with 0 whatever happens."""
    for path in paths:
        if children.run(["debugfs", "-R", f"stat {path}", root]).out.startswith("Inode:"):
            return path
    return ""


def _write(root: str, unit: Path, links: Mapping[str, str], children: Children) -> None:
    """Folders that are there already and links that are only make debugfs complain."""
    lines = [f"cd {_UNITS}", f'write "{unit}" {_SEED}']
    for link, target in links.items():
        lines += [f"mkdir {link.rpartition('/')[0]}", f"symlink {link} {target}"]
    script = unit.with_suffix(".debugfs")
    script.write_text("\n".join(lines) + "\n")
    children.check("debugfs", "-w", "-f", str(script), root)
