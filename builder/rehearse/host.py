"""What a scenario may ask of a host: what a person can do there, and no more."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Protocol

from builder.rehearse.commands import Done, Listener


class Host(Protocol):
    """A machine that may become a node."""

    name: str
    address: IPv4Address

    @property
    def alive(self) -> bool:
        """Whether it is on."""

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float = 120,
        text: str | None = None,
        listener: Listener | None = None,
    ) -> Done:
        """A line of shell as root, `timeout` in seconds of a real machine."""

    def boot(self, start: str = "") -> None:
        """Power on, until it can be logged in."""

    def reboot(self) -> None:
        """As a person does it."""

    def power_cut(self) -> None:
        """Pull the plug."""

    def renew(self, start: str = "") -> None:
        """A fresh host in its place, whose clock says `start` (or the time that it is)."""
