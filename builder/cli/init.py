"""`bundler init`: a commented starter file."""

from __future__ import annotations

from pathlib import Path

import click

from builder.config.load import starter_text
from builder.errors import BundlerError


@click.command()
@click.argument("file", default="cluster.yaml", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(file: Path, force: bool) -> None:
    """Write a commented cluster.yaml to start from."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(starter_text())
    except FileExistsError as error:
        raise BundlerError(f"{file}: is there already", "give another name, or --force") from error
    click.echo(f"Wrote {file}. Edit it, then: bundler validate {file} && bundler build {file}")
