"""A bundle's own words: the entries of its manifest and what a built one is called and hashes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["file", "block", "dir", "link"]


@dataclass(frozen=True)
class Entry:
    """One line of MANIFEST: a path on the host and what must be there (docs/bundle-format.md).

    `sha256` is of the content (of the target for a link, empty for a dir); `size` is in bytes.
    """

    kind: Kind
    path: str
    mode: int
    sha256: str = ""
    size: int = 0
    restarts: tuple[str, ...] = ()
    component: str = ""
    target: str = ""


@dataclass(frozen=True)
class Built:
    """A tarball in dist/: `size` in bytes, `sha256` of the whole."""

    node: str
    file: str
    sha256: str
    size: int
