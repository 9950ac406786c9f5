"""From downloads to segments: every binary and every wanted member of an archive, compressed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from builder.events import Sink, Step
from builder.fetch.artifacts import Fetched
from builder.model.plan import NodePlan, PayloadFile
from builder.model.recipe import Artifact
from builder.pack.read import read_members
from builder.pack.segment import Content, MemberIndex, Segment, SegmentCache

Segments = Mapping[tuple[Artifact, str | None], Segment]
"""(artifact, member; None for the artifact itself) -> its segment"""


def segments(
    plans: Iterable[NodePlan], fetched: Mapping[Artifact, Fetched], cache: Path, jobs: int, sink: Sink
) -> Segments:
    """The segment of every payload file of these plans; only what the cache lacks is read and compressed.

    Raises ArchiveError for an archive that is hostile or lacks a member.
    """
    wanted: dict[Artifact, list[PayloadFile]] = {}
    for plan in plans:
        for file in plan.payload:
            wanted.setdefault(file.artifact, []).append(file)
    kept, index = SegmentCache(cache / "segments"), MemberIndex(cache / "members")
    found: dict[tuple[Artifact, str | None], Segment] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for artifact, files in wanted.items():
            members = sorted({file.member for file in files if file.member is not None})
            if members:
                made = _of_archive(artifact, fetched[artifact], members, kept, index, pool, sink)
                found |= {(artifact, member): made[member] for member in members}
            else:
                found[artifact, None] = _of_binary(artifact, fetched[artifact], kept, pool, sink)
    return found


def _of_binary(artifact: Artifact, fetched: Fetched, kept: SegmentCache, pool: Executor, sink: Sink) -> Segment:
    known = kept.find(Content(fetched.digest.hex, fetched.size))
    if known is not None:
        return known
    sink(Step(f"compressing {artifact.title}"))
    with fetched.path.open("rb") as source:
        return kept.make(source, pool)


def _of_archive(
    artifact: Artifact,
    fetched: Fetched,
    members: list[str],
    kept: SegmentCache,
    index: MemberIndex,
    pool: Executor,
    sink: Sink,
) -> dict[str, Segment]:
    """The members' segments; the archive is opened only when one of them is not at hand."""
    known = index.find(fetched.digest.hex)
    found = {name: kept.find(known[name]) for name in members if name in known}
    ready = {name: segment for name, segment in found.items() if segment is not None}
    missing = [name for name in members if name not in ready]
    if missing:
        sink(Step(f"unpacking and compressing {artifact.title}"))
        for name, _size, source in read_members(fetched.path, missing):
            ready[name] = kept.make(source, pool)
        index.keep(fetched.digest.hex, {name: segment.content for name, segment in ready.items()})
    return ready
