"""One user's project: where its cluster.yaml and folders are, and what a build needs from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from builder.assets import shipped
from builder.events import Sink, ignore
from builder.pack.tar import DEFAULT_EPOCH


@dataclass(frozen=True)
class Project:
    """Everything that comes into a run from outside; equal projects and state give equal bundles.

    `file` is what messages call the cluster file; `base` is the folder that it lies in. `environ` may hold
    secrets, so it stays out of reprs. `epoch` is the time of every file in a bundle, in seconds. `sign_key` is the
    file of the key that signs the bundles.
    """

    file: str
    text: bytes = field(repr=False)
    base: Path
    state: Path
    lock: Path
    cache: Path
    dist: Path
    now: datetime
    environ: Mapping[str, str] = field(repr=False)
    recipes: tuple[Path, ...] = ()
    overlays: tuple[Path, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    require_digests: bool = False
    allow_subnet_change: bool = False
    jobs: int = 4
    epoch: int = DEFAULT_EPOCH
    sign_key: Path | None = None
    sink: Sink = field(default=ignore, repr=False)

    def recipe_folders(self) -> tuple[Path, ...]:
        """Shipped recipes, then those beside cluster.yaml, then those named: later ones win."""
        return self._folders("recipes", self.recipes)

    def overlay_folders(self) -> tuple[Path, ...]:
        """Shipped overlays, then those beside cluster.yaml, then those named: later ones win."""
        return self._folders("overlays", self.overlays)

    def _folders(self, name: str, named: tuple[Path, ...]) -> tuple[Path, ...]:
        found = [shipped(name)]
        for folder in (self.base / name, *named):
            if folder.is_dir() and folder.resolve() not in {known.resolve() for known in found}:
                found.append(folder)
        return tuple(found)
