"""One quoting function per language; what has no safe form is refused, never mangled."""

from __future__ import annotations

import re

from builder.errors import RenderError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _plain(value: object, language: str) -> str:
    """The value as text without control characters, which none of these languages carry safely."""
    text = str(value)
    if _CONTROL.search(text):
        raise RenderError(f"a value with control characters cannot be written into {language}")
    return text


def quote_sh(value: object) -> str:
    """A POSIX sh word: always in single quotes."""
    return "'" + _plain(value, "a shell script").replace("'", "'\\''") + "'"


def quote_systemd(value: object) -> str:
    """One word of a systemd unit's command line: in double quotes, %, $ and escapes doubled.

    Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers".
    """
    text = _plain(value, "a systemd unit").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("%", "%%").replace("$", "$$") + '"'


def quote_environment(value: object) -> str:
    """One word inside the double quotes of an EnvironmentFile assignment that systemd splits at spaces.

    Such a word can hold neither white space nor quotes nor a backslash, so they are refused.
    """
    text = _plain(value, "an environment file")
    if re.search(r"[\s\"'\\$`]", text):
        raise RenderError("a value with spaces, quotes or $ cannot be written into an environment file")
    return text


def quote_text(value: object) -> str:
    r"""A double-quoted string that YAML and TOML read alike: whatever is not plain ASCII is escaped.

    Source: YAML 1.2.2, 5.7 "Escaped Characters"; TOML 1.0.0, "String" (both know \uXXXX and \UXXXXXXXX).
    """
    return '"' + "".join(map(_escaped, str(value))) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if 0x20 <= code < 0x7F:  # noqa: PLR2004 - the printable part of ASCII
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def quote_iptables(value: object) -> str:
    """A word of an iptables-restore file: addresses, names and numbers only."""
    text = _plain(value, "an iptables rule set")
    if not re.fullmatch(r"[A-Za-z0-9./:,_-]+", text):
        raise RenderError("only addresses, names and numbers can be written into an iptables rule set")
    return text
