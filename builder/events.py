"""What happened during a run, as data; the terminal, plain lines and JSON are three readers of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A stage of the build began or ended a piece of work: one line."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something that the user must see, and what to do about it."""

    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Progress:
    """Bytes of one named transfer so far; `total` is None while the size is not known. `done` ends it."""

    name: str
    received: int
    total: int | None
    done: bool = False


Event = Step | Warned | Progress
Sink = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Drop an event: the sink of callers that do not listen."""
