"""The cluster file's data, read leniently, as the rules across fields need it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from builder.config import fields
from builder.config.source import Path, Source
from builder.errors import Problem

Found = Iterator[Problem]
"""What a rule gives."""

_READERS: dict[Any, TypeAdapter[Any]] = {}


@dataclass(frozen=True)
class View:
    """The file's data, read leniently: what is missing or misshapen is None, since its shape is told elsewhere."""

    source: Source
    components: Collection[str]

    def raw(self, path: Path) -> Any:
        """The value at a path, or None."""
        place = self.source.data
        for part in path:
            if isinstance(part, int):
                place = place[part] if isinstance(place, list) and part < len(place) else None
            else:
                place = place.get(part) if isinstance(place, dict) else None
        return place

    def read(self, path: Path, kind: Any, default: Any = None) -> Any:
        """The value at a path as a field's kind gives it; the default where there is none; None if it is wrong."""
        value = self.raw(path)
        if value is None:
            return default
        reader = _READERS.setdefault(kind, TypeAdapter(kind))
        try:
            return reader.validate_python(value)
        except ValidationError:
            return None

    def network(self, *path: str | int, default: str | None = None) -> IPv4Network | None:
        """A CIDR."""
        found: IPv4Network | None = self.read(path, fields.Cidr, IPv4Network(default) if default else None)
        return found

    def each(self, *path: str | int) -> list[Path]:
        """The paths of a list's items."""
        items = self.raw(path)
        return [(*path, index) for index in range(len(items))] if isinstance(items, list) else []

    def nodes(self) -> list[Path]:
        """The paths of the nodes."""
        return self.each("spec", "nodes")

    def having(self, role: str) -> list[Path]:
        """The paths of the nodes with that role."""
        return [node for node in self.nodes() if role in self.roles(node)]

    def roles(self, node: Path) -> tuple[str, ...]:
        """The node's roles; a worker where none are given."""
        value = self.raw((*node, "roles"))
        if value is None:
            return ("worker",)
        return tuple(str(role) for role in value) if isinstance(value, list) else ()

    def backend(self) -> str:
        """How pods reach each other."""
        return str(self.raw(("spec", "network", "backend")) or "flannel-host-gw")

    def prefix(self) -> int:
        """The prefix length of one node's subnet."""
        value = self.raw(("spec", "network", "podSubnetPrefix"))
        return value if isinstance(value, int) and 8 <= value <= 30 else 24  # noqa: PLR2004

    def pods(self) -> IPv4Network | None:
        """podCIDR."""
        return self.network("spec", "network", "podCIDR")

    def services(self) -> IPv4Network | None:
        """serviceCIDR."""
        return self.network("spec", "network", "serviceCIDR", default="10.96.0.0/12")

    def problem(self, path: Path, wrong: str, remedy: str) -> Problem:
        """A Problem at a path."""
        return self.source.problem(path, wrong, remedy)


def host_of(endpoint: str | None) -> IPv4Address | None:
    """The address in a URL; None where a name stands there."""
    try:
        return IPv4Address(urlsplit(endpoint).hostname or "") if endpoint else None
    except ValueError:
        return None
