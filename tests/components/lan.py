"""Hosts as network namespaces on one bridge; each can run programs, and hold pods that are namespaces, too."""

from __future__ import annotations

import subprocess
import uuid
from contextlib import contextmanager

from tests.kit import HOSTS


class Space:
    """A network namespace; commands run inside it."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, check=True, **options):
        return subprocess.run(self.command(*command), capture_output=True, text=True, check=check, **options)

    def routes(self, *which):
        return [line.strip() for line in self.run("ip", "-4", "route", "show", *which).stdout.splitlines()]


class Lan:
    """One bridge without an uplink; the seed's hosts are joined to it by name."""

    def __init__(self):
        self.mark = f"b{uuid.uuid4().hex[:6]}"
        self.spaces = []
        self.bridge = self.space("lan")
        self.bridge.run("ip", "link", "add", "br0", "type", "bridge")
        self.bridge.run("ip", "link", "set", "br0", "up")

    def space(self, name):
        made = Space(f"{self.mark}-{name}")
        self.spaces.append(made)
        return made

    def host(self, name):
        """A host with its address of the seed on eth0, that forwards as the host component's sysctls say."""
        made = self.space(name)
        cable = f"v{len(self.spaces)}"
        self.bridge.run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", made.name)
        self.bridge.run("ip", "link", "set", cable, "master", "br0", "up")
        made.run("ip", "addr", "add", f"{HOSTS[name]}/24", "dev", "eth0")
        made.run("ip", "link", "set", "eth0", "up")
        made.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        return made


@contextmanager
def lan():
    made = Lan()
    try:
        yield made
    finally:
        for space in made.spaces:
            subprocess.run(["ip", "netns", "del", space.name], check=False)
