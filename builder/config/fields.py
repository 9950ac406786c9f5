"""The kinds of text in a cluster.yaml: each checks itself and says what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_DAYS = {"h": 1 / 24, "d": 1, "y": 365}
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_QUALIFIED = rf"({SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?"
_SEED_TOKEN = "bc43e407e311d78b60da186fdd347fc8"  # noqa: S105 - printed in a public document, refused below


LOCAL_PROXY = "local-proxy"
"""In the place of an endpoint: each node has a proxy of its own to all API servers."""

SHOWN = "\0"
"""Stands for the value in a field's error; the reader of the error knows whether it may be shown."""


def refuse(subject: str, remedy: str, wrong: str = "") -> PydanticCustomError:
    """A field's own error: what is wrong (of SHOWN, or of the subject named), and what would be right."""
    return PydanticCustomError("field", "field", {"wrong": f"{subject} {wrong}".strip(), "remedy": remedy})


@dataclass(frozen=True)
class Text:
    """A text that has to match a pattern, and what it becomes; `what` and `example` go into the remedy.

    `most` is in characters. A secret one is never quoted in a message.
    """

    pattern: str
    what: str
    example: str
    convert: Callable[[str], Any] = str
    most: int = 253
    secret: bool = False

    def check(self, value: Any) -> Any:
        """The value that the text stands for. Raises PydanticCustomError with a remedy."""
        remedy = f"give {self.what}, e.g. {self.example}"
        if not isinstance(value, str):
            raise refuse("not a text", f"{remedy}; in quotes where YAML reads it as something else")
        if len(value) > self.most or not re.fullmatch(self.pattern, value):
            raise refuse("this" if self.secret else SHOWN, remedy, f"is not {self.what}")
        return self.convert(value)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pattern = f"^(?:{self.pattern})$"
        return {"type": "string", "pattern": pattern, "maxLength": self.most, "examples": [self.example]}


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise refuse(SHOWN, "each part is 0 to 255, e.g. 10.1.1.100", "is not an IPv4 address") from error


def _network(text: str) -> IPv4Network:
    try:
        loose = IPv4Network(text, strict=False)
    except ValueError as error:
        remedy = "parts are 0 to 255, a prefix is 0 to 32, e.g. 172.7.0.0/16"
        raise refuse(SHOWN, remedy, "is not an IPv4 network") from error
    if str(loose.network_address) != text.partition("/")[0]:
        raise refuse(SHOWN, f"write {loose}", "has host bits set")
    return loose


def _duration(text: str) -> timedelta:
    days = int(text[:-1]) * _DAYS[text[-1]]
    if not 0 < days <= 36500:  # noqa: PLR2004 - a hundred years
        raise refuse(SHOWN, "give e.g. 365d", "is not between an hour and 100 years")
    return timedelta(days=days)


def _endpoint(text: str) -> str:
    port = int(text.rpartition(":")[2])
    if not 1 <= port <= 65535:  # noqa: PLR2004 - TCP
        raise refuse(SHOWN, "a port is 1 to 65535", "has no such port")
    host = urlsplit(text).hostname or ""
    if re.fullmatch(r"[0-9.]+", host):
        _address(host)
    return text


def _host(text: str) -> str:
    if re.fullmatch(r"[0-9.]+", text):
        _address(text)
    return text


def _moment(text: str) -> str:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise refuse(SHOWN, "give e.g. 2027-01-31T12:00:00Z", "is no day of the calendar") from error
    return text


def _mirror_place(text: str) -> str:
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise refuse("this", "a port is 0 to 65535", "has no such port") from error
    return text


def _token(text: str) -> str:
    if text == _SEED_TOKEN:
        raise refuse("this token is printed in a public document", "make one: openssl rand -hex 16")
    return text


