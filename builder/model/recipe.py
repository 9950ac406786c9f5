"""A recipe: what a component is, where it comes from, its digests, and where its files go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ArtifactKind = Literal["binary", "archive", "image"]
Follows = Literal["kubernetes", "coredns", "pause-image"]
ChecksumFormat = Literal["bare", "sums", "clearsigned"]


@dataclass(frozen=True, order=True)
class Digest:
    """What bytes must hash to; prints as `sha256:<hex>`."""

    algorithm: Literal["sha256", "sha512"]
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True)
class Checksum:
    """Upstream's own checksum file: `bare` hex, `sums` (`<hex>  <name>` lines), or those `clearsigned`."""

    url: str
    format: ChecksumFormat


@dataclass(frozen=True)
class Source:
    """Where an artifact is fetched from; `url` and `checksum_url` take {version}, {number} and {arch}.

    The url of an image may be docker://{pause_image}, too.
    """

    url: str
    kind: ArtifactKind
    checksum_url: str | None = None
    checksum_format: ChecksumFormat = "bare"


@dataclass(frozen=True)
class RecipeFile:
    """One file of the artifact. `member` is its name in the archive (None: the artifact itself); takes {arch}."""

    path: str
    member: str | None = None
    mode: int = 0o755


@dataclass(frozen=True)
class OverlaySetting:
    """What is special about one overlay file: its mode, when it is wanted, what it restarts."""

    mode: int = 0o644
    when: str | None = None
    restarts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Recipe:
    """One component. `origin` is the file it was read from, for messages; `notice` is said aloud when set."""

    name: str
    summary: str
    licence: str
    roles: tuple[str, ...]
    origin: str
    homepage: str = ""
    notice: str = ""
    when: str | None = None
    follows: Follows | None = None
    default_version: str | None = None
    source: Source | None = None
    files: tuple[RecipeFile, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    order: int = 50
    overlay: Mapping[str, OverlaySetting] = field(default_factory=dict)
    digests: Mapping[str, Mapping[str, Digest]] = field(default_factory=dict)
    replaced_digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """One download: a component at a version for an arch. `digest` None means that no recipe pins it.

    An image has the url docker://REGISTRY/PATH:TAG, and its digest is that of the manifest which the tag names:
    mostly a list of manifests, so both arches have one url and one digest, and `arch` chooses from the list.
    """

    component: str
    version: str
    arch: str
    url: str
    kind: ArtifactKind
    digest: Digest | None = None
    checksum: Checksum | None = None
    members: tuple[str, ...] = ()
    recipe: str = ""
    notice: str = ""

    @property
    def title(self) -> str:
        """The artifact in a message: `kubelet v1.24.0 amd64`."""
        return f"{self.component} {self.version} {self.arch}"
