"""YAML text -> data, and line and column of every path in it; refuses what YAML can do to surprise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from builder.config.variables import UnsetVariable, Variables
from builder.errors import InputError, Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH = 40
_TOO_DEEP = (f"nested more than {_DEPTH} levels deep", "write it flatter")
_NODES = 100_000
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")

Path = tuple[str | int, ...]


@dataclass
class Source:
    """What a file says: `data` of dicts, lists and scalars, and where each path of it stands."""

    file: str
    data: Any
    places: dict[Path, tuple[int, int]]
    variable: set[Path] = field(default_factory=set)

    def shown(self, path: Path, value: object) -> str:
        """A value as messages may show it: what came out of a variable could be a secret."""
        return "the value of the variable" if path in self.variable else repr(value)

    def locate(self, path: Path) -> tuple[int, int]:
        """Line and column (from 1) of a path, or of what it would stand in."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def problem(self, path: Path, wrong: str, remedy: str) -> Problem:
        """A Problem at a path."""
        return Problem(self.file, *self.locate(path), dotted(path), wrong, remedy)


def dotted(path: Path) -> str:
    """A path as users write it: spec.nodes[2].name."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + str(part)
    return text


def read_source(text: bytes | str, file: str, variables: Variables) -> Source:
    """Read one YAML document. Raises InputError with every problem of the text itself."""
    decoded = _decoded(text, file)
    try:
        _refuse_depth(decoded, file)
        node = yaml.compose(decoded, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        told = error.problem or error.context or ""
        wrong, remedy = f"not YAML: {told}", "mend the indentation or the quotes there"
        if "nesting depth" in told:  # PyYAML 6.0.4 has a limit of its own, and looks ahead of our counting
            wrong, remedy = _TOO_DEEP
        raise InputError([Problem(file, line, column, "", wrong, remedy)]) from error
    except (yaml.YAMLError, ValueError) as error:
        # a reader's error: a character that YAML does not allow, such as NUL
        place = getattr(error, "position", 0) or 0
        line = decoded.count("\n", 0, place) + 1
        raise InputError(
            [Problem(file, line, 1, "", "holds a character that YAML does not allow", "remove it")]
        ) from error
    if node is None:
        raise InputError([Problem(file, 1, 1, "", "is empty", "write one with `bundler init`")])
    walk = _Walk(file, variables)
    data = walk.value(node, ())
    if walk.problems:
        raise InputError(walk.problems)
    return Source(file, data, walk.places, walk.variable)


def _decoded(text: bytes | str, file: str) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InputError([Problem(file, line, 1, "", "is not UTF-8", "save it as UTF-8")]) from error


def _refuse_depth(text: str, file: str) -> None:
    """Before composing, which recurses: events come one by one. Also refuses a second document."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > _DEPTH or documents > 1:
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            wrong, remedy = ("a second document begins", "one cluster is one file") if documents > 1 else _TOO_DEEP
            raise InputError([Problem(file, line, column, "", wrong, remedy)])


class _Walk:
    """Turns nodes into data, noting places and problems on the way."""

    def __init__(self, file: str, variables: Variables) -> None:
        self._file = file
        self._variables = variables
        self._nodes = 0
        self._open: set[int] = set()
        self.places: dict[Path, tuple[int, int]] = {}
        self.variable: set[Path] = set()
        self.problems: list[Problem] = []

    def _problem(self, node: yaml.Node, path: Path, wrong: str, remedy: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self._file, mark.line + 1, mark.column + 1, dotted(path), wrong, remedy))

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The data of a node; aliases are followed, but neither for ever nor into themselves."""
        self._nodes += 1
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if self._nodes > _NODES or id(node) in self._open:
            if self._nodes <= _NODES + 1 or id(node) in self._open:
                self._problem(node, path, "aliases that never end", "write the values out")
            self._nodes = max(self._nodes, _NODES + 2)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or not isinstance(key.value, str):
                self._problem(key, path, "a key that is not a text", "write plain keys")
                continue
            name = key.value
            if key.tag == "tag:yaml.org,2002:merge":
                self._problem(key, path, "merge keys (<<) are not supported", "write the fields out")
            elif name in found:
                self._problem(key, (*path, name), "stands here twice", "keep one of them")
            else:
                self.places[(*path, name)] = (key.start_mark.line + 1, key.start_mark.column + 1)
                found[name] = self.value(item, (*path, name))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, tag = node.value, node.tag
        self.places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        try:
            text, changed = self._variables.put_in(text)
        except UnsetVariable as error:
            self._problem(
                node, path, f"the variable {error.name} is not set", f"export it, or write ${{{error.name}:-default}}"
            )
            return None
        except ValueError as error:
            self._problem(node, path, str(error), "write ${NAME} or ${NAME:-default}; a plain ${ is $${")
            return None
        if changed:
            self.variable.add(path)
        if changed and not node.style:
            # a value may become a number or a truth, but never a list or a mapping
            resolver: Any = yaml.SafeLoader("")
            tag = resolver.resolve(yaml.ScalarNode, text, (True, False))
        if tag not in _TAGS:
            self._problem(node, path, f"the tag {tag} is not supported", "leave it out")
            return None
        return self._typed(node, text, tag.removeprefix("tag:yaml.org,2002:"), path)

    def _typed(self, node: yaml.ScalarNode, text: str, kind: str, path: Path) -> Any:
        if kind in {"str", "timestamp", "value", "merge"}:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"yes", "true", "on"}
        if kind == "int" and _DECIMAL.fullmatch(text) and len(text) < 20:  # noqa: PLR2004 - fits 64 bits
            return int(text)
        if kind == "float" and re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", text):
            return float(text)
        shown = "the value of the variable" if path in self.variable else text
        self._problem(
            node, path, f"{shown} is no plain decimal number", "write it in decimal, or in quotes if it is a text"
        )
        return None
