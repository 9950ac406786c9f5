"""One flipped bit anywhere in a bundle, and files added, removed, swapped or linked: refused, with nothing written.

BUNDLER_TAMPER_FLIPS says how many bits are tried (1000 for the whole test); the places are the same every time.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from tests.shell.conftest import Bundle, Host

FLIPS = int(os.environ.get("BUNDLER_TAMPER_FLIPS", "150"))


def refused(host: Host, shell: str, what: str) -> None:
    command = host.command(shell, "/root/bundle", "--ignore-preflight-errors=all")
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    assert done.returncode != 0, (what, done.stdout)
    written = host.calls() or [path for path in ("opt/kubernetes", "var/lib/bundler") if (host.root / path).exists()]
    assert not written, (what, written)


def test_a_flipped_bit_anywhere_is_refused(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    chance = random.Random(20220503)
    before = host.tree()
    for number in range(FLIPS):
        path = files[number % len(files)]  # small files as often as large ones
        content = path.read_bytes()
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        refused(host, ("dash", "busybox")[number % 2], f"{path.name}, byte {place}, bit {bit}")
        path.write_bytes(content)
    assert host.tree() == before
    assert host.run("dash", "/root/bundle", "--dry-run").code == 2


def test_every_file_that_is_missing_or_doubled_is_refused(host: Host, bundle: Bundle) -> None:
    folder = bundle.write(host.root / "root/bundle")
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "install.sh"):
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


def extra(folder: Path, content: bytes) -> Path:
    path = folder / "root/extra"
    path.write_bytes(content)
    return path
