"""`${NAME}` and `${NAME:-default}` from the environment, put into texts after the YAML was read."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


class UnsetVariable(Exception):  # noqa: N818 - reads as what it is
    """A variable without a value and without a default."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Variables:
    """The environment. A variable that is empty counts as unset for `:-`, as in a shell."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def put_in(self, text: str) -> tuple[str, bool]:
        """The text with its variables' values, and whether there were any; `$${` stands for `${`.

        Raises UnsetVariable, or ValueError for a `${` that no `}` ends.
        """
        changed = False

        def value(match: re.Match[str]) -> str:
            nonlocal changed
            if match[0] == "$${":
                return "${"
            if match[1] is None:
                raise ValueError("a ${ that names no variable")
            changed = True
            found = self._environ.get(match[1], "")
            if not found and match[2] is None and match[1] not in self._environ:
                raise UnsetVariable(match[1])
            return found or match[2] or ""

        return _VARIABLE.sub(value, text), changed
