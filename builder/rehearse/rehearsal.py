"""The rehearsal from cluster.yaml to the report: build, guests up, scenarios, logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder import __version__
from builder.build import Prepared, build, prepare
from builder.errors import BundlerError
from builder.events import Sink, Step
from builder.model.cluster import Cluster, Node
from builder.project import Project
from builder.rehearse import machine
from builder.rehearse.host import Host
from builder.rehearse.parts import parts
from builder.rehearse.play import play
from builder.rehearse.progress import Watch
from builder.rehearse.report import LOGS, Played, Report, clear, keep_console, write
from builder.rehearse.scenarios import Scenario
from builder.rehearse.tree import differences
from builder.rehearse.venue import Venue, Wanted, venue


@dataclass(frozen=True)
class Options:
    """What the command line says; see Wanted. No `nodes`: all."""

    scenarios: Sequence[Scenario]
    report: Path
    nodes: tuple[str, ...] = ()
    image: Path | None = None
    accel: machine.Accel = "auto"
    memory: int = 2048
    keep: bool = False
    image_access: machine.Access = "cloud-init"
    power_cuts: int = 2
    earlier: Path | None = None


def rehearse(project: Project, options: Options, watch: Watch) -> Report:
    """Build, boot, play, report. Raises BundlerError when it does not come as far as the first scenario."""
    began = time.monotonic()
    prepared = prepare(project)
    cluster = prepared.cluster
    nodes = chosen_nodes(cluster, options.nodes)
    if options.earlier:
        require_bundles(options.earlier, nodes, project.dist / cluster.name)
    machine.require(options.image_access if options.image else None)
    clear(options.report)
    dist = build(project).folder
    wanted = Wanted(
        cluster=cluster,
        nodes=nodes,
        dist=dist,
        cache=project.cache,
        image=options.image,
        accel=options.accel,
        memory=options.memory,
        image_access=options.image_access,
        power_cuts=options.power_cuts,
        earlier=options.earlier,
    )
    with venue(wanted, project.sink, watch) as place:
        played = play(place.site, options.scenarios, project.sink)
        report = reported(place, prepared, played, options.report, project.now, time.monotonic() - began)
        if options.keep:
            place.kept = True
            _say_how_to_enter(place, project.sink)
    return report


def reported(
    place: Venue, prepared: Prepared, played: Sequence[Played], folder: Path, started: datetime, seconds: float
) -> Report:
    """What was played, written to the folder together with the guests' logs."""
    trees = _gather(place, folder)
    report = Report(
        cluster=prepared.cluster.name,
        kubernetes=prepared.cluster.kubernetes,
        bundler=__version__,
        started=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        seconds=round(seconds, 1),
        machine=place.machine,
        scenarios=tuple(played),
        stages=place.site.board.stages(),
        timings=place.site.board.timings(),
        notes=tuple(dict.fromkeys(place.site.notes)),
        parts=parts(prepared, set(place.guests)),
        trees=trees,
    )
    write(folder, report)
    return report


def chosen_nodes(cluster: Cluster, names: Sequence[str]) -> list[Node]:
    """The nodes of these names, or all. Raises MachineError for a name that is none, and for what QEMU here is not."""
    unknown = sorted(set(names) - {node.name for node in cluster.nodes})
    if unknown:
        raise machine.MachineError(f"--node: the cluster has no node {', '.join(unknown)}")
    nodes = [node for node in cluster.nodes if not names or node.name in names]
    foreign = [node.name for node in nodes if node.arch != "amd64"]
    if foreign:
        raise machine.MachineError(f"only amd64 nodes can be rehearsed yet, not {', '.join(foreign)}", "use --node")
    return nodes


def require_bundles(folder: Path, nodes: Sequence[Node], built: Path) -> None:
    """Raises MachineError for a node that has no bundle there, and for the folder that the build is going to write."""
    if folder.resolve() == built.resolve():
        raise machine.MachineError(
            f"--from: {folder} is where the new bundles are built, over those of before",
            "give the folder that you kept those in, or build elsewhere with --output",
        )
    missing = [f"{node.name}.tar.gz" for node in nodes if not (folder / f"{node.name}.tar.gz").is_file()]
    if missing:
        raise machine.MachineError(
            f"--from: {folder} has no {', '.join(missing)}",
            "give the folder of the bundles that the hosts have now, or use --node",
        )


def _gather(place: Venue, folder: Path) -> dict[str, list[str]]:
    """Logs of every guest, and how its tree stands to MANIFEST; what a guest cannot give is left out."""
    trees: dict[str, list[str]] = {}

    def one(host: Host) -> None:
        guest = place.guests[host.name]
        own = folder / "nodes" / host.name
        own.mkdir(parents=True, exist_ok=True)
        keep_console(guest.place.console, own)
        for name, command in LOGS.items():
            guest.fetch(command, own / name)
        if host.name in place.site.installed:
            trees[host.name] = differences(host)

    with suppress(BundlerError):
        place.site.each(one)
    return trees


def _say_how_to_enter(place: Venue, sink: Sink) -> None:
    for guest in place.guests.values():
        sink(Step(f"{guest.name} runs on: {' '.join(guest.ssh_command())}"))
    name = place.network.namespace
    sink(Step(f"to end it: ip netns pids {name} | xargs kill; ip netns del {name}; rm -r {place.folder}"))
