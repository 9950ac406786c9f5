"""Upstream's checksum files: bare hex, `<hex>  <name>` lists, and such lists inside a PGP signature."""

from __future__ import annotations

import re

from builder.errors import FetchError
from builder.model.recipe import ChecksumFormat, Digest

_ALGORITHMS = {64: "sha256", 128: "sha512"}
_HEX = re.compile(r"[0-9a-fA-F]{64}(?:[0-9a-fA-F]{64})?")
_LINE = re.compile(rf"({_HEX.pattern})[ \t]+\*?(?:\./)?(\S+)")
_SIGNED = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[A-Za-z]+: .*\n)*\n(?P<text>.*?)\n-----BEGIN PGP SIGNATURE-----",
    re.DOTALL,
)


def parse_checksum(text: str, form: ChecksumFormat, name: str, url: str) -> Digest:
    """The digest of the file `name` in a checksum file (formats: facts, artifacts.md).

    The signature of a clear-signed list is not checked: it is taken for what it lists, over HTTPS.
    Raises FetchError when the file has no such form, does not list the name, or lists it twice unlike.
    """
    text = text.replace("\r\n", "\n")
    if form == "bare":
        return _digest(_bare(text, url))
    return _digest(_listed(_unsigned(text, url) if form == "clearsigned" else text, name, url))


def _bare(text: str, url: str) -> str:
    word = text.strip()
    if not _HEX.fullmatch(word):
        raise FetchError(f"{url}: not a checksum file", "give the digest in a recipe, or try again later")
    return word


def _unsigned(text: str, url: str) -> str:
    """The signed text, its dash-escaping undone (RFC 4880, 7.1)."""
    match = _SIGNED.search(text)
    if match is None:
        raise FetchError(f"{url}: not a clear-signed checksum file", "give the digest in a recipe")
    return re.sub(r"^- ", "", match["text"], flags=re.MULTILINE)


def _listed(text: str, name: str, url: str) -> str:
    matches = [_LINE.fullmatch(line.strip()) for line in text.split("\n")]
    found = {match[1].lower() for match in matches if match and match[2].rpartition("/")[2] == name}
    if len(found) != 1:
        wrong = "does not list" if not found else "lists two digests of"
        raise FetchError(f"{url}: {wrong} {name}", "give the digest in a recipe")
    return found.pop()


def _digest(word: str) -> Digest:
    return Digest("sha512" if _ALGORITHMS[len(word)] == "sha512" else "sha256", word.lower())
