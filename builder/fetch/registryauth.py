"""Answers a registry's 401: by a bearer token, or by basic auth."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.auth import AuthBase

if TYPE_CHECKING:
    from builder.fetch.tokens import Tokens

_UNAUTHORIZED = 401
_DOCKER_HUB = "registry-1.docker.io"
_DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io")
"""What docker's config.json calls the registry of docker.io."""


class RegistryAuth(AuthBase):
    """Asks without credentials first, as registries want it, and again with a token when one answers 401.

    `place` is the registry's URL and may hold user and password, which come before docker's config.json.
    One is for one repository, and for one thread.
    """

    def __init__(self, session: requests.Session, place: str, config: Path | None) -> None:
        parts = urlsplit(place)
        self._host = parts.netloc.rpartition("@")[2]
        self._scheme = parts.scheme
        self._header: str | None = None
        self._session = session
        self._config = config
        self._known: Tokens | None = None
        self._given = None
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._given = base64.b64encode(pair.encode()).decode()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with what the last challenge brought, ready to answer the next one."""
        if self._header:
            request.headers["Authorization"] = self._header
        request.register_hook("response", self._again)  # type: ignore[no-untyped-call]
        return request

    def _again(self, response: requests.Response, **options: Any) -> requests.Response:
        """The answer to the same request with fresh credentials, or `response` itself."""
        # a registry hands blobs over to other hosts by redirects: they get no token of this one
        if response.status_code != _UNAUTHORIZED or urlsplit(response.url).netloc != self._host:
            return response
        response.close()  # its status is all that matters, whoever reads it
        header = self._fresh(response.headers.get("WWW-Authenticate", ""))
        if header is None:
            return response
        self._header = header
        request = response.request.copy()
        request.headers["Authorization"] = header
        answer: requests.Response = response.connection.send(request, **options)
        answer.history.append(response)
        answer.request = request
        return answer

    def _fresh(self, challenge: str) -> str | None:
        """A header that answers the challenge, None when there is none."""
        tokens = self._tokens()
        if challenge.lower().startswith("basic"):
            return f"Basic {tokens.basic}" if tokens.basic else None
        found = re.search(r'realm="([^"]+)"', challenge)
        realm = urlsplit(found[1] if found else "")
        if realm.scheme not in {"http", "https"} or (self._scheme == "https" and realm.scheme == "http"):
            return None  # no password goes over http to where it was asked for over https
        token = tokens.ask(challenge)
        return f"Bearer {token}" if token else None

    def _tokens(self) -> Tokens:
        if self._known is None:
            from builder.fetch.tokens import Tokens  # noqa: PLC0415 - oras is needed only where a registry asks

            self._known = Tokens(self._session, self._given)
            if self._config is not None and not self._given:
                names = (self._host, *(_DOCKER_HUB_KEYS if self._host == _DOCKER_HUB else ()))
                self._known.find_credentials(self._config, names)
        return self._known