Name = Annotated[str, Text(SUBDOMAIN, "a lower-case name of letters, digits and - (RFC 1123)", "k8s-node1", most=52)]
ClusterName = Annotated[
    str, Text(LABEL, "a lower-case name of letters, digits and - (RFC 1123)", "three-node", most=63)
]
Domain = Annotated[str, Text(SUBDOMAIN, "a lower-case DNS domain", "cluster.local")]
Address = Annotated[IPv4Address, Text(_IPV4, "an IPv4 address", "10.1.1.100", _address)]
Cidr = Annotated[
    IPv4Network, Text(rf"{_IPV4}/[0-9]{{1,2}}", "an IPv4 network with its prefix", "172.7.0.0/16", _network)
]
Duration = Annotated[timedelta, Text(r"[0-9]{1,6}[hdy]", "a duration in hours, days or years", "365d", _duration)]
Version = Annotated[
    str,
    Text(
        r"v?[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}",
        "a version with three numbers",
        "v1.24.17",
        lambda v: "v" + v.lstrip("v"),
    ),
]
Endpoint = Annotated[
    str,
    Text(
        rf"https://{SUBDOMAIN}:[0-9]{{1,5}}",
        "an https URL with a lower-case host, a port and no path",
        "https://10.1.1.100:6443",
        _endpoint,
        most=280,
    ),
]
ApiEndpoint = Annotated[
    str,
    Text(
        rf"local-proxy|https://{SUBDOMAIN}:[0-9]{{1,5}}",
        "an https URL with a lower-case host, a port and no path, or local-proxy",
        "https://10.1.1.100:6443",
        lambda text: text if text == LOCAL_PROXY else _endpoint(text),
        most=280,
    ),
]
HostName = Annotated[str, Text(SUBDOMAIN, "a lower-case name or an IPv4 address", "k8s.example", _host)]
Moment = Annotated[
    str,
    Text(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
        "a time in UTC",
        "2027-01-31T12:00:00Z",
        _moment,
    ),
]
KeyPrefix = Annotated[
    str, Text(r"(/[A-Za-z0-9._-]+)+", "an absolute key of letters, digits and . _ -", "/coreos.com/network")
]
Interface = Annotated[
    str, Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", "a network interface of at most 15 characters", "eth0", most=15)
]
Token = Annotated[
    str,
    Text(
        r"[a-z0-9]{6}\.[a-z0-9]{16}|[A-Za-z0-9._~+/=-]{16,256}",
        "a bootstrap token (ID.SECRET) or a static token of 16 or more letters and digits",
        "abcdef.0123456789abcdef",
        _token,
        most=256,
        secret=True,
    ),
]
LabelKey = Annotated[
    str,
    Text(
        _QUALIFIED,
        "a label's key: an optional DNS prefix with /, then up to 63 letters, digits and . _ -",
        "example.com/site",
        most=317,
    ),
]
LabelValue = Annotated[
    str,
    Text(
        r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?",
        "a label's value: up to 63 letters, digits and . _ -",
        "hall-3",
        most=63,
    ),
]
_REGISTRY = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?"
_IMAGE = _REGISTRY + r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
Image = Annotated[
    str,
    Text(
        _IMAGE,
        "an image with registry, path and tag",
        "registry.k8s.io/pause:3.7",
    ),
]
CarriedImage = Annotated[
    str,
    Text(
        _IMAGE + r"(@sha256:[0-9a-f]{64})?",
        "an image with registry, path and tag, and its digest if you have it",
        "registry.example/line/plc:1.4@sha256:…",
        most=400,
    ),
]
FilePath = Annotated[str, Text(r"[^\x00-\x1f\x7f]+", "the path of a file", "/secure/ca.pem", most=4096)]
Variable = Annotated[str, Text(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", "CA_PASSPHRASE")]
MirrorKey = Annotated[
    str,
    Text(
        r"(docker://)?\*|(https?://)?[A-Za-z0-9][A-Za-z0-9.:-]*(/[A-Za-z0-9._~/%+-]*)?",
        "a host, a URL prefix, * or docker://*",
        "dl.k8s.io",
    ),
]
MirrorPlace = Annotated[
    str,
    Text(
        r"https?://[^\s\x00-\x1f\x7f]+|(file://)?/[^\x00-\x1f\x7f]*",
        "an http(s) URL or an absolute path",
        "https://files.m.daocloud.io",
        _mirror_place,
        most=2000,
        secret=True,  # it may hold a password
    ),
]
ComponentName = Annotated[str, Text(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a recipe", "containerd")]
