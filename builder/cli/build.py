"""`bundler build`: the main job."""

from __future__ import annotations

from pathlib import Path

import click

from builder.build import build as build_bundles
from builder.cli.options import project_options
from builder.project import Project


@click.command()
@project_options(fetching=True, building=True)
@click.option(
    "--sign-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sign each bundle with this ECDSA P-256 key (PEM).",
)
def build(project: Project) -> None:
    """Build one tarball per node into dist/<cluster>/."""
    dist = build_bundles(project)
    count = len(dist.bundles)
    click.echo(f"{count} bundle{'s' if count != 1 else ''} in {dist.folder}")
    for item in dist.bundles:
        click.echo(f"  {item.file}  {item.size / 1e6:.1f} MB  sha256:{item.sha256}")
    click.echo("On each host: tar xzf NODE.tar.gz && cd NODE && ./install.sh --dry-run && ./install.sh")
