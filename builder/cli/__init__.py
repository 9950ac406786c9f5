"""The `bundler` command: global flags, its verbs, and the one place where errors become text and exit codes."""

from __future__ import annotations

import errno
from typing import Any

import click

from builder import __version__
from builder.cli.build import build
from builder.cli.completion import completion
from builder.cli.fetch import fetch, lock
from builder.cli.init import init
from builder.cli.inspect import inspect, verify
from builder.cli.plan import plan
from builder.cli.rehearse import rehearse
from builder.cli.validate import schema, validate
from builder.errors import BundlerError, InputError


class _Failure(click.ClickException):
    """A BundlerError on its way to the terminal."""

    def __init__(self, error: BundlerError) -> None:
        super().__init__(str(error))
        self.exit_code: int = error.exit_code  # type: ignore[misc] # click made it a class variable
        self._error = error

    def show(self, file: Any = None) -> None:
        """Problems stand as they are, so that editors can jump to them; other errors say `bundler:` first."""
        if isinstance(self._error, InputError):
            click.echo(self._error.message, err=True, file=file)
            click.echo(self._error.summary, err=True, file=file)
        else:
            click.echo(f"bundler: {self._error}", err=True, file=file)


class _Commands(click.Group):
    """Turns every error that a user can act on into one message and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except BundlerError as error:
            raise _Failure(error) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of a pipe has enough; click ends quietly
            place = f"{error.filename}: " if error.filename else ""
            raise _Failure(BundlerError(f"{place}{error.strerror or error}")) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bundler", message="%(prog)s %(version)s")
def main() -> None:
    """Make one self-contained tarball per Kubernetes node, for machines that have no network.

    Write a cluster.yaml (`bundler init`), run `bundler build cluster.yaml`, carry each tarball in dist/ to
    its host, unpack it and run ./install.sh there. The host is then the node that the file describes.
    """


for _verb in (init, validate, schema, plan, lock, fetch, build, rehearse, inspect, verify, completion):
    main.add_command(_verb)
