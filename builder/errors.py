"""What can go wrong, as data: a Problem points at a place; an error carries problems and an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in what a user wrote, and what would be right.

    `line` and `column` count from 1; 0 means that the place is not a line of a file.
    """

    file: str
    line: int
    column: int
    field: str
    wrong: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f"{place}: {self.field}" if self.field else place
        return f"{subject}: {self.wrong}; {self.remedy}" if self.remedy else f"{subject}: {self.wrong}"

    def as_dict(self) -> dict[str, str | int]:
        """The problem for machines (`-o json`)."""
        return asdict(self)


class BundlerError(Exception):
    """Something failed that the user can act on; `remedy` says how. The CLI exits with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class InputError(BundlerError):
    """Bad input: every problem found, sorted by place. Nothing was written. Exit code 2."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
        self.summary = f"{count} problem{'s' if count != 1 else ''}; nothing was written."


class FetchError(BundlerError):
    """An artifact could not be had, or was not what its digest says."""


class MissingError(FetchError):
    """An offline build lacks artifacts: all of them, by URL."""


class LockError(BundlerError):
    """The lock file disagrees with a recipe, or cannot be read."""

    exit_code = 2


class ArchiveError(BundlerError):
    """An archive from outside is hostile, damaged, or lacks a member that a recipe names."""


class PkiError(BundlerError):
    """A key or certificate that was given cannot be used; `field` is the one of cluster.yaml that gave it."""

    exit_code = 2

    def __init__(self, message: str, remedy: str = "", field: str = "spec.pki") -> None:
        super().__init__(message, remedy)
        self.field = field


class PlanError(BundlerError):
    """The cluster, its recipes and its overlays do not make a plan."""

    exit_code = 2


class StateError(BundlerError):
    """The state folder cannot be used as it is."""


class BundleError(BundlerError):
    """A bundle is damaged, altered, or not a bundle."""


class RenderError(BundlerError):
    """An overlay could not be rendered, or a value has no safe form in the file's language."""

    exit_code = 2
