"""Which parts of the bundles are upstream's own, and how that is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from builder.assets import shipped
from builder.build import Prepared
from builder.config.recipes import load_recipes
from builder.fetch.lock import Lock
from builder.model.recipe import Artifact, Recipe

Known = Literal["upstream", "upstream-checksum", "first-download", "other-recipe"]
"""By what a part was checked: a digest that bundler ships; bundler.lock, and where that has it from; another recipe."""


@dataclass(frozen=True)
class Part:
    """A program or an image (`kind`), and by what it is known; `notice` is what its recipe says of it."""

    name: str
    version: str
    kind: str
    url: str
    known: Known
    notice: str = ""


def parts(prepared: Prepared, nodes: Collection[str]) -> tuple[Part, ...]:
    """The parts of these nodes' bundles, once each. Of a build that is done: the lock has what it met."""
    ours = load_recipes(shipped("recipes"))
    lock = Lock.load(prepared.project.lock)
    plans = [plan for plan in prepared.plans if plan.node.name in nodes]
    artifacts = dict.fromkeys(file.artifact for plan in plans for file in plan.payload)
    return tuple(
        Part(item.component, item.version, _kind(item), item.url, _known(item, ours, lock), item.notice)
        for item in artifacts
    )


def _kind(artifact: Artifact) -> str:
    return "image" if artifact.kind == "image" else "program"


def _known(artifact: Artifact, ours: Mapping[str, Recipe], lock: Lock) -> Known:
    if artifact.notice:
        return "other-recipe"
    if artifact.digest is None:
        locked = lock.get(artifact.url)
        return locked.origin if locked else "first-download"
    recipe = ours.get(artifact.component)
    pin = recipe.digests.get(artifact.version, {}).get(artifact.arch) if recipe else None
    return "upstream" if pin == artifact.digest else "other-recipe"


_SAID: Mapping[Known, str] = {
    "upstream": "upstream's own, by the digests that bundler ships",
    "upstream-checksum": "as upstream's checksum file says, no recipe has a digest",
    "first-download": "as it was first downloaded, nobody publishes a digest",
}


def lines(found: Sequence[Part]) -> Iterator[str]:
    """For people: what was real in a line or two, and every part that was not."""
    for known, words in _SAID.items():
        names = ", ".join(_titles(item for item in found if item.known == known))
        if names:
            yield f"{words}: {names}"
    for item in found:
        if item.known == "other-recipe":
            yield f"NOT UPSTREAM'S, as far as bundler knows: {item.name} {item.version}" + (
                f": {item.notice}" if item.notice else ""
            )


def _titles(found: Iterator[Part]) -> Iterator[str]:
    return (f"{item.name} {item.version}" for item in found)
