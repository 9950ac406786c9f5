"""A host for scenarios without a virtual machine: the small host of tests/shell, with the real install.sh on it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from builder.rehearse.commands import Done, Listener
from builder.rehearse.guest import GuestError
from builder.rehearse.progress import Board
from builder.rehearse.site import FOLDER, Site
from tests.kit import cluster, nodes
from tests.shell.conftest import ADDRESS, NODE, Bundle, Host

OTHER_NODE = "k8s-node2"

# keeps a clock of its own: the machine's must not be set
_DATE = """\
#!/bin/sh
case $1 in
-s) echo $((${2#@} - $(/usr/bin/date +%s))) >/fake/clock && exit ;;
esac
exec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + $(cat /fake/clock 2>/dev/null || echo 0)))" "$@"
"""
_SHOWN = """\
show)
	shift 2
	for unit in "$@"; do
		printf 'ExecMainStartTimestampMonotonic=%s\\nActiveEnterTimestampMonotonic=1\\nNRestarts=0\\nId=%s\\n\\n' \\
			"$(stat -c %Y%y "$units/$unit" | tr -dc 0-9)" "$unit"
	done
	exit
	;;
list-unit-files) exit ;;
"""


class SmallHost:
    """What a scenario asks of a host. A power cut is SIGKILL for all that runs on it, and units that stand still."""

    def __init__(self, host: Host, make: Callable[[], Host]) -> None:
        self.name, self.address = NODE, IPv4Address(ADDRESS)
        self.alive = True
        self.small = host
        self._make = make
        self._running: subprocess.Popen[str] | None = None
        self._prepare()

    def _prepare(self) -> None:
        fake = self.small.root / "fake"
        (fake / "date").write_text(_DATE)
        (fake / "date").chmod(0o755)
        systemctl = (fake / "systemctl").read_text()
        (fake / "systemctl").write_text(systemctl.replace("--version)", f"{_SHOWN}--version)", 1))

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float = 120,
        text: str | None = None,
        listener: Listener | None = None,
    ) -> Done:
        assert text is None
        path = ["env", "-i", "PATH=/fake:/usr/sbin:/usr/bin:/sbin:/bin"]
        line = self.small.enter("chroot", str(self.small.root), *path, "bash", "-c", command)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True, **streams) as child:
            self._running = child
            out = []
            for said in child.stdout:
                out.append(said)
                if listener:
                    listener(said.rstrip("\n"))
            err = child.stderr.read()
            code = child.wait(timeout)
        self._running = None
        if not self.alive:
            raise GuestError(f"{self.name}: its virtual machine ended")
        if check and code:
            raise GuestError(f"{self.name}: `{command}` exited with {code}: {err}")
        return Done(code, "".join(out), err)

    def power_cut(self) -> None:
        self.alive = False
        if self._running:
            os.killpg(self._running.pid, signal.SIGKILL)

    def boot(self, start: str = "") -> None:
        self.alive = True
        for unit in (self.small.root / "fake/units").iterdir():
            unit.unlink()

    def reboot(self) -> None:
        self.boot()

    def renew(self, start: str = "") -> None:
        self.small = self._make()
        self._prepare()
        self.alive = True

    def carry(self, bundle: Bundle, stick: str = "bundle", node: str = NODE) -> Path:
        """The bundle, unpacked where the scenarios unpack theirs."""
        return bundle.write(self.small.root / f"{FOLDER[1:]}/{stick}/{node}")


def site_of(host: SmallHost) -> Site:
    """A site of three nodes of which this one is here: what needs the whole cluster is left out."""
    made = cluster(nodes=nodes())
    sticks = {host.name: {"bundle": (host.name, 0), "other": (OTHER_NODE, 0)}}
    return Site(made, {host.name: host}, sticks, Board((host.name,), lambda _entered: None))
