"""Mirrors: from where a file is fetched instead of upstream. Upstream's URL stays its identity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from builder.errors import FetchError

EVERYTHING = "*"
"""The key of a mirror that serves every upstream as HOST/PATH."""

EVERY_IMAGE = "docker://*"
"""The key of a registry that serves every image as REGISTRY/PATH; no file comes from it."""

_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Registries that answer elsewhere than they are named."""


def parse_mirror(text: str) -> dict[str, str]:
    """`--mirror` and BUNDLER_MIRROR: a URL prefix or a folder that holds HOST/PATH of every upstream.

    Raises FetchError when it is neither.
    """
    parts = _split(text)
    if parts and parts.scheme in {"http", "https"} and parts.hostname:
        return {EVERYTHING: text}
    if parts and parts.scheme in {"", "file"} and Path(unquote(parts.path)).is_dir():
        return {EVERYTHING: str(Path(unquote(parts.path)).absolute())}
    raise FetchError(
        f"mirror {without_credentials(text)}: neither an http(s) URL nor a folder that is there",
        "give https://HOST/PREFIX or a folder that holds HOST/PATH",
    )


def parse_image_mirror(text: str) -> dict[str, str]:
    """`--image-mirror` and BUNDLER_IMAGE_MIRROR: a registry that holds REGISTRY/PATH of every image.

    Raises FetchError when it is no http(s) URL.
    """
    parts = _split(text)
    if parts and parts.scheme in {"http", "https"} and parts.hostname:
        return {EVERY_IMAGE: text}
    raise FetchError(
        f"image mirror {without_credentials(text)}: not an http(s) URL", "give http(s)://HOST:PORT/PREFIX of a registry"
    )


def place_of(url: str, mirrors: Mapping[str, str]) -> str:
    """Where `url` is fetched from: a URL, or a path of this machine. The longest matching prefix wins."""
    scheme, _, rest = url.partition("://")
    best = _longest(rest, mirrors)
    if best:
        return _joined(mirrors[best], rest[len(_bare(best)) :])
    if EVERYTHING in mirrors:
        return _joined(mirrors[EVERYTHING], rest)
    return f"{scheme}://{rest}"


def registry_of(repository: str, mirrors: Mapping[str, str]) -> tuple[str, str]:
    """Where the images of REGISTRY/PATH are fetched from: a registry's URL without a path, and the path in it.

    The longest matching prefix wins, then the mirror of every image. The mirror of every file is no registry.
    Raises FetchError when the mirror is a folder.
    """
    best = _longest(repository, mirrors)
    if best:
        place = _joined(mirrors[best], repository[len(_bare(best)) :])
    elif EVERY_IMAGE in mirrors:
        place = _joined(mirrors[EVERY_IMAGE], repository)
    else:
        host, _, path = repository.partition("/")
        place = f"https://{_HOSTS.get(host, host)}/{path}"
    parts = _split(place)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise FetchError(
            f"{repository}: its mirror is no registry's URL", "give http(s)://HOST:PORT/PREFIX, or leave it out"
        )
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")


def _longest(rest: str, mirrors: Mapping[str, str]) -> str:
    """The key of the longest prefix that `rest` begins with, or nothing."""
    best = ""
    for key in mirrors:
        prefix = _bare(key)
        if key not in {EVERYTHING, EVERY_IMAGE} and _matches(rest, prefix) and len(prefix) > len(_bare(best)):
            best = key
    return best


def _bare(key: str) -> str:
    """A prefix without scheme and without a slash at its end."""
    return key.partition("://")[2].rstrip("/") if "://" in key else key.rstrip("/")


def _matches(rest: str, prefix: str) -> bool:
    return rest == prefix or rest.startswith(prefix + "/")


def _joined(mirror: str, rest: str) -> str:
    place = mirror.removeprefix("file://") if mirror.startswith("file://") else mirror
    return f"{place.rstrip('/')}/{rest.lstrip('/')}"


def is_local(place: str) -> bool:
    """Whether a place is a path of this machine."""
    return "://" not in place


def without_credentials(url: str) -> str:
    """A URL as messages may show it: without user, password, query or fragment."""
    parts = _split(url)
    if parts is None:
        return "(a mirror that is not a URL)"
    if not parts.scheme:
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None when its host or port cannot be one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
