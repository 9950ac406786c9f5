"""install.sh over 400 MB, as ratios against the tools that do the least that could be done.

An unchanged re-run against `sha256sum` over the same files, a first install against `tar xzf` of the same files and
`sync`. All are run by turns, and medians compared: wall clock, and the processor's time (user and system), which other
work on the machine disturbs less. install.sh runs as in tests/shell, on a small host in namespaces with a real `sync`.
Where a host has busybox's tools and no others, its own `sha256sum` and `tar` are peers, too.
Must run as root.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.shell.conftest import SHELLS, Bundle, Host, plain_busybox

MEBI = 1 << 20
LARGEST = 40 * MEBI  # so that there are some dozens of files, as on a node


@dataclass
class Series:
    """What one thing took in each round: wall clock and processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], object]) -> None:
        """Run it once and note what it took."""
        cpu, wall = _cpu(), time.perf_counter()
        work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(_cpu() - cpu)


def main() -> None:
    """Measure and print a Markdown table."""
    options = _options()
    payload = _payload(options.payload, options.megabytes * 1_000_000)
    size = sum(path.stat().st_size for path in payload)
    print(f"payload: {len(payload)} files, {size / 1e6:.0f} MB; {os.cpu_count()} cores; medians of {options.rounds}\n")
    print("| what | peer | wall clock | processor | wall clock, ratio | processor, ratio |")
    print("|---|---|---|---|---|---|")
    for shell in options.shells:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            _measure(shell, payload, Path(folder), options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.installer", description=__doc__)
    parser.add_argument("--payload", type=Path, default=Path("/usr"), help="folder whose largest files are installed")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shells", nargs="*", choices=list(SHELLS), default=["dash"])
    parser.add_argument("--work", default=None, help="folder for temporary files")
    return parser.parse_args()


def _payload(folder: Path, wanted: int) -> list[Path]:
    """The largest plain files below a folder, until there are so many bytes."""
    sized = {path: path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    chosen, total = [], 0
    for path in sorted(sized, key=lambda path: (-sized[path], str(path))):
        if sized[path] <= LARGEST and total < wanted:
            chosen.append(path)
            total += sized[path]
    return chosen


def _measure(shell: str, payload: list[Path], folder: Path, rounds: int) -> None:
    bundle = Bundle(
        head={"UNITS": "", "DISK_KIB": "64"},
        files={f"/opt/payload/{n:03}": (path.read_bytes(), 0o755, "-") for n, path in enumerate(payload)},
    )
    host = Host(folder / "host")
    try:
        (host.root / "fake/sync").unlink()
        written = bundle.write(host.root / "root/bundle")
        tarball = folder / "payload.tar.gz"
        subprocess.run(["tar", "-czf", tarball, "-C", written / "root", "."], check=True)
        bundle.files.clear()
        _print(shell, _rounds(shell, host, written, tarball, folder / "unpacked", rounds))
    finally:
        host.close()


def _rounds(shell: str, host: Host, written: Path, tarball: Path, unpacked: Path, rounds: int) -> dict[str, Series]:
    toolsets = {"GNU": os.environ["PATH"]}
    if shell == "busybox":
        toolsets["busybox"] = str(_busybox_tools(unpacked.parent / "tools"))
    series: dict[str, Series] = defaultdict(Series)

    def unpack(path: str) -> None:
        unpacked.mkdir()
        subprocess.run([_found("tar", path), "-xzf", tarball, "-C", unpacked], check=True, env={"PATH": path})
        os.sync()

    def read(path: str) -> None:
        files = [each for each in (written / "root").rglob("*") if each.is_file()]
        subprocess.run([_found("sha256sum", path), *files], check=True, stdout=subprocess.DEVNULL)

    def install() -> None:
        done = host.run(shell, "/root/bundle", "--ignore-preflight-errors=all")
        assert done.code == 0, done.err

    for _ in range(rounds):
        for tools, path in toolsets.items():
            os.sync()
            series[f"{tools} tar"].measure(partial(unpack, path))
            shutil.rmtree(unpacked)
        os.sync()
        series["first"].measure(install)
        os.sync()
        series["unchanged"].measure(install)
        for tools, path in toolsets.items():
            series[f"{tools} sha256sum"].measure(partial(read, path))
        assert host.run(shell, "/root/bundle", "uninstall").code == 0
    return series


def _busybox_tools(folder: Path) -> Path:
    folder.mkdir()
    for name in ("sha256sum", "tar"):
        (folder / name).symlink_to(plain_busybox())
    return folder


def _found(name: str, path: str) -> str:
    return shutil.which(name, path=path) or name


def _print(shell: str, series: dict[str, Series]) -> None:
    for name, what, peer, said in (
        ("unchanged", "unchanged re-run", "sha256sum", "`sha256sum` over the same files"),
        ("first", "first install", "tar", "`tar xzf` and `sync`"),
    ):
        for tools in [key.removesuffix(f" {peer}") for key in series if key.endswith(f" {peer}")]:
            ours, theirs = series[name], series[f"{tools} {peer}"]
            wall, cpu = (statistics.median(each) for each in (ours.wall, ours.cpu))
            peer_wall, peer_cpu = (statistics.median(each) for each in (theirs.wall, theirs.cpu))
            print(
                f"| {what}, {shell} | {said}, {tools} | {wall:.2f} s to {peer_wall:.2f} s "
                f"| {cpu:.2f} s to {peer_cpu:.2f} s | {wall / peer_wall:.2f} | {cpu / peer_cpu:.2f} |"
            )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
