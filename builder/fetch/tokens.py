"""Bearer tokens by oras, anonymous or for a user of docker's config.json. Imported when a registry asks for one."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path

import requests
from oras.auth.token import TokenAuth
from oras.auth.utils import parse_auth_header

from builder.errors import FetchError
from builder.fetch.mirrors import without_credentials

logging.getLogger("oras.logger").addHandler(logging.NullHandler())  # what matters is said as an error of ours


class Tokens(TokenAuth):  # type: ignore[misc] # oras has no types
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
