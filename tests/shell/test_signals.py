"""A signal at any moment ends the run at once with the lock removed, and leaves what the next run finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.shell.conftest import Bundle, Host
from tests.shell.test_surroundings import command

SIGNALS = {"TERM": 143, "INT": 130, "HUP": 129}


def slow_at(host: Host, number: int) -> None:
    """The nth mv waits before it does its work."""
    script = (
        f'echo x >>/fake/moves\n[ "$(wc -l </fake/moves)" != {number} ] || {{ : >/fake/waits; /usr/bin/sleep 2; }}\n'
        'exec /usr/bin/mv "$@"'
    )
    command(host, "mv", script)


@pytest.mark.parametrize("to", ["the shell", "all of them"])
@pytest.mark.parametrize("name", list(SIGNALS))
def test_a_signal_leaves_what_can_be_resumed(host: Host, bundle: Bundle, shell: str, name: str, to: str) -> None:
    bundle.write(host.root / "root/bundle")
    number = {"TERM": 4, "INT": 16, "HUP": 27}[name]
    slow_at(host, number)
    with subprocess.Popen(
        # whoever starts the tests may have signals ignored, and a shell cannot catch those
        ["env", "--default-signal=INT,HUP,TERM", *host.command(shell, "/root/bundle")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not (host.root / "fake/waits").exists():
            assert process.poll() is None
            time.sleep(0.01)
        (os.kill if to == "the shell" else os.killpg)(process.pid, getattr(signal, f"SIG{name}"))
        assert process.wait(60) == SIGNALS[name]
    assert not (host.root / "run/bundler.lock").is_symlink()
    assert not list((host.root / "opt").rglob(".bundler-new*"))
    (host.root / "fake/mv").unlink()
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    assert "took over the lock" not in done.err
    assert host.run(shell, "/root/bundle").out.startswith("nothing to do")
