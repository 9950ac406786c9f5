"""Where each node is, live: one word a node and what install.sh says there, told to whoever listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WAITING, BOOTING, COPYING, PREFLIGHT = "waiting", "booting", "copying", "preflight"
INSTALLING, SERVICES, INSTALLED, READY, REFUSED, OFF = (
    "installing",
    "services",
    "installed",
    "Ready",
    "refused",
    "off",
)


@dataclass(frozen=True)
class Entered:
    """A node entered a stage; `seconds` is how long it was in the one before."""

    node: str
    stage: str
    seconds: float


@dataclass(frozen=True)
class Said:
    """install.sh said a line on a node."""

    node: str
    line: str


Watch = Callable[[Entered | Said], None]


class Board:
    """The stage of every node, and how many seconds each spent in which."""

    def __init__(self, nodes: tuple[str, ...], watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watch = watch
        self._turn = threading.Lock()
        self._now = {node: (WAITING, clock()) for node in nodes}
        self._spent: dict[str, dict[str, float]] = {node: {} for node in nodes}

    def enter(self, node: str, stage: str) -> None:
        """The node is there now; being there already is no news."""
        with self._turn:
            before, since = self._now[node]
            if stage == before:
                return
            now = self._clock()
            spent = self._spent[node]
            spent[before] = spent.get(before, 0) + now - since
            self._now[node] = (stage, now)
            self._watch(Entered(node, stage, now - since))

    def say(self, node: str, line: str) -> None:
        """A line of install.sh there."""
        with self._turn:
            self._watch(Said(node, line))

    def stages(self) -> Mapping[str, str]:
        """Node -> stage."""
        with self._turn:
            return {node: stage for node, (stage, _) in self._now.items()}

    def timings(self) -> Mapping[str, Mapping[str, float]]:
        """Node -> stage -> seconds, of the stages that were left."""
        with self._turn:
            return {node: {stage: round(spent, 1) for stage, spent in of.items()} for node, of in self._spent.items()}
