"""Downloads: retries, resumes what was cut off, hashes while streaming, and says in one sentence what failed."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import NameResolutionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from builder import __version__
from builder.errors import FetchError
from builder.fetch.mirrors import is_local, without_credentials

_PIECE = 1024 * 1024
_LIMIT = 4 * 1024**3
"""Bytes: no artifact is larger; a server that never stops is cut off here."""

_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces."""

_REDIRECTS = 8
_ATTEMPTS = 5
_SMALL = 1024 * 1024
_PARTIAL = 206
_UNSATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)", re.ASCII)


class _Patience(Retry):
    """Waits as the server asks, but never longer than a minute."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds to wait."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, 60)


@dataclass
class Received:
    """What a download came to: `size` in bytes and its digests in hex, by algorithm."""

    size: int
    digests: dict[str, str] = field(default_factory=dict)


class StatusError(FetchError):
    """A server answered with an error, whose HTTP status is `status`."""

    def __init__(self, message: str, remedy: str, status: int) -> None:
        super().__init__(message, remedy)
        self.status = status


class _Cut(Exception):  # noqa: N818 - not an error yet: the rest is asked for
    """The body ended early."""


class _Downgrade(requests.RequestException):
    """A redirect leads from https to http."""


class _Session(requests.Session):
    """A session that asks nothing over http that was asked for over https: on the way it could be changed."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a redirect leads, None when it is none. Raises _Downgrade."""
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https" and urlsplit(urljoin(resp.url, target)).scheme != "https":
            resp.close()
            raise _Downgrade
        return target

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """An answer; a library that asks without a timeout gets ours."""
        options["timeout"] = options.get("timeout") or _TIMEOUT
        return super().request(*args, **options)


class Http:
    """One requests session per thread; proxies and CA bundles by the usual variables (requests reads them)."""

    def __init__(self, backoff: float = 0.5) -> None:
        self._backoff = backoff
        self._local = threading.local()

    def session(self) -> requests.Session:
        """This thread's session."""
        if not hasattr(self._local, "session"):
            session = _Session()
            session.max_redirects = _REDIRECTS
            session.headers.update({"User-Agent": f"bundler/{__version__}", "Accept-Encoding": "identity"})
            retry = _Patience(
                total=_ATTEMPTS,
                backoff_factor=self._backoff,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods={"GET"},
                raise_on_status=False,
            )
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=retry))
            self._local.session = session
        return cast("requests.Session", self._local.session)

    def text(self, place: str) -> str:
        """A small text file, such as a checksum file. Raises FetchError."""
        if is_local(place):
            return _local_text(Path(place))
        return self.content(place, {}, None, _SMALL).decode("utf-8", "replace")

    def content(self, place: str, headers: Mapping[str, str], auth: AuthBase | None, limit: int) -> bytes:
        """What a URL answers, at most `limit` bytes. Raises FetchError."""
        with self._answer(place, headers, auth) as response:
            try:
                return b"".join(_pieces(response, limit))
            except _Cut as cut:
                raise FetchError(f"{without_credentials(place)}: cut off ({cut})", "try again") from cut

    def download(
        self,
        place: str,
        part: Path,
        algorithms: set[str],
        progress: Callable[[int, int | None], None],
        *,
        resume: bool,
        auth: AuthBase | None = None,
    ) -> Received:
        """Fetch `place` into `part`, hashing on the way; a body that is cut off is resumed by Range.

        `resume` says that the digest is known: then any part may be continued, an earlier run's too. Without
        it only a part of the very same version is, by its ETag, as nothing else would show a wrong seam.
        Raises FetchError; what came so far stays in `part` for the next run.
        """
        if is_local(place):
            return _copied(Path(place), part, algorithms, progress)
        with _Part(part, algorithms, keep=resume) as growing:
            for attempt in range(_ATTEMPTS):
                try:
                    self._continue(place, growing, progress, auth)
                except _Cut as cut:
                    reason = cut
                    time.sleep(min(self._backoff * 2**attempt, 8))
                else:
                    return growing.received()
        raise FetchError(
            f"{without_credentials(place)}: cut off {_ATTEMPTS} times, the last time {reason}",
            "run it again to go on from there, or use a mirror",
        )

    def _continue(
        self, place: str, part: _Part, progress: Callable[[int, int | None], None], auth: AuthBase | None
    ) -> None:
        """Ask for what is missing and append it. Raises _Cut when the body ends early."""
        if part.size and not part.resumable:
            part.begin_anew()
        headers = {"Range": f"bytes={part.size}-"} if part.size else {}
        if part.size and part.validator:
            headers["If-Range"] = part.validator
        with self._answer(place, headers, auth) as response:
            if response.status_code == _UNSATISFIABLE or not _fits(response, part):
                part.begin_anew()
                raise _Cut("as what came before did not fit")
            if response.status_code != _PARTIAL:
                part.begin_anew()
            part.validator = _validator(response)
            total = _total(response, part.size)
            for piece in _pieces(response, _LIMIT - part.size):
                part.write(piece)
                progress(part.size, total)
        if total is not None and part.size < total:
            raise _Cut(f"after {part.size} of {total} bytes")

    def _answer(self, place: str, headers: Mapping[str, str], auth: AuthBase | None) -> requests.Response:
        """A good answer, its body not read yet. Raises FetchError for whatever else comes."""
        shown = without_credentials(place)
        try:
            response = self.session().get(place, headers=dict(headers), auth=auth, stream=True, timeout=_TIMEOUT)
        except requests.TooManyRedirects as error:
            raise FetchError(f"{shown}: redirects in a loop", "check the URL, or use a mirror") from error
        except requests.exceptions.SSLError as error:
            remedy = "set REQUESTS_CA_BUNDLE to your proxy's CA, or mend the clock"
            raise FetchError(f"{shown}: its TLS certificate is not trusted", remedy) from error
        except requests.exceptions.ProxyError as error:
            raise FetchError(f"{shown}: the proxy refuses", "check HTTPS_PROXY and NO_PROXY") from error
        except requests.Timeout as error:
            raise FetchError(f"{shown}: no answer in time", "try again, or use a mirror") from error
        except _Downgrade as error:
            raise FetchError(f"{shown}: redirects from https to http", "use another mirror") from error
        except (requests.RequestException, Urllib3Error, ValueError) as error:
            remedy = "check the network, set HTTPS_PROXY, use --mirror, or build with --offline"
            raise FetchError(f"{shown}: {_trouble(error)}", remedy) from error
        if response.status_code >= 400 and response.status_code != _UNSATISFIABLE:  # noqa: PLR2004
            response.close()
            raise StatusError(
                f"{shown}: HTTP {response.status_code} {response.reason}",
                "check the version, or use a mirror",
                response.status_code,
            )
        return response


