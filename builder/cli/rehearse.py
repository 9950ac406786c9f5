"""`bundler rehearse`: install the bundles in virtual machines before they go to a place without network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from builder.cli.nodes import nodes_shown
from builder.cli.options import project_options
from builder.project import Project


@click.command()
@project_options(fetching=True, building=True)
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="Only this node. Repeatable.")
@click.option(
    "--from",
    "earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The bundles that the hosts have now: the new ones are installed over them.",
)
@click.option("--scenario", "scenarios", multiple=True, metavar="NAME", help="What to play, or all. Repeatable.")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own cloud image (qcow2 or raw)  [default: Debian 12, made here]",
)
@click.option(
    "--image-access",
    type=click.Choice(["cloud-init", "ssh-key"]),
    default="cloud-init",
    show_default=True,
    help="Tell your image its name, address and key by cloud-init, or put them into a copy of it.",
)
@click.option("--accel", type=click.Choice(["auto", "kvm", "tcg"]), default="auto", show_default=True)
@click.option("--memory", type=click.IntRange(512), default=2048, show_default=True, help="MiB for each machine.")
@click.option(
    "--power-cuts",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How often each machine's power fails in the scenario power-cut.",
)
@click.option("--keep", is_flag=True, help="Leave the machines running, and say how to log in.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the report  [default: rehearsal/<cluster>]",
)
def rehearse(project: Project, report: Path | None, scenarios: tuple[str, ...], **options: Any) -> None:
    """Build the bundles, boot a virtual machine per node with no way out, and install each as a person would.

    Without --scenario: install, rerun, pods; with --from: upgrade, rerun, pods. Exit code: 0 all passed, 1 a scenario
    failed, 2 this machine cannot.
    """
    from builder.build import prepare  # noqa: PLC0415 - no other verb needs any of this
    from builder.rehearse.rehearsal import Options  # noqa: PLC0415
    from builder.rehearse.rehearsal import rehearse as rehearse_bundles  # noqa: PLC0415
    from builder.rehearse.report import table  # noqa: PLC0415
    from builder.rehearse.scenarios import DEFAULT, DEFAULT_FROM, chosen  # noqa: PLC0415

    if options["image_access"] == "ssh-key" and not options["image"]:
        raise click.UsageError("--image-access ssh-key is for an --image of your own")
    if "upgrade" in scenarios and not options["earlier"]:
        raise click.UsageError("--scenario upgrade needs the bundles that the hosts have now: --from DIR")
    wanted = chosen(scenarios, DEFAULT_FROM if options["earlier"] else DEFAULT)
    folder = (report or Path("rehearsal") / prepare(project).cluster.name).absolute()
    with nodes_shown(project.sink, sys.stderr) as watch:
        done = rehearse_bundles(project, Options(wanted, folder, **options), watch)
    click.echo(f"\n{table(done)}\nreport: {folder}")
    if not done.good:
        raise click.exceptions.Exit(1)
