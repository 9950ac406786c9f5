"""Gzip members whose bytes depend on nothing but their content and the pinned compressor."""

from __future__ import annotations

import deflate

LEVEL = 6
COMPRESSOR = f"libdeflate-{deflate.__version__}-{LEVEL}"
"""Names the compressor in caches and manifests: other versions may give other bytes (libdeflate#400)."""

CHUNK = 4 * 1024 * 1024
"""Bytes in one member of a segment; members compress side by side and any gunzip reads them end to end."""


def member(content: bytes) -> bytes:
    """One gzip member: no name, no time, so that equal content gives equal bytes."""
    return bytes(deflate.gzip_compress(content, LEVEL))
