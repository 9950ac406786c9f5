"""The guests' network: a namespace with a bridge, a tap per guest, and nothing behind it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from builder.rehearse.commands import Children, CommandError

BRIDGE = "br0"
PREFIX = "bundler-"
_WIDEST = 24


def common_network(addresses: Sequence[IPv4Address]) -> IPv4Network:
    """The hosts' network: cluster.yaml names addresses without a prefix, so /24, or wider where they need it."""
    first, last = min(addresses), max(addresses)
    network = IPv4Network((first, _WIDEST), strict=False)
    while last not in network:
        network = network.supernet()
    return network


def free_address(network: IPv4Network, taken: Iterable[IPv4Address]) -> IPv4Address:
    """The highest address that is nobody's: ours, from which guests are reached."""
    used = set(taken)
    highest = network.broadcast_address - 1
    while highest in used:
        highest -= 1
    return highest


class Network:
    """One namespace of its own; `address` is the only one in it that is no guest's."""

    def __init__(self, children: Children, network: IPv4Network, address: IPv4Address) -> None:
        self.namespace = f"{PREFIX}{os.getpid()}-{secrets.token_hex(2)}"
        self.address = address
        self._interface = IPv4Interface((address, network.prefixlen))
        self._children = children

    def inside(self, *command: str) -> list[str]:
        """The command line that runs it in the namespace. `ip netns exec` becomes the program: same process id."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def make(self) -> None:
        """The namespace with its bridge. Nothing is forwarded, and there is nowhere to forward to."""
        self._ip("netns", "add", self.namespace)
        self._within("link", "set", "lo", "up")
        self._within("link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        self._within("addr", "add", str(self._interface), "dev", BRIDGE)
        self._within("link", "set", BRIDGE, "up")

    def add_tap(self, tap: str) -> None:
        """A guest's wire to the bridge."""
        self._within("tuntap", "add", "dev", tap, "mode", "tap")
        self._within("link", "set", tap, "master", BRIDGE, "up")

    def remove(self) -> None:
        """The namespace, and with it the bridge and all taps."""
        remove_namespace(self.namespace)

    def _within(self, *words: str) -> None:
        self._ip("-n", self.namespace, *words)

    def _ip(self, *words: str) -> None:
        self._children.check("ip", *words)


def remove_namespace(name: str) -> None:
    """With Children of its own: the rehearsal's may have ended."""
    if Path("/run/netns", name).exists():
        with suppress(CommandError):
            Children().check("ip", "netns", "del", name)


def stale_namespaces(names: Iterable[str], alive: Iterable[int]) -> list[str]:
    """Those of rehearsals that were killed so hard that they could not tidy up."""
    running = set(alive)
    found = []
    for name in names:
        process, _, rest = name.removeprefix(PREFIX).partition("-")
        if name.startswith(PREFIX) and rest and process.isdigit() and int(process) not in running:
            found.append(name)
    return found


def sweep() -> None:
    """Remove namespaces of rehearsals that were killed by SIGKILL, where nothing runs in them any more."""
    folder = Path("/run/netns")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    alive = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    for name in stale_namespaces(names, alive):
        if not Children().check("ip", "netns", "pids", name).strip():
            remove_namespace(name)
