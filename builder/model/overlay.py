"""An overlay file as it lies in an overlays/ folder: what it becomes on the host, and its source text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OverlaySource:
    """One file of an overlay. `path` is its place on the host; `template` ones are rendered by Jinja2."""

    path: str
    origin: str
    text: str
    template: bool
    block: bool


Overlays = Mapping[str, Mapping[str, OverlaySource]]
"""component name -> path on the host -> source"""
