"""`bundler fetch` fills the store; `bundler lock` pins what no recipe pins."""

from __future__ import annotations

import click

from builder.build import fetch as fetch_artifacts
from builder.build import prepare
from builder.cli.options import project_options
from builder.project import Project


@click.command()
@project_options(fetching=True)
def fetch(project: Project) -> None:
    """Download everything that a build needs into the store, and build nothing."""
    fetched = fetch_artifacts(prepare(project))
    size = sum(item.size for item in fetched.values())
    click.echo(f"{len(fetched)} artifacts in the store, {size / 1e6:.1f} MB")


@click.command()
@project_options(fetching=True)
def lock(project: Project) -> None:
    """Record in bundler.lock the digest of every artifact that no recipe pins."""
    prepared = prepare(project)
    fetch_artifacts(prepared)
    unpinned = [artifact for artifact in prepared.artifacts if artifact.digest is None]
    click.echo(f"{len(unpinned)} artifacts are pinned by {project.lock}, the others by their recipes")
