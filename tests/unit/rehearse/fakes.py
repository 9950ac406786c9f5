"""A host that answers from a table, so that a scenario can be played, and spoilt, without a machine."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from ipaddress import IPv4Address

from builder.rehearse.commands import Done
from builder.rehearse.guest import GuestError
from builder.rehearse.progress import Board
from builder.rehearse.site import Site
from tests.kit import whole


def archive(attributes):
    """An archive as a snapshot holds it, of empty files with those attributes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", format=tarfile.PAX_FORMAT) as members:
        for path, headers in attributes.items():
            member = tarfile.TarInfo(path)
            member.pax_headers = headers
            members.addfile(member)
    return base64.encodebytes(made.getvalue()).decode()


ATTRIBUTES = archive({"./etc/hosts": {"SCHILY.xattr.user.origin": "ours"}, "./etc/passwd": {}})
SNAPSHOT = f"""\
== attributes
{ATTRIBUTES}
== files
/etc/hosts\tf\t644\t0:0\t20\t100.5\t100.5\t
/opt\td\t755\t0:0\t4096\t100.5\t100.5\t
/usr/bin/tool\tf\t755\t0:0\t9000\t50.0\t60.0\t
/usr/bin/alias\tl\t777\t0:0\t4\t50.0\t60.0\ttool
/var/log/wtmp\tf\t664\t0:43\t10\t70.0\t70.0\t
== digests
aa11  /etc/hosts
== units
ssh.service enabled
== rules
*filter
:INPUT ACCEPT [0:0]
== sysctls
kernel.random.uuid = 1
net.ipv4.ip_forward = 0
== links
eth0:
lo:
== routes
10.1.1.0/24 dev eth0
"""


class FakeHost:
    """Answers by the first pattern that is found in the command; a list answers one after the other, its last for
    ever. What no pattern knows succeeds and says nothing."""

    def __init__(self, name, address, answers=()):
        self.name, self.address = name, IPv4Address(address)
        self.answers = [(pattern, list(said) if isinstance(said, list) else [said]) for pattern, said in answers]
        self.commands = []
        self.alive = True
        self.deeds = []

    def run(self, command, *, check=True, timeout=120, text=None, listener=None):
        self.commands.append(command)
        done = self._answer(command, text)
        for line in done.out.splitlines() if listener else ():
            listener(line)
        if not self.alive:
            raise GuestError(f"{self.name}: its virtual machine ended")
        if check and done.code:
            raise GuestError(f"{self.name}: {command} exited with {done.code}")
        return done

    def _answer(self, command, text):
        for pattern, said in self.answers:
            if re.search(pattern, command):
                answer = said.pop(0) if len(said) > 1 else said[0]
                answer = answer(command, text) if callable(answer) else answer
                return Done(0, answer) if isinstance(answer, str) else answer
        return Done(0, "")

    def boot(self, start=""):
        self.alive = True
        self.deeds.append("boot")

    def reboot(self):
        self.deeds.append("reboot")

    def power_cut(self):
        self.alive = False
        self.deeds.append("power cut")

    def renew(self, start=""):
        self.alive = True
        self.deeds.append("renew")


def site_of(*hosts, **changes):
    """A site of these hosts that does not wait."""
    names = tuple(host.name for host in hosts)
    sticks = {name: {"bundle": (name, 1000), "other": ("k8s-else", 1000)} for name in names}
    ticks = iter(range(10**9))
    made = {
        "cluster": whole(),
        "hosts": {host.name: host for host in hosts},
        "sticks": sticks,
        "board": Board(names, lambda _entered: None),
        "probe": True,
        "pause": lambda _seconds: None,
        "clock": lambda: float(next(ticks)),
    }
    return Site(**{**made, **changes})
