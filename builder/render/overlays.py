"""Finds overlay files: each folder under overlays/ mirrors the host's own file tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from builder.errors import RenderError
from builder.model.overlay import Overlays, OverlaySource

MACROS = "macros"
"""The folder of overlays/ that templates import from; it lands on no host."""

_HOST_PATH = re.compile(r"(/[A-Za-z0-9@+_][A-Za-z0-9._@+-]*)+")


def load_overlays(*folders: Path) -> Overlays:
    """Every overlay file, by component and host path; later folders replace or add, file by file.

    A name's endings say what it is: `.j2` is rendered, `.block` becomes a marked block in a host's file.
    Raises RenderError for a path that no manifest can hold, or a file that is not UTF-8 text.
    """
    found: dict[str, dict[str, OverlaySource]] = {}
    for folder in folders:
        for component in _folders(folder):
            for file in sorted(component.rglob("*")):
                if file.is_file() and file.name != ".gitkeep":
                    source = _source(file, component)
                    found.setdefault(component.name, {})[source.path] = source
    return found


def _folders(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name != MACROS)


def _source(file: Path, component: Path) -> OverlaySource:
    path = "/" + file.relative_to(component).as_posix()
    template = path.endswith(".j2")
    path = path.removesuffix(".j2")
    block = path.endswith(".block")
    path = path.removesuffix(".block")
    if not _HOST_PATH.fullmatch(path):
        raise RenderError(f"{file}: not a path for a host", "use letters, digits and . _ @ + - only")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RenderError(f"{file}: cannot be read as text", "overlays hold UTF-8 text files") from error
    return OverlaySource(path=path, origin=str(file), text=text, template=template, block=block)
