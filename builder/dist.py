"""dist/<cluster>/: written aside as a whole, then put in place by renaming; never half there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import BundlerError
from builder.model.bundle import Built
from builder.pack.manifest import sums_text

_LISTS = ("SHA256SUMS", "index.json")


@dataclass(frozen=True)
class Dist:
    """A finished dist/<cluster>/."""

    folder: Path
    bundles: tuple[Built, ...]


def write_dist(
    folder: Path,
    make: Callable[[Path], Sequence[Built]],
    about: dict[str, Any],
) -> Dist:
    """Let `make` write the tarballs into a folder aside, add SHA256SUMS and index.json, swap it in.

    Raises BundlerError when `folder` holds files that no build put there: they would be lost.
    """
    _only_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        built = list(make(aside))
        _write(aside / "SHA256SUMS", sums_text({item.file: item.sha256 for item in built}))
        index = {**about, "bundles": [_indexed(item) for item in built]}
        _write(aside / "index.json", (json.dumps(index, indent=2) + "\n").encode())
        _swap(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Dist(folder, tuple(built))


def _indexed(item: Built) -> dict[str, Any]:
    return {"node": item.node, "file": item.file, "size": item.size, "sha256": item.sha256}


def _only_ours(folder: Path) -> None:
    """Every file there is one that the last build listed."""
    if not folder.exists():
        return
    try:
        listed = {item["file"] for item in json.loads((folder / "index.json").read_text())["bundles"]}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    foreign = sorted({item.name for item in folder.iterdir()} - listed - set(_LISTS))
    if foreign:
        raise BundlerError(
            f"{folder}: holds files that no build put there: {', '.join(foreign[:5])}",
            "move them away, or give another --output folder",
        )


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    path.chmod(0o644)


def _swap(aside: Path, folder: Path) -> None:
    """Rename the new folder into place; the old one, moved aside first, goes afterwards."""
    aside.chmod(0o755)
    if not folder.exists():
        aside.rename(folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    folder.rename(old / folder.name)
    try:
        aside.rename(folder)
    except BaseException:
        if not folder.exists():
            (old / folder.name).rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
