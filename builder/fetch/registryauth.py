"""Answers a registry's 401: a bearer token by oras, anonymous or for a user of docker's config.json; or basic auth."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from oras.auth.token import TokenAuth
from oras.auth.utils import get_basic_auth, parse_auth_header
from requests.auth import AuthBase

from builder.errors import FetchError
from builder.fetch.mirrors import without_credentials

_UNAUTHORIZED = 401
_DOCKER_HUB = "registry-1.docker.io"
_DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io")
"""What docker's config.json calls the registry of docker.io."""

logging.getLogger("oras.logger").addHandler(logging.NullHandler())  # what matters is said as an error of ours


class _Tokens(TokenAuth):  # type: ignore[misc] # oras has no types
    """oras' token flow over our session, with the credentials that belong to one registry."""

    def __init__(self, session: requests.Session, credentials: str | None) -> None:
        super().__init__()
        self.session = session
        self._tls_verify = None  # as the session has it, and REQUESTS_CA_BUNDLE
        if credentials:
            self._basic_auth = credentials

    def find_credentials(self, config: Path, names: tuple[str, ...]) -> None:
        """Look in docker's config.json, which may name a program to ask. Raises FetchError when it is damaged."""
        try:
            known = json.loads(config.read_text(encoding="utf-8"))
            self._auth_config = {key: known.get(key) or {} for key in ("auths", "credsStore", "credHelpers")}
            _ = any(self._load_auth(name) for name in names)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError) as error:
            remedy = "log in again, or set DOCKER_CONFIG to another folder"
            raise FetchError(f"{config}: its login for {names[0]} cannot be read", remedy) from error

    @property
    def basic(self) -> str | None:
        """User and password as HTTP's basic auth has them, where there are any."""
        return getattr(self, "_basic_auth", None)

    def ask(self, challenge: str) -> str | None:
        """A token by the registry's own challenge; None when it is refused. Raises FetchError when nobody answers."""
        asked = parse_auth_header(challenge)
        if not asked.realm:
            return None
        try:
            found = self.request_token(asked) if self.basic else self.request_anonymous_token(asked)
        except (requests.RequestException, ValueError, AttributeError, TypeError) as error:
            remedy = "check the network, or use --image-mirror"
            raise FetchError(f"{without_credentials(asked.realm)}: gives no token", remedy) from error
        return found if isinstance(found, str) else None


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
        given = None
        if parts.username:
            given = get_basic_auth(unquote(parts.username), unquote(parts.password or ""))
        self._tokens = _Tokens(session, given)
        if config is not None and not given:
            names = (self._host, *(_DOCKER_HUB_KEYS if self._host == _DOCKER_HUB else ()))
            self._tokens.find_credentials(config, names)

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
        if challenge.lower().startswith("basic"):
            return f"Basic {self._tokens.basic}" if self._tokens.basic else None
        realm = urlsplit(parse_auth_header(challenge).realm or "")
        if realm.scheme not in {"http", "https"} or (self._scheme == "https" and realm.scheme == "http"):
            return None  # no password goes over http to where it was asked for over https
        token = self._tokens.ask(challenge)
        return f"Bearer {token}" if token else None
