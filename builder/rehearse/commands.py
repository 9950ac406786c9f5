"""Runs programs of this machine so that a rehearsal that ends takes all of them along."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BundlerError

TIMED_OUT = 124
Listener = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit code (negative: the signal) and what it said."""

    code: int
    out: str
    err: str = ""


class CommandError(BundlerError):
    """A program of this machine failed."""


class Children:
    """Every process of one rehearsal. After `end` none of them is left, and none can be started any more."""

    def __init__(self) -> None:
        self._alive: dict[subprocess.Popen[str], str] = {}
        self._turn = threading.Lock()
        self._ended = False

    def start(
        self, command: Sequence[str], *, owner: str = "", log: Path | None = None, stdin: bool = False
    ) -> subprocess.Popen[str]:
        """Start a process in a session of its own: a Ctrl-C at the terminal is ours to handle, in our order."""
        with self._turn:
            if self._ended:
                raise CommandError("the rehearsal is being ended")
            output = log.open("a") if log else subprocess.PIPE
            try:
                child = subprocess.Popen(  # noqa: S603 - no shell; the words are ours
                    command,
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if log else subprocess.PIPE,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
            finally:
                if not isinstance(output, int):
                    output.close()
            self._alive[child] = owner
            return child

    def run(
        self,
        command: Sequence[str],
        *,
        owner: str = "",
        text: str | None = None,
        timeout: float | None = None,
        listener: Listener | None = None,
    ) -> Done:
        """Run to the end; `timeout` in seconds gives code 124, as timeout(1) does. `listener` gets each line of out."""
        child = self.start(command, owner=owner, stdin=text is not None)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.kill(child)

        timer = threading.Timer(timeout or 0, give_up)
        if timeout:
            timer.start()
        try:
            done = self._listened(child, listener) if listener else Done(0, *child.communicate(text))
        except BaseException:
            self.kill(child)  # whoever tidies up after this must not find it still at work
            raise
        finally:
            timer.cancel()
            self.forget(child)
        return Done(TIMED_OUT if late.is_set() else child.wait(), done.out, done.err)

    def _listened(self, child: subprocess.Popen[str], listener: Listener) -> Done:
        """Both streams read to their end, each by a thread: neither may fill up and stop the program."""
        out: list[str] = []
        err: list[str] = []
        reader = threading.Thread(target=lambda: err.extend(child.stderr or ()), daemon=True)
        reader.start()
        try:
            for line in child.stdout or ():
                out.append(line)
                listener(line.rstrip("\n"))
        except BaseException:
            self.kill(child)
            raise
        finally:
            reader.join()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
        return Done(0, "".join(out), "".join(err))

    def check(self, *command: str) -> str:
        """What it printed. Raises CommandError when it fails."""
        done = self.run(command)
        if done.code:
            raise CommandError(f"{' '.join(command)}: {(done.err or done.out).strip() or f'exit code {done.code}'}")
        return done.out

    def kill(self, child: subprocess.Popen[str]) -> None:
        """End it at once, with what it started."""
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self.forget(child)

    def forget(self, child: subprocess.Popen[str]) -> None:
        """It has ended."""
        with self._turn:
            self._alive.pop(child, None)

    def end_of(self, owner: str) -> None:
        """Kill what that owner started."""
        with self._turn:
            left = [child for child, whose in self._alive.items() if whose == owner]
        for child in left:
            self.kill(child)

    def end(self) -> None:
        """Kill whatever is left, and start nothing any more."""
        with self._turn:
            self._ended = True
            left = list(self._alive)
        for child in left:
            self.kill(child)
