"""The options that verbs share, and the Project that they make."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from builder.cli.progress import sink_for_terminal
from builder.errors import BundlerError, InputError, Problem
from builder.fetch.mirrors import parse_image_mirror, parse_mirror
from builder.pack.tar import DEFAULT_EPOCH
from builder.project import Project

_FOLDER = click.Path(file_okay=False, path_type=Path)


def cluster_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """The CLUSTER argument: a file, `-` for standard input, `cluster.yaml` when left out."""
    return click.argument("cluster", default="cluster.yaml", metavar="[CLUSTER.YAML]")(command)


_PROJECT_OPTIONS = (
    click.option("--state", type=_FOLDER, help="Folder for keys and allocations  [default: state/ beside the file]"),
    click.option(
        "--lock",
        "lock_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Lock file  [default: bundler.lock beside the file]",
    ),
    click.option("--cache", type=_FOLDER, help="Artifact store  [default: $XDG_CACHE_HOME/bundler]"),
    click.option("--recipes", multiple=True, type=_FOLDER, help="More recipes; they extend or override. Repeatable."),
    click.option("--overlays", multiple=True, type=_FOLDER, help="More overlays; they extend or override. Repeatable."),
)

_FETCH_OPTIONS = (
    click.option("--mirror", help="URL prefix or folder that holds HOST/PATH of every upstream  [env: BUNDLER_MIRROR]"),
    click.option(
        "--image-mirror", help="Registry that holds REGISTRY/PATH of every image  [env: BUNDLER_IMAGE_MIRROR]"
    ),
    click.option("--offline", is_flag=True, help="Use the store alone; list everything that it lacks."),
    click.option("--require-digests", is_flag=True, help="Refuse what neither a recipe nor the lock pins."),
    click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Downloads at a time."),
)


_BUILD_OPTIONS = (
    click.option(
        "--output", default="dist", show_default=True, type=_FOLDER, help="Folder that gets a folder per cluster."
    ),
    click.option("--allow-subnet-change", is_flag=True, help="Let a node move to another pod subnet."),
)


def project_options(*, fetching: bool, building: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb a `project` argument, made from the shared options."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(*, cluster: str, **options: Any) -> Any:
            return command(project=make_project(cluster, options, os.environ), **options)

        wanted = (*_PROJECT_OPTIONS, *(_FETCH_OPTIONS if fetching else ()), *(_BUILD_OPTIONS if building else ()))
        for option in reversed(wanted):
            wrapped = option(wrapped)
        return cluster_file(wrapped)

    return decorate


def make_project(cluster: str, options: dict[str, Any], environ: Mapping[str, str]) -> Project:
    """The project that the command line means; takes its own options out of `options`.

    Raises InputError when the cluster file cannot be read or SOURCE_DATE_EPOCH is not a time.
    """
    name, text, base = read_cluster_file(cluster)
    mirror = options.pop("mirror", None) or environ.get("BUNDLER_MIRROR")
    image_mirror = options.pop("image_mirror", None) or environ.get("BUNDLER_IMAGE_MIRROR")
    return Project(
        file=name,
        text=text,
        base=base,
        state=(options.pop("state", None) or base / "state").absolute(),
        lock=(options.pop("lock_file", None) or base / "bundler.lock").absolute(),
        cache=(options.pop("cache", None) or cache_folder(environ)).absolute(),
        dist=Path(options.pop("output", None) or "dist").absolute(),
        now=datetime.now(timezone.utc).replace(microsecond=0),
        environ=environ,
        recipes=_existing(options.pop("recipes", ())),
        overlays=_existing(options.pop("overlays", ())),
        mirrors={
            **(parse_mirror(mirror) if mirror else {}),
            **(parse_image_mirror(image_mirror) if image_mirror else {}),
        },
        offline=options.pop("offline", False),
        require_digests=options.pop("require_digests", False),
        allow_subnet_change=options.pop("allow_subnet_change", False),
        sign_key=options.pop("sign_key", None),
        jobs=options.pop("jobs", 4),
        epoch=source_date_epoch(environ),
        sink=sink_for_terminal(sys.stderr, environ),
    )


def read_cluster_file(cluster: str) -> tuple[str, bytes, Path]:
    """What messages call the file, its bytes, and the folder that relative paths in it start from."""
    if cluster == "-":
        return "<stdin>", sys.stdin.buffer.read(), Path.cwd()
    path = Path(cluster)
    try:
        return cluster, path.read_bytes(), path.absolute().parent
    except OSError as error:
        remedy = "write one with `bundler init`" if isinstance(error, FileNotFoundError) else ""
        problem = Problem(cluster, 0, 0, "", f"cannot be read ({error.strerror})", remedy)
        raise InputError([problem]) from error


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The store's place by the XDG base directory specification."""
    base = environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "bundler"
    except RuntimeError as error:
        raise BundlerError("there is no home folder for the store", "set HOME, or give --cache") from error


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """The time of files in bundles: SOURCE_DATE_EPOCH (seconds), or the built-in one."""
    text = environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return DEFAULT_EPOCH
    if not (text.isascii() and text.isdigit() and int(text) < 2**33):
        problem = Problem("SOURCE_DATE_EPOCH", 0, 0, "", "not a time", "give whole seconds since 1970, or unset it")
        raise InputError([problem])
    return int(text)


def _existing(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    for folder in folders:
        if not folder.is_dir():
            raise BundlerError(f"{folder}: no such folder", "give a folder that is there")
    return folders
