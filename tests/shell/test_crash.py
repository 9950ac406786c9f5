"""install.sh is killed at every step that changes something; after that one plain run, or an abort, ends well.

Each command that changes files (and systemctl, sysctl, modprobe and systemd-tmpfiles) counts its calls and at one of
them kills all processes of the run before it does anything, as a lost power would. BUNDLER_CRASH_STRIDE=1 takes every
call; by default every fifth is taken. The four shells take turns, as the one that is killed and as the one after it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shell.conftest import NODE, SHELLS, Bundle, Host
from tests.shell.test_generations import upgraded
from tests.shell.test_moved import joined
from tests.shell.test_other_actions import foreign_files
from tests.shell.test_uninstall import data

STRIDE = int(os.environ.get("BUNDLER_CRASH_STRIDE", "5"))
FILES = ("mv", "cp", "rm", "ln", "mkdir", "rmdir", "chmod", "chown")
COUNTED = (*FILES, "systemctl", "sysctl", "modprobe", "rmmod", "systemd-tmpfiles")
ENOUGH = 200  # distinct points over the actions
KEPT = ("etc", "opt", "var", "run", "sys", "fake/units")
CALL = """#!/bin/sh
case $1 in
ASKS) ;;
*)
	read -r count </fake/count
	echo "$((count + 1))" >/fake/count
	[ "$((count + 1))" != "$(cat /fake/kill-at)" ] || kill -9 0
	;;
esac
exec /fake/real-NAME "$@"
"""


@dataclass
class Crashing:
    """A host whose commands can kill the run, and that can be set back to what it was."""

    host: Host
    memory: Path
    forward: str = "0"

    def __post_init__(self) -> None:
        fake = self.host.root / "fake"
        (fake / "count").write_text("0\n")
        (fake / "kill-at").write_text("0\n")
        for name in COUNTED:
            asks = {"systemctl": "is-active|--version", "modprobe": "-n"}.get(name, "no-such")
            real = fake / f"real-{name}"
            if (fake / name).exists():
                (fake / name).rename(real)
            else:
                real.symlink_to(shutil.which(name) or name)
            (fake / name).write_text(CALL.replace("ASKS", asks).replace("NAME", name))
            (fake / name).chmod(0o755)

    def remember(self) -> None:
        shutil.rmtree(self.memory, ignore_errors=True)
        for name in KEPT:
            shutil.copytree(self.host.root / name, self.memory / name, symlinks=True)
        self.forward = self.sysctl()

    def set_back(self) -> None:
        for name in KEPT:
            shutil.rmtree(self.host.root / name)
            shutil.copytree(self.memory / name, self.host.root / name, symlinks=True)
        self.host.outside("chroot", str(self.host.root), "sysctl", "-qw", f"net.ipv4.ip_forward={self.forward}")

    def sysctl(self) -> str:
        command = self.host.enter("cat", "/proc/sys/net/ipv4/ip_forward")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def state(self) -> dict[str, object]:
        """What has to be the same again: the tree, the state, the units, the sysctl."""
        apart = ("/root", "/var/log/bundler/", "/run/bundler.lock")
        found: dict[str, object] = {p: a for p, a in self.host.tree().items() if not p.startswith(apart)}
        units = self.host.root / "fake/units"
        found["units"] = {path.name: path.read_text() for path in units.iterdir()}
        found["sysctl"] = self.sysctl()
        return found

    def run(self, shell: str, *args: str, kill_at: int = 0) -> int:
        """A run that is killed at that call (0: at none); the number of calls that it made."""
        fake = self.host.root / "fake"
        (fake / "count").write_text("0\n")
        (fake / "kill-at").write_text(f"{kill_at}\n")
        command = self.host.command(shell, "/root/bundle", *args)
        done = subprocess.run(command, check=False, capture_output=True, text=True, start_new_session=True)
        if kill_at:
            assert done.returncode == -9, done.stderr
        else:
            assert done.returncode == 0, done.stdout + done.stderr
        return int((fake / "count").read_text())


def differences(found: dict[str, object], wanted: dict[str, object]) -> dict[str, tuple[object, object]]:
    keys = {key for key in {*found, *wanted} if found.get(key) != wanted.get(key)}
    return {key: (found.get(key), wanted.get(key)) for key in sorted(keys)}


def manifest(state: dict[str, object]) -> object:
    """What the state says is installed."""
    return state.get("/var/lib/bundler/manifest")


def prepare_install(host: Host, bundle: Bundle, run: Callable[..., int]) -> list[str]:
    return []


def prepare_upgrade(host: Host, bundle: Bundle, run: Callable[..., int]) -> list[str]:
    run("dash")
    upgraded(bundle)
    bundle.write(host.root / "root/bundle")
    return []


def prepare_rollback(host: Host, bundle: Bundle, run: Callable[..., int]) -> list[str]:
    prepare_upgrade(host, bundle, run)
    run("dash")
    return ["rollback"]


def prepare_uninstall(host: Host, bundle: Bundle, run: Callable[..., int]) -> list[str]:
    prepare_upgrade(host, bundle, run)
    run("dash")
    return ["uninstall"]


def prepare_purge(host: Host, bundle: Bundle, run: Callable[..., int]) -> list[str]:
    command = prepare_uninstall(host, bundle, run)
    data(host)
    joined(host, NODE)
    return [*command, "--purge"]


ACTIONS = {
    "install": prepare_install,
    "upgrade": prepare_upgrade,
    "rollback": prepare_rollback,
    "uninstall": prepare_uninstall,
    "purge": prepare_purge,
}


def prepared(host: Host, bundle: Bundle, memory: Path, action: str) -> tuple[Crashing, list[str]]:
    """A host on which that action comes next, and the action's words."""
    foreign_files(host.root)
    (host.root / "var/lib/kubelet").mkdir(exist_ok=True)
    bundle.write(host.root / "root/bundle")
    crashing = Crashing(host, memory)
    command = ACTIONS[action](host, bundle, crashing.run)
    crashing.remember()
    return crashing, command


