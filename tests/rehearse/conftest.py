"""The smallest bundle, as tests/shell has it."""

from tests.shell.conftest import bundle

__all__ = ["bundle"]
