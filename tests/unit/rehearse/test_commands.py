"""Programs of this machine: their end, and ours."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from builder.rehearse.commands import Children, CommandError


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_out_err_and_code():
    done = Children().run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_a_listener_hears_each_line_and_neither_stream_blocks():
    heard = []
    script = (
        "i=0; while [ $i -lt 3000 ]; do echo $i; echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >&2; i=$((i + 1)); done"
    )
    done = Children().run(["sh", "-c", script], timeout=60, listener=heard.append)
    assert done.code == 0
    assert heard == [str(number) for number in range(3000)]
    assert len(done.err) == 3000 * 40


def test_what_takes_too_long_is_killed_with_its_children():
    began = time.monotonic()
    done = Children().run(["sh", "-c", "sleep 100 & wait"], timeout=0.3)
    assert done.code == 124
    assert time.monotonic() - began < 20


def test_a_failure_says_what_it_said():
    with pytest.raises(CommandError, match="sh -c .*: oh no"):
        Children().check("sh", "-c", "echo oh no >&2; exit 1")


def test_an_owner_ends_alone(tmp_path):
    children = Children()
    one, other = (children.start(["sleep", "100"], owner=owner, log=tmp_path / owner) for owner in ("a", "b"))
    children.end_of("a")
    assert not running(one.pid)
    assert running(other.pid)
    children.end()
    assert not running(other.pid)


def test_after_the_end_nothing_starts():
    children = Children()
    children.end()
    with pytest.raises(CommandError, match="being ended"):
        children.start(["true"])


def test_an_interruption_takes_the_program_along():
    children = Children()
    seen = []

    def interrupt(line):
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        children.run(["sh", "-c", "echo $$; exec sleep 100"], listener=interrupt)
    assert not running(seen[0])