def _trouble(error: Exception) -> str:
    """What kept a request from being answered; urllib3 keeps the reason of its last try."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return "its host's name is not known (DNS)"
    return "no answer in time" if isinstance(reason, ReadTimeoutError) else "cannot be reached"


def _validator(response: requests.Response) -> str | None:
    """The name of this version of the file, where it is a strong one (RFC 9110, 8.8.3)."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else None


def _fits(response: requests.Response, part: _Part) -> bool:
    """Whether a 206 answer begins where the part ends and is of the same version (RFC 9110, 14.4 and 15.3.7)."""
    if response.status_code != _PARTIAL:
        return True
    if part.validator and _validator(response) not in {None, part.validator}:
        return False
    ranged = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return ranged is not None and int(ranged[1]) == part.size


def _total(response: requests.Response, have: int) -> int | None:
    """Bytes of the whole file, as far as the server says."""
    ranged = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code == _PARTIAL and ranged and ranged[2] != "*":
        return int(ranged[2])
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isascii() and length.isdigit() else None


def _pieces(response: requests.Response, limit: int) -> Iterator[bytes]:
    """The body as it comes over the wire; ends with _Cut when the connection does."""
    received = 0
    raw: Any = response.raw
    try:
        for piece in raw.stream(_PIECE, decode_content=False):
            received += len(piece)
            if received > limit:
                raise FetchError(f"{without_credentials(response.url)}: larger than any artifact", "use a mirror")
            yield piece
    except (requests.RequestException, Urllib3Error, OSError) as error:
        raise _Cut(f"after {received} bytes") from error


class _Part:
    """A file that grows, and the digests of what is in it so far."""

    def __init__(self, path: Path, algorithms: set[str], *, keep: bool) -> None:
        self._path = path
        self._algorithms = algorithms
        self._keep = keep
        self._file = path.open("r+b" if keep and path.exists() else "w+b")
        self.validator: str | None = None
        self._begin()
        while piece := self._file.read(_PIECE):
            self._count(piece)

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.size == 0:
            self._path.unlink()

    def _begin(self) -> None:
        self.size = 0
        self._hashes = {name: hashlib.new(name) for name in self._algorithms}

    def _count(self, piece: bytes) -> None:
        self.size += len(piece)
        for found in self._hashes.values():
            found.update(piece)

    @property
    def resumable(self) -> bool:
        """Whether more may be appended to what is there."""
        return self._keep or self.validator is not None

    def begin_anew(self) -> None:
        """Forget what came so far."""
        self._file.seek(0)
        self._file.truncate()
        self.validator = None
        self._begin()

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        self._file.write(piece)
        self._count(piece)

    def received(self) -> Received:
        """What it came to."""
        self._file.flush()
        return Received(self.size, {name: found.hexdigest() for name, found in self._hashes.items()})


def _copied(source: Path, part: Path, algorithms: set[str], progress: Callable[[int, int | None], None]) -> Received:
    """A file of a mirror on this machine."""
    try:
        with source.open("rb") as file, _Part(part, algorithms, keep=False) as growing:
            while piece := file.read(_PIECE):
                growing.write(piece)
            progress(growing.size, growing.size)
            return growing.received()
    except OSError as error:
        raise FetchError(f"{source}: {error.strerror}", "fill the mirror folder, or use another") from error


def _local_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:_SMALL]
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror}", "fill the mirror folder, or use another") from error
