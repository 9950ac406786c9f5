"""Where the keys of a TOML file stand: tomllib gives values only, messages want lines."""

from __future__ import annotations

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEADER = re.compile(r"\s*(\[\[?)(.*?)(\]\]?)\s*(#.*)?")
_KEY = re.compile(r"(\s*)((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")

_Path = tuple[str | int, ...]


class Places:
    """Line and column (from 1) of each key; of the nearest table above it where the key has no line."""

    def __init__(self, text: str) -> None:
        self._found: dict[_Path, tuple[int, int]] = {(): (1, 1)}
        self._counts: dict[_Path, int] = {}
        table: _Path = ()
        for number, line in enumerate(text.splitlines(), start=1):
            header, key = _HEADER.fullmatch(line), _KEY.match(line)
            if header is not None and _keys(header[2]):
                table = self._table(_keys(header[2]), many=header[1] == "[[")
                self._note(table, number, 1)
            elif key is not None:
                self._note((*table, *_keys(key[2])), number, len(key[1]) + 1)

    def of(self, path: _Path) -> tuple[int, int]:
        """The place of a key, or of what it would stand in."""
        while path not in self._found:
            path = path[:-1]
        return self._found[path]

    def _table(self, keys: _Path, *, many: bool) -> _Path:
        if not many:
            return keys
        index = self._counts.get(keys, 0)
        self._counts[keys] = index + 1
        return (*keys, index)

    def _note(self, path: _Path, line: int, column: int) -> None:
        for length in range(1, len(path) + 1):
            self._found.setdefault(path[:length], (line, column))


def _keys(text: str) -> _Path:
    """The keys of a dotted, perhaps quoted name; none when it is not one."""
    try:
        inner: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str | int] = []
    while isinstance(inner, dict):
        key, inner = next(iter(inner.items()))
        keys.append(key)
    return tuple(keys)
