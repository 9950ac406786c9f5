"""Where every node is during a rehearsal: on a terminal a line each, rewritten in place; elsewhere a line a stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from builder.cli.progress import console_of
from builder.events import Sink
from builder.rehearse.progress import Entered, Said, Watch


@contextmanager
def nodes_shown(sink: Sink, stream: TextIO) -> Iterator[Watch]:
    """Who watches the nodes while the block runs: in the terminal that the sink draws on, or lines to `stream`."""
    console = console_of(sink)
    if console is None:
        yield _Lines(stream)
        return
    table = _Table(console)
    try:
        yield table
    finally:
        table.end()


class _Lines:
    """A line for each stage that a node enters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = threading.Lock()

    def __call__(self, event: Entered | Said) -> None:
        if isinstance(event, Entered):
            with self._turn:
                line = f"  {event.node}: {event.stage} ({event.seconds:.0f} s later)"
                print(line, file=self._stream, flush=True)


class _Table:
    """A line for each node: its stage, the seconds in it, and what install.sh said last."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._rows: dict[str, tuple[str, float, str]] = {}  # node -> stage, since when, last line
        self._turn = threading.Lock()  # never held while the display is told anything: it asks for the rows
        self._first = threading.Lock()
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=2, transient=True)

    def __call__(self, event: Entered | Said) -> None:
        with self._turn:
            stage, since, line = self._rows.get(event.node, ("", self._clock(), ""))
            if isinstance(event, Entered):
                self._rows[event.node] = (event.stage, self._clock(), line)
            else:
                self._rows[event.node] = (stage, since, event.line)
        with self._first:  # not before: until then the display is that of the build's downloads
            if not self._live.is_started:
                self._live.start(refresh=True)

    def end(self) -> None:
        """Take the lines away; the report's table comes in their place."""
        self._live.stop()

    def _drawn(self) -> Text:
        with self._turn:
            rows = sorted(self._rows.items())
        width = max((len(node) for node, _ in rows), default=0)
        now = self._clock()
        lines = [f"{node:{width}}  {stage:10}  {now - since:5.0f} s  {line}" for node, (stage, since, line) in rows]
        return Text("\n".join(self._shown(line.rstrip()) for line in lines), no_wrap=True, overflow="crop")

    def _shown(self, line: str) -> str:
        """Only what this terminal can show: no control characters, none that its encoding lacks."""
        printable = "".join(letter if letter.isprintable() else "?" for letter in line)
        return printable.encode(self._console.encoding, "replace").decode(self._console.encoding)
