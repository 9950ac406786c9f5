"""One flipped bit anywhere in a bundle, and files added, removed, swapped or linked: refused, with nothing written.

BUNDLER_TAMPER_FLIPS says how many bits are tried (1000 for the whole test); the places are the same every time.

install.sh checks itself, too, but a script whose checks were altered is no judge of itself. What notices every bit of it
is `sha256sum -c SHA256SUMS` before it is run (docs/security.md). A script with a flipped bit is run here all the same:
most stop at their own check, and what the others do lies where an install writes, and is undone by a sound uninstall.
A temporary folder may stay: with one bit less, `support` ended early, and what had been its rest ran at once.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.shell.conftest import Bundle, Host

FLIPS = int(os.environ.get("BUNDLER_TAMPER_FLIPS", "150"))
LIMIT = 60  # seconds: a flipped bit can make a loop endless


def attempt(host: Host, shell: str) -> tuple[int, str]:
    """An install of what lies in the bundle's folder, whatever it is; its exit code and what it printed."""
    command = host.command(shell, "/root/bundle", "--ignore-preflight-errors=all")
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
    return process.returncode, printed


def written(host: Host) -> list[str]:
    places = ("opt/kubernetes", "var/lib/bundler", "var/log/bundler")
    return host.calls() or [path for path in places if (host.root / path).exists()]


def refused(host: Host, shell: str, what: str) -> None:
    code, printed = attempt(host, shell)
    assert code != 0, (what, printed)
    assert not written(host), what


def bundle_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flips(files: list[Path], count: int, seed: int) -> Iterator[str]:
    """One flipped bit after the other, put right again; small files as often as large ones."""
    chance = random.Random(seed)
    for number in range(count):
        path = files[number % len(files)]
        content = path.read_bytes()
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        yield f"{path.name}, byte {place}, bit {bit}"
        path.write_bytes(content)


def sums_hold(folder: Path) -> bool:
    """What a careful person runs before install.sh: nothing of the bundle has a say in it."""
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], check=False, cwd=folder, capture_output=True)
    return done.returncode == 0


def test_a_flipped_bit_anywhere_is_refused(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    files = [path for path in bundle_files(folder) if path.name != "install.sh"]
    before = host.tree()
    for number, what in enumerate(flips(files, FLIPS, 20220503)):
        refused(host, ("dash", "busybox")[number % 2], what)
    assert host.tree() == before
    assert host.run("dash", "/root/bundle", "--dry-run").code == 2


def test_a_flipped_bit_of_the_script_is_seen_from_outside_and_does_no_harm(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    sound = bundle.write(host.root / "root/sound")
    before = host.tree()
    assert sums_hold(folder)
    by_itself = 0
    for number, what in enumerate(flips([folder / "install.sh"], FLIPS, 20220504)):
        assert not sums_hold(folder), what
        code, _ = attempt(host, ("dash", "busybox")[number % 2])
        if written(host):
            assert host.run("dash", "/root/sound", "uninstall", "--purge").code == 0, what
            host.calls()
        else:
            by_itself += code != 0
        (folder / "install.sh").write_bytes((sound / "install.sh").read_bytes())
        after = host.tree()
        apart = ("/sys/module", "/run/bundler.lock", "/tmp/tmp.")
        other = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        assert {path for path in other if not path.startswith(apart)} == set(), what
    print(f"{by_itself} of {FLIPS} flips of install.sh were refused by the script itself")
    assert by_itself > FLIPS * 0.9


def test_every_file_that_is_missing_or_doubled_is_refused(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    for path in bundle_files(folder):
        if path.name == "install.sh":
            continue
        content = path.read_bytes()
        path.unlink()
        refused(host, "dash", f"without {path.name}")
        (folder / "elsewhere").write_bytes(content)
        path.symlink_to(folder / "elsewhere")
        refused(host, "dash", f"{path.name} is a link")
        path.unlink()
        (folder / "elsewhere").unlink()
        os.link(extra(folder, content), path)
        refused(host, "dash", f"{path.name} and one beside it")
        (folder / "root/extra").unlink()
    assert host.run("dash", "/root/bundle", "--dry-run").code == 2


def test_files_that_were_swapped_or_added_anywhere_are_refused(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    files = [path for path in bundle_files(folder) if path.name != "install.sh"]
    for one, other in zip(files, [*files[1:], files[0]], strict=True):
        swap(one, other)
        refused(host, "busybox", f"{one.name} and {other.name} are swapped")
        swap(one, other)
    for place in sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())}):
        (place / "added").write_bytes(b"")
        refused(host, "busybox", f"a file was added to {place}")
        (place / "added").unlink()
    assert host.run("busybox", "/root/bundle", "--dry-run").code == 2


def swap(one: Path, other: Path) -> None:
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def extra(folder: Path, content: bytes) -> Path:
    path = folder / "root/extra"
    path.write_bytes(content)
    return path
