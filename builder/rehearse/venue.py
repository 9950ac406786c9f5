"""The guests and all around them: made for one rehearsal, and taken away after it whatever happened in between."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface
from pathlib import Path

from builder.events import Sink, Step
from builder.model.cluster import Cluster, Node
from builder.rehearse import machine, outside, probe
from builder.rehearse.commands import Children
from builder.rehearse.guest import Guest, Hardware, Place
from builder.rehearse.host import Host
from builder.rehearse.image import Image, debian_image, given_image
from builder.rehearse.injected import with_seed_unit
from builder.rehearse.network import PREFIX, Network, common_network, free_address, sweep
from builder.rehearse.progress import BOOTING, WAITING, Board, Watch
from builder.rehearse.seed import Identity, cloud_files, seed_tar
from builder.rehearse.signals import signals_end_it, signals_wait
from builder.rehearse.site import BUNDLE, EARLIER, OTHER, Site
from builder.rehearse.tsc import clock_words

_SLOW = 5.0
"""How many times slower than a real machine emulated ones may be, before they count as stuck."""
_OUTSIDE_PORT = 8099


@dataclass(frozen=True)
class Wanted:
    """Which guests. `image` None: Debian, made here; `memory` in MiB; `dist` has the bundles, `cache` what is kept.

    `image_access` is how a guest of a given image learns who it is; `earlier` has the bundles that the hosts have now.
    """

    cluster: Cluster
    nodes: Sequence[Node]
    dist: Path
    cache: Path
    image: Path | None = None
    accel: machine.Accel = "auto"
    memory: int = 2048
    image_access: machine.Access = "cloud-init"
    power_cuts: int = 2
    earlier: Path | None = None


@dataclass
class Venue:
    """The guests as they stand. `kept` leaves them when the block ends."""

    site: Site
    guests: dict[str, Guest]
    network: Network
    folder: Path
    machine: str
    kept: bool = False


@dataclass(frozen=True)
class _Means:
    """What all guests are made with."""

    folder: Path
    network: Network
    hardware: Hardware
    children: Children

    @property
    def patience(self) -> float:
        return 1.0 if self.hardware.accel == "kvm" else _SLOW


@contextmanager
def venue(wanted: Wanted, sink: Sink, watch: Watch) -> Iterator[Venue]:
    """Booted guests. After the block no process, tap, namespace or file of them is left, unless they are `kept`."""
    sweep()
    rooms = wanted.cache / "rehearsals"
    rooms.mkdir(parents=True, exist_ok=True)
    children = Children()
    folder = Path(tempfile.mkdtemp(dir=rooms, prefix=PREFIX))
    addresses = [node.address for node in wanted.cluster.nodes]
    wide = common_network(addresses)
    network = Network(children, wide, free_address(wide, addresses))
    place: Venue | None = None
    with signals_end_it():
        try:
            place = _furnished(wanted, folder, network, children, sink, watch)
            _boot_all(place)
            yield place
        finally:
            with signals_wait():
                if place is None or not place.kept:
                    children.end()
                    network.remove()
                    shutil.rmtree(folder, ignore_errors=True)
                    with suppress(OSError):
                        rooms.rmdir()


def _furnished(wanted: Wanted, folder: Path, network: Network, children: Children, sink: Sink, watch: Watch) -> Venue:
    """Everything that the guests need, before the first is switched on."""
    image = _image(wanted, folder, children, sink)
    accel, reason = machine.choose(wanted.accel, lambda: machine.kvm_fault(children, image.kernel))
    sink(Step(f"virtual machines: {reason}"))
    network.make()
    clock = clock_words() if accel == "tcg" else ""
    means = _Means(folder, network, Hardware(image, wanted.memory, accel, clock=clock), children)
    _make_keys(means, wanted.nodes)
    busybox = probe.static_busybox()
    if busybox:
        probe.write_image(busybox.read_bytes(), folder / "probe.tar")
    guests = {node.name: _guest(number, node, wanted, means) for number, node in enumerate(wanted.nodes)}
    program = (sys.executable, str(Path(outside.__file__)), str(network.address), str(_OUTSIDE_PORT))
    children.start(network.inside(*program), owner="outside", log=folder / "outside.log")
    site = Site(
        cluster=wanted.cluster,
        hosts=dict(guests),
        sticks={
            node.name: {
                serial: (tarball.name.removesuffix(".tar.gz"), tarball.stat().st_size)
                for serial, tarball in _sticks(wanted, node).items()
            }
            for node in wanted.nodes
        },
        board=Board(tuple(guests), watch),
        patience=means.patience,
        power_cuts=wanted.power_cuts,
        probe=busybox is not None,
        outside=str(network.address),
        outside_port=_OUTSIDE_PORT,
    )
    return Venue(site, guests, network, folder, f"{accel}: {reason}")


def _image(wanted: Wanted, folder: Path, children: Children, sink: Sink) -> Image:
    """What the guests start from; each writes over it on a disk of its own."""
    if wanted.image is None:
        return debian_image(wanted.cache / "images", children, sink)
    image = given_image(wanted.image)
    return with_seed_unit(image, folder, children) if wanted.image_access == "ssh-key" else image


def _cpus(accel: str, node: Node, guests: int) -> int:
    """Processors of a guest. Emulated ones that have to share a core hold each other up, so rather fewer then.

    Not on a control plane: on one processor the API server, started together with all that talks to it, misses its own
    limit of 10 s for a TLS handshake, and ends itself.
    """
    spare = (os.cpu_count() or 1) // guests
    return 2 if accel == "kvm" or "control-plane" in node.roles or spare > 1 else 1


def _make_keys(means: _Means, nodes: Sequence[Node]) -> None:
    """A key to log in with and one that the guests prove themselves with, for this rehearsal alone."""
    folder = means.folder
    for name in ("key", "host"):
        means.children.check("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f", str(folder / name))
    host_key = (folder / "host.pub").read_text().strip()
    (folder / "known_hosts").write_text("".join(f"{node.address} {host_key}\n" for node in nodes))


def _guest(number: int, node: Node, wanted: Wanted, means: _Means) -> Guest:
    """One guest, switched off."""
    folder = means.folder
    own = folder / node.name
    own.mkdir()
    length = common_network([other.address for other in wanted.cluster.nodes]).prefixlen
    who = Identity(
        node.name,
        IPv4Interface((node.address, length)),
        node.interface,
        (folder / "key.pub").read_text().strip(),
        (folder / "host").read_text(),
        (folder / "host.pub").read_text().strip(),
    )
    seed = _seed(who, own, means)
    files = _sticks(wanted, node)
    if (folder / "probe.tar").exists():
        files["probe"] = folder / "probe.tar"
    place = Place(own, f"tap{number}", who.mac, seed, files, folder / "key", folder / "known_hosts")
    means.network.add_tap(place.tap)
    cpus = _cpus(means.hardware.accel, node, len(wanted.nodes))
    hardware = replace(means.hardware, cpus=cpus)
    return Guest(node.name, node.address, place, hardware, means.network, means.children, means.patience)


def _seed(who: Identity, folder: Path, means: _Means) -> Path:
    """The disk that tells a guest who it is, in the form that its image reads."""
    if means.hardware.image.seed_is_tar:
        disk = folder / "seed.tar"
        disk.write_bytes(seed_tar(who))
        return disk
    files = folder / "cidata"
    files.mkdir()
    for name, text in cloud_files(who).items():
        (files / name).write_text(text)
    disk = folder / "seed.iso"
    words = ("-volid", "cidata", "-joliet", "-rock", "-output", str(disk), str(files))
    means.children.check("xorriso", "-as", "genisoimage", *words)
    return disk


def _sticks(wanted: Wanted, node: Node) -> dict[str, Path]:
    """Serial number -> tarball: the node's own, the next node's, to be mistaken for it, and the one of before."""
    names = [other.name for other in wanted.cluster.nodes]
    following = names[(names.index(node.name) + 1) % len(names)]
    sticks = {BUNDLE: wanted.dist / f"{node.name}.tar.gz"}
    if following != node.name:
        sticks[OTHER] = wanted.dist / f"{following}.tar.gz"
    if wanted.earlier:
        sticks[EARLIER] = wanted.earlier / f"{node.name}.tar.gz"
    return sticks


def _boot_all(place: Venue) -> None:
    """All at once, in no order."""
    guests = list(place.guests.values())
    random.SystemRandom().shuffle(guests)
    for guest in guests:
        place.site.board.enter(guest.name, BOOTING)
        guest.power_on()

    def wait(host: Host) -> None:
        place.guests[host.name].wait_for_ssh()
        place.site.board.enter(host.name, WAITING)

    place.site.each(wait)
