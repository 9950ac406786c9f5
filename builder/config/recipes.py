"""recipes/*.toml -> Recipe: later folders extend or override earlier ones, key by key."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.config.toml_places import Places
from builder.errors import InputError, Problem
from builder.model.recipe import Digest, OverlaySetting, Recipe, RecipeFile, Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?")
_HOST_PATH = re.compile(r"(/[A-Za-z0-9@+_][A-Za-z0-9._@+-]*)+")
_UNIT = re.compile(r"[A-Za-z0-9@._-]+\.(service|socket|timer|mount|path|target)")
_MODE = re.compile(r"0[0-7]{3}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_URL = re.compile(r"(https?://[A-Za-z0-9.:-]+/|\{url\})[A-Za-z0-9._~/{}%+-]*")
_IMAGE_URL = re.compile(
    r"docker://(\{pause_image\}|([a-z0-9.-]+\.[a-z0-9.-]+|[a-z0-9.-]+:[0-9]+|localhost)(:[0-9]+)?"
    r"(/[a-z0-9._-]+)+:[A-Za-z0-9_.{}-]+)"
)
_MEMBER = re.compile(r"[A-Za-z0-9._@+/{}-]+")
_WHEN = re.compile(r"[a-z-]+=[a-z-]+(,[a-z-]+=[a-z-]+)*")
_VERSION = re.compile(r"v?[0-9][A-Za-z0-9.+-]*")
_WORDS = {
    "url": {"version", "number", "arch", "pause_image"},
    "checksum": {"version", "number", "arch", "url"},
    "member": {"version", "number", "arch"},
}

_TEXT = "a text in quotes"
_SHAPES: dict[str, Any] = {
    "name": (_NAME, "small letters, digits and -"),
    "summary": (None, _TEXT),
    "licence": (None, "an SPDX licence name in quotes"),
    "homepage": (None, _TEXT),
    "notice": (None, _TEXT),
    "roles": [(_NAME, "the name of a role")],
    "when": (_WHEN, 'a condition such as "network=static"'),
    "units": [(_UNIT, "a unit's name such as kubelet.service")],
    "restarts": [(_UNIT, "a unit's name such as kubelet.service")],
    "order": int,
    "version": {
        "follows": (re.compile("kubernetes|coredns|pause-image"), '"kubernetes", "coredns" or "pause-image"'),
        "default": (_VERSION, "a version such as v1.2.3"),
    },
    "source": {
        "url": (
            re.compile(f"{_URL.pattern}|{_IMAGE_URL.pattern}"),
            "an http(s) URL with {version}, {number} or {arch}, or docker://REGISTRY/PATH:TAG of an image",
        ),
        "kind": (re.compile("binary|archive|image"), '"binary", "archive" or "image"'),
        "checksum": (_URL, "an http(s) URL with {url}, {version}, {number} or {arch}"),
        "checksum-format": (re.compile("bare|sums|clearsigned"), '"bare", "sums" or "clearsigned"'),
    },
    "file": [
        {
            "path": (_HOST_PATH, "an absolute path on the host of letters, digits and . _ @ + - /"),
            "member": (_MEMBER, "a name in the archive, with {version}, {number} or {arch} where they differ"),
            "mode": (_MODE, 'an octal mode in quotes such as "0755", without setuid'),
        }
    ],
    "links": {_HOST_PATH: (_HOST_PATH, "an absolute path on the host")},
    "directories": {_HOST_PATH: (_MODE, 'an octal mode in quotes such as "0750"')},
    "overlay": {
        _HOST_PATH: {
            "mode": (_MODE, 'an octal mode in quotes such as "0600", without setuid'),
            "when": (_WHEN, 'a condition such as "join=certificate"'),
            "restarts": [(_UNIT, "a unit's name such as kubelet.service")],
        }
    },
    "digests": {_VERSION: {re.compile("amd64|arm64"): (_DIGEST, '"sha256:" or "sha512:" and the hex digest')}},
}
"""What a recipe may hold: (pattern, what would be right), a list of one of those, or a table of keys."""

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _File:
    """A recipe file as it was read."""

    path: Path
    data: dict[str, Any]
    places: Places

    def problem(self, where: _Path, wrong: str, remedy: str) -> Problem:
        line, column = self.places.of(where)
        return Problem(str(self.path), line, column, _dotted(where), wrong, remedy)


def load_recipes(*folders: Path) -> dict[str, Recipe]:
    """Every recipe by name, in the order of their names.

    A recipe of a later folder with the name of an earlier one is laid over it: tables key by key, lists
    whole. Raises InputError with all problems of all files, each with its line.
    """
    problems: list[Problem] = []
    layers: dict[str, list[_File]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            file = _read(path, problems)
            if file is not None:
                found = list(_misshapen(file, file.data, _SHAPES, ()))
                problems += found or _misnamed(file)
                if not found:
                    layers.setdefault(path.stem, []).append(file)
    recipes = {name: _recipe(layers[name], problems) for name in sorted(layers)}
    if problems:
        raise InputError(problems)
    return {name: recipe for name, recipe in recipes.items() if recipe is not None}


def _read(path: Path, problems: list[Problem]) -> _File | None:
    try:
        text = path.read_text(encoding="utf-8")
        return _File(path, tomllib.loads(text), Places(text))
    except (OSError, UnicodeDecodeError):
        problems.append(Problem(str(path), 0, 0, "", "cannot be read as UTF-8 text", "save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(match[1]), int(match[2])) if match else (1, 1)
        wrong = str(error).partition(" (at ")[0].rstrip(".")
        problems.append(Problem(str(path), line, column, "", f"not TOML: {wrong}", "mend the line"))
    except RecursionError:
        problems.append(Problem(str(path), 1, 1, "", "nested too deeply", "write a plain recipe"))
    return None


def _misnamed(file: _File) -> list[Problem]:
    if file.data.get("name") == file.path.stem:
        return []
    return [file.problem(("name",), "is not the file's name", f'write name = "{file.path.stem}"')]


def _misshapen(file: _File, value: Any, shape: Any, where: _Path) -> Iterator[Problem]:
    """Everything in `value` that is not as `shape` says."""
    if isinstance(shape, dict):
        yield from _bad_table(file, value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield file.problem(where, "not a list", "write [ … ]")
            return
        for index, item in enumerate(value):
            yield from _misshapen(file, item, shape[0], (*where, index))
    elif shape is int:
        if type(value) is not int:
            yield file.problem(where, "not a whole number", "write a number such as 50")
    else:
        yield from _bad_text(file, value, shape, where)


def _bad_table(file: _File, value: Any, shape: dict[Any, Any], where: _Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield file.problem(where, "not a table", f"write [{_dotted(where)}]")
        return
    for key, item in value.items():
        inner = _shape_of(key, shape)
        if inner is None:
            yield file.problem((*where, key), "unknown key", _known(key, shape))
        else:
            yield from _misshapen(file, item, inner, (*where, key))


def _shape_of(key: str, shape: dict[Any, Any]) -> Any:
    if key in shape:
        return shape[key]
    return next((shape[known] for known in shape if isinstance(known, re.Pattern) and known.fullmatch(key)), None)


def _known(key: str, shape: dict[Any, Any]) -> str:
    names = [name for name in shape if isinstance(name, str)]
    near = difflib.get_close_matches(key, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(names)}" if names else "that is no path, version or arch for this place"


def _bad_text(file: _File, value: Any, shape: tuple[re.Pattern[str] | None, str], where: _Path) -> Iterator[Problem]:
    pattern, wanted = shape
    if not isinstance(value, str) or not value or any(ord(character) < 0x20 for character in value):  # noqa: PLR2004
        yield file.problem(where, f"not {wanted}", "put a text on one line in quotes")
    elif pattern is not None and not pattern.fullmatch(value):
        yield file.problem(where, f"{value!r} is wrong", f"give {wanted}")
    elif isinstance(where[-1], str) and where[-1] in _WORDS:
        unknown = set(re.findall(r"\{([^}]*)\}", value)) - _WORDS[where[-1]]
        if unknown or value.count("{") != value.count("}"):
            allowed = ", ".join(f"{{{word}}}" for word in sorted(_WORDS[where[-1]]))
            yield file.problem(where, f"{value!r} has an unknown placeholder", f"known are {allowed}")


def _dotted(where: _Path) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text


def _recipe(files: list[_File], problems: list[Problem]) -> Recipe | None:
    """The layers of one name as one recipe; None when something it must have is missing."""
    data: dict[str, Any] = {}
    replaced: list[str] = []
    for file in files:
        replaced += _replaced(data.get("digests", {}), file.data.get("digests", {}))
        data = _laid_over(data, file.data)
    last = files[-1]
    missing = list(_missing(data))
    problems += [last.problem(where, "missing", remedy) for where, remedy in missing]
    if missing:
        return None
    problems += [last.problem(*wrong) for wrong in _contradictions(data)]
    return _made(data, str(last.path), tuple(replaced))


def _laid_over(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in extra.items():
        known = merged.get(key)
        merged[key] = _laid_over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _replaced(known: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    """Which pinned digests a later layer says otherwise."""
    for version, arches in new.items():
        for arch, digest in arches.items():
            if known.get(version, {}).get(arch, digest) != digest:
                yield f"{version} {arch}"


def _contradictions(data: Mapping[str, Any]) -> Iterator[tuple[_Path, str, str]]:
    """What each key may say, but not beside the others: where, what is wrong, what would be right."""
    version, source = data.get("version", {}), data.get("source") or {"url": "", "kind": ""}
    image, url = source["kind"] == "image", source["url"]
    if {"follows", "default"} <= version.keys():
        yield ("version", "default"), "stands beside follows", "leave it out, or set spec.components in cluster.yaml"
    if image != url.startswith("docker://"):
        remedy = "give docker://REGISTRY/PATH:TAG" if image else 'write kind = "image"'
        yield ("source", "url"), f"{url!r} does not fit kind = {source['kind']!r}", remedy
    if ("{pause_image}" in url) != (version.get("follows") == "pause-image"):
        remedy = 'docker://{pause_image} and [version] follows = "pause-image" belong together'
        yield ("source", "url"), f"{url!r} does not fit [version]", remedy
    if image:
        yield from _contradictions_of_image(data)


def _contradictions_of_image(data: Mapping[str, Any]) -> Iterator[tuple[_Path, str, str]]:
    if "checksum" in data["source"]:
        yield ("source", "checksum"), "an image has no checksum file", "pin its manifest's digest in [digests]"
    for index, file in enumerate(data["file"]):
        if "member" in file:
            yield ("file", index, "member"), "an image is carried whole", "leave it out"
    for release, arches in data.get("digests", {}).items():
        for arch, digest in arches.items():
            if not digest.startswith("sha256:"):
                yield ("digests", release, arch), "an image's digest is a sha256", "give sha256: and the hex digest"
        if len(set(arches.values())) > 1:
            remedy = "pin the digest of the list that the tag names, the same for every arch"
            yield ("digests", release), "its arches have different digests", remedy


def _missing(data: Mapping[str, Any]) -> Iterator[tuple[_Path, str]]:
    for key in ("name", "summary", "licence", "roles"):
        if key not in data:
            yield (key,), f"write {key} = …"
    source = data.get("source")
    if source is not None:
        for key in ("url", "kind"):
            if key not in source:
                yield ("source", key), f"write {key} = …"
        if not data.get("file"):
            yield ("file",), "say with [[file]] where the artifact's files go"
    if source is None and data.get("file"):
        yield ("source",), "say with [source] where the files come from"
    yield from _missing_of_files(data.get("file", []), archive=(source or {}).get("kind") == "archive")


def _missing_of_files(files: Iterable[Mapping[str, Any]], *, archive: bool) -> Iterator[tuple[_Path, str]]:
    for index, file in enumerate(files):
        if "path" not in file:
            yield ("file", index, "path"), "write path = …"
        if archive and "member" not in file:
            yield ("file", index, "member"), "name the member of the archive"


def _made(data: Mapping[str, Any], origin: str, replaced: tuple[str, ...]) -> Recipe:
    version, source = data.get("version", {}), data.get("source")
    return Recipe(
        name=data["name"],
        summary=data["summary"],
        licence=data["licence"],
        roles=tuple(data["roles"]),
        origin=origin,
        homepage=data.get("homepage", ""),
        notice=data.get("notice", ""),
        when=data.get("when"),
        follows=version.get("follows"),
        default_version=version.get("default"),
        source=_source(source) if source else None,
        files=tuple(_file(file, source) for file in data.get("file", [])),
        links=data.get("links", {}),
        directories={path: int(mode, 8) for path, mode in data.get("directories", {}).items()},
        units=tuple(data.get("units", ())),
        restarts=tuple(data.get("restarts", ())),
        order=data.get("order", 50),
        overlay={path: _setting(table) for path, table in data.get("overlay", {}).items()},
        digests={
            release: {arch: _digest(text) for arch, text in arches.items()}
            for release, arches in data.get("digests", {}).items()
        },
        replaced_digests=replaced,
    )


def _source(table: Mapping[str, Any]) -> Source:
    return Source(table["url"], table["kind"], table.get("checksum"), table.get("checksum-format", "bare"))


def _file(table: Mapping[str, Any], source: Mapping[str, Any] | None) -> RecipeFile:
    member = table.get("member") if source and source["kind"] == "archive" else None
    usual = "0644" if source and source["kind"] == "image" else "0755"
    return RecipeFile(table["path"], member, int(table.get("mode", usual), 8))


def _setting(table: Mapping[str, Any]) -> OverlaySetting:
    restarts = tuple(table["restarts"]) if "restarts" in table else None
    return OverlaySetting(int(table.get("mode", "0644"), 8), table.get("when"), restarts)


def _digest(text: str) -> Digest:
    algorithm, _, found = text.partition(":")
    return Digest("sha512" if algorithm == "sha512" else "sha256", found)
