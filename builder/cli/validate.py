"""`bundler validate` checks a cluster file; `bundler schema` prints its JSON Schema."""

from __future__ import annotations

import json

import click

from builder.build import prepare
from builder.cli.options import project_options
from builder.config.schema import json_schema
from builder.errors import InputError
from builder.project import Project


@click.command()
@project_options(fetching=False)
@click.option("-o", "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def validate(project: Project, form: str) -> None:
    """Check a cluster file and everything that it names; list all problems. Exit 2 when there are any."""
    try:
        prepared = prepare(project)
    except InputError as error:
        if form == "text":
            raise
        click.echo(json.dumps([problem.as_dict() for problem in error.problems], indent=2))
        raise click.exceptions.Exit(error.exit_code) from error
    if form == "json":
        click.echo("[]")
    else:
        count = len(prepared.plans)
        click.echo(f"{project.file}: good; {count} node{'s' if count != 1 else ''}")


@click.command()
def schema() -> None:
    """Print the JSON Schema of cluster.yaml, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))
