"""Where the shipped recipes/ and overlays/ lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from builder.errors import BundlerError

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The shipped folder of that name (`recipes` or `overlays`).

    Raises BundlerError when the installation is incomplete.
    """
    for place in (_PACKAGE / "_assets" / folder, _PACKAGE.parent / folder):
        if place.is_dir():
            return place
    raise BundlerError(f"the installation of bundler lacks its {folder}/ folder", "install it again")
