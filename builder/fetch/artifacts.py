"""Fetches everything a plan names: known digests first, the lock next, upstream's word last; all failures at once."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder.errors import FetchError, MissingError
from builder.events import Progress, Sink, Step, Warned
from builder.fetch.checksums import parse_checksum
from builder.fetch.http import Http, Received
from builder.fetch.lock import Lock, Origin
from builder.fetch.mirrors import place_of, without_credentials
from builder.fetch.ociarchive import write_archive
from builder.fetch.registry import Puller, parse_reference
from builder.fetch.store import Store
from builder.model.recipe import Artifact, Digest

_LOCK = "bundler.lock"
"""What is held in the store while bundler.lock is read or written."""


@dataclass(frozen=True)
class FetchOptions:
    """How a run may fetch. `jobs` downloads go on at a time; `backoff` is seconds before the first retry.

    `docker_config` is docker's config.json with logins to registries; None asks without any.
    """

    offline: bool = False
    require_digests: bool = False
    jobs: int = 4
    backoff: float = 0.5
    docker_config: Path | None = None


@dataclass(frozen=True)
class Fetched:
    """An artifact in the store: its file, its sha256, its size in bytes.

    An image's file is its archive, made here; `manifest` is then the digest by which upstream knows the image.
    """

    path: Path
    digest: Digest
    size: int
    manifest: Digest | None = None


def fetch_all(
    artifacts: Sequence[Artifact],
    *,
    store: Store,
    lock: Lock,
    mirrors: Mapping[str, str],
    options: FetchOptions,
    now: datetime,
    sink: Sink,
) -> dict[Artifact, Fetched]:
    """Every artifact, each as its digest says. What failed is listed together; the others stay in the store.

    Raises LockError when the lock contradicts a recipe, MissingError when offline and something lacks,
    FetchError otherwise.
    """
    pinned = {artifact: artifact.digest for artifact in artifacts if artifact.digest}
    lock.hold({artifact: digest for artifact, digest in pinned.items() if digest.algorithm == "sha256"})
    expected = {artifact: artifact.digest or _locked(lock, artifact) for artifact in artifacts}
    if options.offline:
        _refuse_missing(expected, store)
    if options.require_digests:
        _refuse_unpinned(expected)
    fetcher = _Fetcher(store, lock, mirrors, options, now, sink)
    with ThreadPoolExecutor(options.jobs) as pool:
        running = {artifact: pool.submit(fetcher.fetch, artifact, expected[artifact]) for artifact in artifacts}
        try:
            failed = [found.exception() for found in running.values()]
        except KeyboardInterrupt:
            fetcher.stop(running.values())
            raise
    _raise_together([error for error in failed if error is not None])
    fetched = {artifact: found.result() for artifact, found in running.items()}
    # what a sha512 pins is known only now; the digest of an image is its manifest's and was held above
    lock.hold({artifact: fetched[artifact].digest for artifact in pinned if artifact.kind != "image"})
    return fetched


def in_store(store: Store, artifact: Artifact, digest: Digest | None) -> Fetched | None:
    """The artifact of that digest as the store has it, or None."""
    if digest is None:
        return None
    if artifact.kind == "image":
        kept = store.image(str(parse_reference(artifact.url)), digest, artifact.arch)
        return Fetched(*kept, kept[0].stat().st_size, digest) if kept else None
    path = store.path_of(digest)
    return Fetched(path, Digest("sha256", path.name), path.stat().st_size) if path else None


def _locked(lock: Lock, artifact: Artifact) -> Digest | None:
    entry = lock.get(artifact.url)
    return entry.digest if entry else None


def _refuse_missing(expected: Mapping[Artifact, Digest | None], store: Store) -> None:
    lines = [
        f"  {_shown(artifact)} ({digest or 'no digest is known'})"
        for artifact, digest in expected.items()
        if in_store(store, artifact, digest) is None
    ]
    if lines:
        listed = "\n".join(dict.fromkeys(lines))
        raise MissingError(
            f"the store at {store.root} lacks:\n{listed}", "run `bundler fetch` where there is a network"
        )


def _refuse_unpinned(expected: Mapping[Artifact, Digest | None]) -> None:
    lines = [f"  {artifact.title}: {artifact.url}" for artifact, digest in expected.items() if digest is None]
    if lines:
        listed = "\n".join(lines)
        raise FetchError(
            f"neither a recipe nor the lock pins a digest of:\n{listed}",
            "run `bundler lock` and look at what it records, or pin them in recipes/ beside cluster.yaml",
        )


def _shown(artifact: Artifact) -> str:
    """An artifact's URL; an image's does not say for which arch."""
    return f"{artifact.url} for {artifact.arch}" if artifact.kind == "image" else artifact.url


def _raise_together(errors: Sequence[BaseException]) -> None:
    """One error alone as it is; several as a list. What is no FetchError is a defect and comes first."""
    for error in errors:
        if not isinstance(error, FetchError):
            raise error
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "\n".join(f"  {error}" for error in errors)
        raise FetchError(f"{len(errors)} downloads failed:\n{listed}")


class _Fetcher:
    """What all downloads of one run share."""

    def __init__(
        self, store: Store, lock: Lock, mirrors: Mapping[str, str], options: FetchOptions, now: datetime, sink: Sink
    ) -> None:
        self._store = store
        self._lock = lock
        self._mirrors = mirrors
        self._http = Http(options.backoff)
        self._docker_config = options.docker_config
        self._now = now
        self._sink = sink
        self._stopped = threading.Event()

    def stop(self, running: Iterable[Future[Fetched]]) -> None:
        """End what is under way at its next piece, and begin nothing more."""
        self._stopped.set()
        for download in running:
            download.cancel()

    def fetch(self, artifact: Artifact, expected: Digest | None) -> Fetched:
        """The artifact from the store, else from its place."""
        kept = in_store(self._store, artifact, expected)
        if kept is None:
            with self._store.partial(_part_name(artifact.url)) as part:
                # another build may have brought it while this one waited, or pinned it for an image's other arch
                expected = expected or self._locked_meanwhile(artifact)
                kept = in_store(self._store, artifact, expected)
                if kept is None:
                    download = self._pull if artifact.kind == "image" else self._download
                    return download(artifact, expected, part)
        return kept

    def _locked_meanwhile(self, artifact: Artifact) -> Digest | None:
        with self._store.held(_LOCK):
            self._lock.reread()
            return _locked(self._lock, artifact)

    def _download(self, artifact: Artifact, pinned: Digest | None, part: Path) -> Fetched:
        expected = pinned or self._upstreams_word(artifact)
        continued = part.exists()
        received = self._received(artifact, expected, part)
        if continued and not _is(received, expected):
            part.unlink()  # what an earlier run left was of another file
            received = self._received(artifact, expected, part)
        if expected is not None and not _is(received, expected):
            part.unlink()
            got = f"{expected.algorithm}:{received.digests[expected.algorithm]}"
            raise FetchError(
                f"{self._named(artifact.url)}: its digest is {got}, wanted {expected}",
                "the file was damaged or changed on its way; use another mirror, or ask upstream",
            )
        digest = Digest("sha256", received.digests["sha256"])
        if pinned is None:
            self._record(artifact, digest, received.size, from_upstream=expected is not None)
        path = self._store.add(part, received.digests)
        self._sink(Progress(artifact.title, received.size, received.size, done=True))
        return Fetched(path, digest, received.size)

    def _pull(self, artifact: Artifact, pinned: Digest | None, part: Path) -> Fetched:
        """An image from its registry, as one archive. The lock's digest and size are its manifest's."""
        reference = parse_reference(artifact.url)
        blobs = part.with_suffix(".blobs")
        puller = Puller(self._http, reference, self._mirrors, self._docker_config)
        pulled = puller.pull(artifact.arch, pinned, blobs, self._progress(artifact))
        sha256 = write_archive(pulled.image, part)
        if pinned is None:
            self._record(artifact, pulled.digest, pulled.size, from_upstream=False)
        path = self._store.add_image(part, sha256, str(reference), pulled.digest, artifact.arch)
        shutil.rmtree(blobs)
        size = path.stat().st_size
        self._sink(Progress(artifact.title, size, size, done=True))
        return Fetched(path, Digest("sha256", sha256), size, pulled.digest)

    def _received(self, artifact: Artifact, expected: Digest | None, part: Path) -> Received:
        place = place_of(artifact.url, self._mirrors)
        algorithms = {"sha256"} | ({expected.algorithm} if expected else set())
        return self._http.download(place, part, algorithms, self._progress(artifact), resume=expected is not None)

    def _upstreams_word(self, artifact: Artifact) -> Digest | None:
        """The digest in upstream's own checksum file, where there is one."""
        checksum = artifact.checksum
        if checksum is None:
            return None
        place = place_of(checksum.url, self._mirrors)
        text = self._http.text(place)
        if place != checksum.url:
            self._sink(
                Warned(
                    f"the checksum of {artifact.title} came from {without_credentials(place)}, a mirror like the file",
                    "compare it with upstream's before you trust bundler.lock",
                )
            )
        return parse_checksum(text, checksum.format, artifact.url.rpartition("/")[2], checksum.url)

    def _record(self, artifact: Artifact, digest: Digest, size: int, *, from_upstream: bool) -> None:
        """Into the lock, and said: aloud where nobody but the server vouches for it."""
        origin: Origin = "upstream-checksum" if from_upstream else "first-download"
        with self._store.held(_LOCK):
            self._lock.add(artifact.url, digest, size, self._now, origin)
        if from_upstream:
            self._sink(Step(f"{artifact.title}: digest {digest} by upstream's checksum file, now in bundler.lock"))
        else:
            self._sink(
                Warned(
                    f"NOBODY PUBLISHES A DIGEST OF {artifact.title}: trusted as downloaded, {digest} is now in "
                    "bundler.lock, and every later build holds to it",
                    "compare it on another machine, then commit the lock; --require-digests refuses instead",
                )
            )

    def _progress(self, artifact: Artifact) -> _Report:
        return _Report(artifact.title, self._sink, self._stopped)

    def _named(self, url: str) -> str:
        """Upstream's URL, and the mirror where one served it."""
        place = place_of(url, self._mirrors)
        return url if place == url else f"{url} (from {without_credentials(place)})"


@dataclass(frozen=True)
class _Report:
    """Tells the sink how far a download is."""

    title: str
    sink: Sink
    stopped: threading.Event

    def __call__(self, received: int, total: int | None) -> None:
        if self.stopped.is_set():
            raise FetchError(f"{self.title}: stopped")
        self.sink(Progress(self.title, received, total))


def _is(received: Received, expected: Digest | None) -> bool:
    return expected is None or received.digests[expected.algorithm] == expected.hex


def _part_name(url: str) -> str:
    """A file name for what is under way: readable, and one for each URL."""
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", url.rpartition("/")[2])[:80]
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
