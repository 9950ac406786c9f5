"""The nodes on a terminal, and where there is none."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest
from rich.console import Console

from builder.cli import progress
from builder.cli.nodes import _Table, nodes_shown
from builder.rehearse.progress import Board, Entered, Said
from tests.kit import ROOT

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def drawn(width, *events, encoding="utf-8", height=25):
    """What is on the screen of a terminal like that, last."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)  # strict: what the terminal has not, raises
    console = Console(file=stream, force_terminal=True, width=width, height=height, _environ={})
    now = [0.0]
    table = _Table(console, clock=lambda: now[0])
    for event in events:
        table(event)
    now[0] = 7.0
    table._live.refresh()
    stream.flush()
    shown = CODES.sub("", raw.getvalue().decode(encoding)).rsplit("\r", 1)[-1]
    table.end()
    return shown.splitlines()


ONE = (Entered("k8s-node2", "booting", 0), Entered("k8s-node1", "installing", 3), Said("k8s-node1", "wrote /opt/x"))


def test_a_line_a_node_by_name_with_its_seconds_and_the_last_line():
    lines = drawn(80, *ONE)
    assert [line.split() for line in lines] == [
        ["k8s-node1", "installing", "7", "s", "wrote", "/opt/x"],
        ["k8s-node2", "booting", "7", "s"],
    ]


def test_a_narrow_terminal_gets_no_line_that_wraps():
    lines = drawn(24, *ONE, Said("k8s-node2", "x" * 500))
    assert len(lines) == 2
    assert all(len(line.rstrip()) <= 24 for line in lines)


def test_more_nodes_than_lines_stay_on_the_screen():
    assert len(drawn(80, *(Entered(f"n{number}", "booting", 0) for number in range(50)), height=10)) <= 10


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf_8_and_lines_with_control_characters(encoding):
    (line,) = drawn(80, Said("n1", "wrote \x1b[2J\u20ac [bold]\a"), encoding=encoding)
    assert line.endswith("wrote ?[2J? [bold]?")


def test_elsewhere_a_line_a_stage():
    out = io.StringIO()
    with nodes_shown(progress.sink_for_terminal(out, {}), out) as watch:
        board = Board(("n1",), watch, clock=iter((0.0, 5.0)).__next__)
        board.enter("n1", "booting")
        board.say("n1", "wrote /opt/x")
    assert out.getvalue() == "  n1: booting (5 s later)\n"


SCRIPT = """
import sys, time
from builder.cli.nodes import nodes_shown
from builder.cli.progress import sink_for_terminal
from builder.events import Step
from builder.rehearse.progress import Entered, Said
sink = sink_for_terminal(sys.stderr, {})
with nodes_shown(sink, sys.stderr) as watch:
    watch(Entered("node1", "installing", 0))
    watch(Said("node1", "a" * 300))
    time.sleep(1.2)
    sink(Step("resize"))
    sys.stdin.readline()
    watch(Said("node1", "b" * 300))
    time.sleep(1.2)
    sink(Step("bye"))
print("report", file=sys.stderr)
"""


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def read_until(terminal, text, seconds=60):
    said, limit = b"", time.monotonic() + seconds
    while text not in said and time.monotonic() < limit:
        said += os.read(terminal, 65536)
    assert text in said, said
    return said


def test_on_a_real_terminal_that_is_resized():
    ours, theirs = pty.openpty()
    resize(theirs, 60)
    environ = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environ.pop(name, None)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    try:
        wide = read_until(ours, b"resize")
        resize(ours, 30)
        os.write(ours, b"\n")
        narrow = read_until(ours, b"report")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert longest(wide, "a") == 60 - len("node1  installing      1 s  ")
    assert longest(narrow, "b") == 30 - len("node1  installing      1 s  ")
    assert narrow.count(b"bye") == 1


def longest(said, letter):
    return max(len(found) for found in re.findall(f"{letter}+", CODES.sub("", said.decode())))
