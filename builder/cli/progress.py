"""Draws events: bars on a terminal, plain lines elsewhere; one line for a step, a warning nobody can miss."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as Bars,
)

from builder.events import Event, Progress, Sink, Step, Warned


def sink_for_terminal(stream: TextIO, environ: Mapping[str, str]) -> Sink:
    """Bars where a person looks on; plain lines in CI, pipes and dumb terminals."""
    if stream.isatty() and not environ.get("CI") and environ.get("TERM") != "dumb":
        return _OnTerminal(Console(file=stream, highlight=False))
    return _Plain(stream)


def console_of(sink: Sink) -> Console | None:
    """The terminal that such a sink draws on, to draw on it with others; None where it writes lines."""
    return sink.console if isinstance(sink, _OnTerminal) else None


class _Plain:
    """A line for each thing that happened; a transfer is one line, when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._turn:
            for line in self._lines(event):
                print(line, file=self._stream, flush=True)

    @staticmethod
    def _lines(event: Event) -> list[str]:
        if isinstance(event, Step):
            return [event.text]
        if isinstance(event, Warned):
            return [f"WARNING: {event.text}" + (f"; {event.remedy}" if event.remedy else "")]
        return [f"fetched {event.name} ({event.received / 1e6:.1f} MB)"] if event.done else []


class _OnTerminal:
    """A bar per transfer while there is one; everything else is printed above the bars."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._turn = threading.Lock()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        with self._turn:
            if isinstance(event, Progress):
                self._transfer(event)
            elif isinstance(event, Warned):
                remedy = f"; {event.remedy}" if event.remedy else ""
                self.console.print("WARNING:", event.text + remedy, style="bold yellow", markup=False)
            else:
                self.console.print(event.text, markup=False)

    def _transfer(self, event: Progress) -> None:
        if event.name not in self._tasks:
            self._tasks[event.name] = self._shown().add_task(event.name, total=event.total)
        bars, task = self._shown(), self._tasks[event.name]
        bars.update(task, completed=event.received, total=event.total)
        if event.done:
            bars.remove_task(task)
            del self._tasks[event.name]
            self.console.print(f"fetched {event.name} ({event.received / 1e6:.1f} MB)", markup=False)
        if not self._tasks:
            bars.stop()
            self._bars = None

    def _shown(self) -> Bars:
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bars = Bars(*columns, console=self.console, transient=True)
            self._bars.start()
        return self._bars
