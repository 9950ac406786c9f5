"""Packing 3 and 40 nodes, as ratios against one `tar czf` per node of the very same files.

Prints a Markdown table. The peer is GNU tar with its own gzip, which is what the seed's readers do by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from builder.pack.bundle import OwnFile, SharedFile, tarball_digest, write_bundle
from builder.pack.segment import Segment, SegmentCache

T = TypeVar("T")
OWN_FILES = 40


def main() -> None:
    """Measure and print."""
    options = _options()
    files = [path for path in sorted(options.payload.rglob("*")) if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    print(f"payload: {len(files)} files, {size / 1e6:.0f} MB; {os.cpu_count()} cores\n")
    print("| nodes | what | time | against one `tar czf` per node |")
    print("|---|---|---|---|")
    for nodes in options.nodes:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            _measure(nodes, files, options.payload, Path(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--payload", type=Path, default=Path("build/demo/hosts/k8s-node1/opt"))
    parser.add_argument("--nodes", type=int, nargs="*", default=[3, 40])
    parser.add_argument("--work", default=None, help="folder for temporary files")
    return parser.parse_args()


def _measure(nodes: int, files: list[Path], payload: Path, folder: Path) -> None:
    peer_each, peer_size = _timed(lambda: _tar(payload, folder / "peer.tar.gz"))
    peer = peer_each * nodes  # the same work once for each node; one run is measured and multiplied
    cache = SegmentCache(folder / "segments")
    cold, segments = _timed(lambda: _compress(files, cache))
    warm, sizes = _timed(lambda: _pack(nodes, files, payload, segments, folder))
    print(f"| {nodes} | tar czf, once per node | {peer:.1f} s | 1.00 |")
    print(
        f"| {nodes} | first build: compress once, append per node | {cold + warm:.1f} s | {(cold + warm) / peer:.3f} |"
    )
    print(f"| {nodes} | later builds: append per node | {warm:.1f} s | {warm / peer:.3f} |")
    print(f"| {nodes} | size of one bundle | {sizes / 1e6:.1f} MB | {sizes / peer_size:.3f} (size) |")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    os.sync()
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def _tar(payload: Path, out: Path) -> int:
    subprocess.run(["tar", "-czf", out, "-C", payload, "."], check=True)
    return out.stat().st_size


def _compress(files: list[Path], cache: SegmentCache) -> dict[Path, Segment]:
    made = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path in files:
            with path.open("rb") as source:
                made[path] = cache.make(source, pool)
    return made


def _pack(nodes: int, files: list[Path], payload: Path, segments: dict[Path, Segment], folder: Path) -> int:
    """Write every node's tarball with its digest, as a build does; returns the size of the last one."""
    size = 0
    for number in range(nodes):
        own = [OwnFile(f"root/etc/own-{n}", 0o644, _unlike(number, n)) for n in range(OWN_FILES)]
        shared = [SharedFile(f"root/{path.relative_to(payload)}", 0o755, segments[path]) for path in files]
        out = folder / f"node-{number}.tar.gz"
        with out.open("wb", buffering=0) as stream:
            write_bundle(stream, f"node-{number}", own, shared)
        size = tarball_digest(out)[1]
        if nodes > 3:  # forty bundles would fill a small disk
            out.unlink()
    return size


def _unlike(number: int, file: int) -> bytes:
    """2 KiB that no other node has, like a certificate."""
    seed = f"{number}/{file}".encode()
    return io.BytesIO(b"".join(hashlib.sha256(seed + bytes([n])).digest() for n in range(64))).getvalue()


main()
