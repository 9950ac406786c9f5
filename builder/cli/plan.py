"""`bundler plan`: what a build would make, as a table or for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
import yaml

from builder.build import prepare
from builder.cli.options import project_options
from builder.overview import overview
from builder.project import Project


@click.command()
@project_options(fetching=False)
@click.option(
    "-o", "--format", "form", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
def plan(project: Project, form: str) -> None:
    """Show nodes, subnets, components, versions, sizes and certificate windows; fetch and write nothing."""
    seen = overview(prepare(project))
    if form == "json":
        click.echo(json.dumps(seen, indent=2))
    elif form == "yaml":
        click.echo(yaml.safe_dump(seen, sort_keys=False), nl=False)
    else:
        click.echo(_tables(seen))


def _tables(seen: dict[str, Any]) -> str:
    cluster = f"cluster {seen['cluster']}: Kubernetes {seen['kubernetes']}, join by {seen['join']}"
    nodes = [
        (node["name"], node["address"], node["arch"], ",".join(node["roles"]), node["podSubnet"] or "-")
        for node in seen["nodes"]
    ]
    artifacts = [
        (item["component"], item["version"], item["arch"], _megabytes(item["size"]), item["pinned"])
        for item in seen["artifacts"]
    ]
    certificates = [
        (item["id"], item["commonName"], item["notBefore"], item["notAfter"], item["state"])
        for item in seen["certificates"]
    ]
    return "\n\n".join(
        (
            cluster,
            _columns(("NODE", "ADDRESS", "ARCH", "ROLES", "POD SUBNET"), nodes),
            _columns(("COMPONENT", "VERSION", "ARCH", "SIZE", "DIGEST"), artifacts),
            _columns(("CERTIFICATE", "COMMON NAME", "NOT BEFORE", "NOT AFTER", "STATE"), certificates),
        )
    )


def _megabytes(size: int | None) -> str:
    return "not fetched" if size is None else f"{size / 1e6:.1f} MB"


def _columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in (titles, *rows))
    return "\n".join(line.rstrip() for line in lines)
