"""Reads units and EnvironmentFiles as systemd does, so that a test starts a program with the words that a host gives it.

After systemd 252: src/shared/conf-parser.c (lines), src/basic/extract-word.c (words), src/basic/env-util.c
(variables), src/basic/env-file.c (EnvironmentFile). test_unitfile.py holds this to the systemd that is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

WHITESPACE = " \t\n\r"
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "} | {
    c: c for c in "\\\"'"
}


def settings(text):
    """A unit's settings as (section, key, value) in the order of the file."""
    found, section, continued = [], "", None
    for read in text.splitlines():
        # a comment may stand between a line and its continuation
        if read.lstrip().startswith(("#", ";")):
            continue
        line = read if continued is None else continued + read
        if _ends_in_backslash(line):
            continued = line[:-1] + " "
            continue
        continued = None
        _setting(line.strip(), section, found)
        if line.strip().startswith("["):
            section = line.strip().strip("[]")
    if continued is not None:
        _setting(continued.strip(), section, found)
    return found


def _setting(line, section, found):
    if not line or line.startswith("["):
        return
    key, equals, value = line.partition("=")
    if not equals:
        raise ValueError(f"systemd ignores this line: {line!r}")
    found.append((section, key.rstrip(), value.lstrip()))


def _ends_in_backslash(line):
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def words(text, *, relaxed=False):
    """Words of a command line: quotes removed, C escapes resolved. `relaxed`: as for a variable's value, where a
    backslash only takes the next character as it is, and an open quote does not matter."""
    found, word, quote, place = [], None, "", 0
    while place < len(text):
        char = text[place]
        place += 1
        if char == "\\":
            if relaxed:
                word = (word or "") + text[place : place + 1]
                place += 1
            else:
                resolved, place = _escape(text, place)
                word = (word or "") + resolved
        elif quote:
            if char == quote:
                quote = ""
            else:
                word += char
        elif char in "\"'":
            quote, word = char, word or ""
        elif char in WHITESPACE:
            if word is not None:
                found.append(word)
            word = None
        else:
            word = (word or "") + char
    if quote and not relaxed:
        raise ValueError(f"a quote is not closed, systemd ignores the setting: {text!r}")
    return found if word is None else [*found, word]


def _escape(text, place):
    """What stands for the escape whose backslash is just before `place`, and where the text goes on."""
    number = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-3][0-7]{2})").match(text, place)
    if number:
        digits = number[1] or number[2] or number[3]
        return chr(int(digits, 16) if digits else int(number[4], 8)), number.end()
    char = text[place : place + 1]
    if char not in ESCAPES or not char:
        raise ValueError(f"systemd knows no escape \\{char} and ignores the setting: {text!r}")
    return ESCAPES[char], place + 1


def specifiers(text):
    """Only %% is read; what the others stand for is known to a running systemd alone."""
    other = re.search(r"%[^%]", text.replace("%%", ""))
    if other:
        raise ValueError(f"the specifier {other[0]} is not known here: {text!r}")
    return text.replace("%%", "%")


@dataclass(frozen=True)
class Command:
    """One Exec line: its words before variables are put in."""

    words: tuple
    may_fail: bool = False
    literal: bool = False  # ":", no variables are put in

    def argv(self, environ):
        """The words with variables put in: $NAME as a word of its own is split, ${NAME} anywhere is not, and a
        variable that is not set leaves no word or no text. The program itself is never a variable."""
        program, *rest = self.words
        if self.literal:
            return [program, *rest]
        made = [program]
        for word in rest:
            if word.startswith("$") and word[1:2] not in ("{", "$"):
                made += words(environ.get(word[1:], ""), relaxed=True)
            else:
                made.append(_substitute(word, environ))
        return made


def _substitute(word, environ):
    return re.sub(
        r"\$(\$|\{([A-Za-z_][A-Za-z0-9_]*)\})",
        lambda match: "$" if match[1] == "$" else environ.get(match[2], ""),
        word,
    )


def command(value):
    """An Exec setting's value."""
    prefix = re.match(r"[-@:+!]*", value)[0]
    if "@" in prefix:
        raise ValueError(f"@ is not known here: {value!r}")
    split = [specifiers(word) for word in words(value[len(prefix) :])]
    if ";" in split:
        raise ValueError(f"more than one command in a line is not known here: {value!r}")
    if not split or not split[0].startswith("/"):
        raise ValueError(f"not an absolute path to a program: {value!r}")
    return Command(tuple(split), "-" in prefix, ":" in prefix)


@dataclass
class Service:
    """The [Service] section of a unit."""

    type: str = "simple"
    start_pre: list = field(default_factory=list)
    start: list = field(default_factory=list)
    start_post: list = field(default_factory=list)
    stop: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    environment_files: list = field(default_factory=list)  # (path, may be missing)
    other: dict = field(default_factory=dict)


_COMMANDS = {"ExecStartPre": "start_pre", "ExecStart": "start", "ExecStartPost": "start_post", "ExecStop": "stop"}


def service(text):
    """A unit's text (with its drop-ins after it) -> Service; an empty value forgets what was said before."""
    made = Service()
    for section, key, value in settings(text):
        if section != "Service":
            continue
        if key in _COMMANDS:
            commands = getattr(made, _COMMANDS[key])
            if value:
                commands.append(command(value))
            else:
                commands.clear()
        elif key == "Environment":
            if not value:
                made.environment.clear()
            made.environment.update(specifiers(word).split("=", 1) for word in words(value))
        elif key == "EnvironmentFile":
            if value:
                made.environment_files.append((specifiers(value.removeprefix("-")), value.startswith("-")))
            else:
                made.environment_files.clear()
        elif key == "Type":
            made.type = value
        else:
            made.other[key] = value
    return made


def environment_file(text):
    """An EnvironmentFile's variables. It is no shell: nothing is expanded, `export` is not known."""
    found, state, key, value, blanks = {}, "before key", "", "", 0

    def push():
        kept = value[: len(value) - blanks] if state == "value" else value
        found[key.rstrip(WHITESPACE)] = kept

    # blanks: how many whitespace characters end an unquoted value so far; those do not belong to it
    for char in text:
        newline = char in "\n\r"
        if state == "before key":
            if char in "#;":
                state = "comment"
            elif char not in WHITESPACE:
                state, key, value, blanks = "key", char, "", 0
        elif state == "key":
            if newline:
                state = "before key"
            elif char == "=":
                state = "before value"
            else:
                key += char
        elif state in ("before value", "value"):
            if newline:
                push()
                state = "before key"
            elif state == "before value" and char in "\"'":
                state = char
            elif char == "\\":
                state, blanks = "value\\", 0
            elif state == "value" or char not in WHITESPACE:
                state, value = "value", value + char
                blanks = blanks + 1 if char in WHITESPACE else 0
        elif state == "value\\":
            # an escaped end of line goes away altogether
            state, value = "value", value if newline else value + char
        elif state == "'":
            state, value = ("before value", value) if char == "'" else (state, value + char)
        elif state == '"':
            if char == '"':
                state = "before value"
            elif char == "\\":
                state = '"\\'
            else:
                value += char
        elif state == '"\\':
            state = '"'
            if char in '"\\`$':
                value += char
            elif char != "\n":
                value += "\\" + char
        elif state == "comment":
            if char == "\\":
                state = "comment\\"
            elif newline:
                state = "before key"
        else:
            state = "comment"
    if state not in ("before key", "key", "comment", "comment\\"):
        push()
    return found
