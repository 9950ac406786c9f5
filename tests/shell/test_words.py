"""What install.sh says: constant formats with the right number of arguments, so that each can be told in Chinese, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from builder.render.installer import fragments

# the functions that take a format; for `problem` a name comes before it
SPEAKERS = (
    *("say", "warn", "die", "would", "detail", "express", "within"),
    *("not_well", "usage_error", "refuse_problems", "problem"),
)
SPOKEN = re.compile(rf"(?:^|[;&|)!{{]|\b(?:if|then|else|do) )\s*({'|'.join(SPEAKERS)}) +", re.MULTILINE)
QUOTED = re.compile(r"""'([^']*)'|"([^"$`\\]*)"(?=[\s;)]|$)""")


class Message(NamedTuple):
    fragment: str
    speaker: str
    key: str
    arguments: int


def past_expansion(text: str, place: int) -> int:
    """The place after the bracket that closes the one at `place`."""
    opening = text[place]
    closing = {"(": ")", "{": "}"}[opening]
    depth = 0
    while True:
        char = text[place]
        depth += (char == opening) - (char == closing)
        place = past_piece(text, place) if char not in "(){}" else place + 1
        if not depth:
            return place


def past_piece(text: str, place: int) -> int:
    """The place after a quoted string, an expansion, or one character."""
    if text[place] == "\\":
        return place + 2
    if text[place] == "'":
        return text.index("'", place + 1) + 1
    if text[place] == "$" and text[place + 1] in "({":
        return past_expansion(text, place + 1)
    if text[place] != '"':
        return place + 1
    place += 1
    while text[place] != '"':
        place = place + 1 if text[place] == "'" else past_piece(text, place)
    return place + 1


def words(text: str) -> list[str]:
    """The words of a simple command, up to its end."""
    found, place = [], 0
    while text[place] not in "\n;|&)":
        start = place
        while text[place] not in " \t\n;|&)":
            place = past_piece(text, place)
        found.append(text[start:place])
        place += len(text[place:]) - len(text[place:].lstrip(" \t"))
    return found


def spoken() -> Iterator[Message]:
    """Every call with a format; those that pass on what they were given (`"$@"`) have none of their own."""
    for name, content in fragments():
        text = re.sub(r"^\s*#.*", "", content.decode(), flags=re.MULTILINE)
        text = re.sub(r"\\\n\s*", "", text)
        for call in SPOKEN.finditer(text):
            found = words(text[call.end() :])
            if call[1] == "problem":
                assert re.fullmatch("[A-Z][A-Za-z]+", found.pop(0)), text[call.start() :][:80]
            if found[0] == '"$@"' or (name == "10-say.sh" and found[0] == '"$would_format"'):
                continue
            format_ = QUOTED.fullmatch(found[0])
            assert format_, f"{name}: the format is no constant: {text[call.start() :][:80]}"
            key = format_[1] if format_[1] is not None else format_[2]
            yield Message(name, call[1], f"would {key}" if call[1] == "would" else key, len(found) - 1)


MESSAGES = list(spoken())


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 200
    assert Message("60-files.sh", "would", "would make %s with mode %s", 2) in MESSAGES


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: f"{each.fragment}-{each.key[:30]}")
def test_a_format_has_its_arguments(message: Message) -> None:
    wanted = message.key.count("%s") - (message.speaker == "within")
    assert message.arguments == wanted, message
    assert message.key.count("%") == message.key.count("%s")