def what_is_next(host: Host, command: list[str], done: bool) -> list[str]:
    """What a person runs after the lights went out: plain install.sh, or the action again if it had not begun."""
    state = host.root / "var/lib/bundler"
    if (state / "journal").exists() or (state / "journal.done").exists():
        return []
    # a second rollback would be another one
    return ["status"] if done and command == ["rollback"] else command


@pytest.mark.parametrize("ending", ["finished", "undone"])
@pytest.mark.parametrize("action", list(ACTIONS))
def test_a_run_that_was_killed_anywhere_is(
    host: Host, bundle: Bundle, tmp_path: Path, action: str, ending: str
) -> None:
    if action in ("uninstall", "purge") and ending == "undone":
        pytest.skip("an uninstall is only finished")
    crashing, command = prepared(host, bundle, tmp_path / "memory", action)
    before = crashing.state()
    calls = crashing.run("dash", *command)
    after = crashing.state()
    assert after != before
    stride = STRIDE if ending == "finished" else STRIDE * 3
    for turn, point in enumerate(range(1 + calls % stride, calls + 1, stride)):
        killed, shell = (list(SHELLS)[(turn + n) % len(SHELLS)] for n in (0, turn // len(SHELLS)))
        crashing.set_back()
        try:
            crashing.run(killed, *command, kill_at=point)
            begun = (host.root / "var/lib/bundler/journal").exists()
            found = crashing.state()
            recorded = manifest(found) == manifest(after) != manifest(before)
            if ending == "undone":
                crashing.run(shell, "abort")
                # once the run has recorded what it did and only tidies up, there is nothing to undo
                done = crashing.state()
                assert differences(done, before) == {} or ((recorded or not begun) and done == after)
            else:
                crashing.run(shell, *what_is_next(host, command, found == after))
                assert differences(crashing.state(), after) == {}
        except AssertionError as error:
            where = f"{action}, killed under {killed} at call {point} of {calls}, then {shell}"
            raise AssertionError(f"{where}: {error}") from error


def test_there_are_points_enough(tmp_path: Path, bundle: Bundle) -> None:
    """Each call that is counted is a point of its own; every shell makes the same ones."""
    calls = {}
    for action in ACTIONS:
        host = Host(tmp_path / action)
        try:
            crashing, command = prepared(host, deepcopy(bundle), tmp_path / f"memory-{action}", action)
            found = set()
            for shell in SHELLS:
                crashing.set_back()
                found.add(crashing.run(shell, *command))
            assert len(found) == 1
            calls[action] = found.pop()
        finally:
            host.close()
    print(calls, sum(calls.values()))
    assert sum(calls.values()) >= ENOUGH
