"""What a rehearsal found, for people and for machines: report.json, junit.xml, and each node's logs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from builder.errors import BundlerError
from builder.rehearse import parts
from builder.rehearse.parts import Part

Result = Literal["passed", "failed", "skipped"]

LOGS = {
    "journal.log": "journalctl --no-pager --output=short-precise",
    "install.log": "cat /var/log/bundler/install.log",
    "iptables.txt": "iptables-save",
    "routes.txt": "ip -4 route",
    "units.txt": "systemctl list-units --all --no-pager --plain",
}
"""What is fetched from each guest at the end: file -> command."""


@dataclass(frozen=True)
class Played:
    """How a scenario ended; `message` says what was wrong, or why it was left out."""

    name: str
    summary: str
    result: Result
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Report:
    """The whole of a rehearsal.

    `parts` are the programs and images of the bundles; `trees` are the paths of each node that are not as its MANIFEST
    says.
    """

    cluster: str
    kubernetes: str
    bundler: str
    started: str
    seconds: float
    machine: str
    scenarios: tuple[Played, ...]
    stages: Mapping[str, str]
    timings: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    trees: Mapping[str, Sequence[str]] | None = None

    @property
    def good(self) -> bool:
        """Whether no scenario failed, and at least one was played."""
        results = {item.result for item in self.scenarios}
        return "failed" not in results and "passed" in results

    def as_dict(self) -> dict[str, Any]:
        """The same for report.json."""
        return {"format": 1, "good": self.good, **asdict(self)}


def clear(folder: Path) -> None:
    """Make the folder, or empty it of an earlier report. Raises BundlerError when something else lies there."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "report.json").is_file():
            raise BundlerError(f"{folder}: holds files that are no report", "give another --report folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # from now on it is ours to empty, also after a run that was killed
    (folder / "report.json").write_text("{}\n")


def write(folder: Path, report: Report) -> None:
    """report.json and junit.xml; the logs are there already."""
    (folder / "report.json").write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    (folder / "junit.xml").write_bytes(junit(report))


def junit(report: Report) -> bytes:
    """The scenarios as a JUnit test suite, as CI systems read it."""
    count = {result: sum(item.result == result for item in report.scenarios) for result in ("failed", "skipped")}
    suite = ET.Element(
        "testsuite",
        name=f"bundler rehearse {report.cluster}",
        tests=str(len(report.scenarios)),
        failures=str(count["failed"]),
        skipped=str(count["skipped"]),
        errors="0",
        time=f"{report.seconds:.1f}",
        timestamp=report.started,
    )
    for item in report.scenarios:
        case = ET.SubElement(suite, "testcase", classname=report.cluster, name=item.name, time=f"{item.seconds:.1f}")
        if item.result != "passed":
            tag = "failure" if item.result == "failed" else "skipped"
            ET.SubElement(case, tag, message=_xml(item.message)).text = _xml(item.message)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite) + b"\n"


def _xml(text: str) -> str:
    """Without the control characters that XML 1.0 has no place for."""
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n")


def table(report: Report) -> str:
    """The end of a run, for people."""
    lines = [f"{'SCENARIO':12}  {'RESULT':7}  {'SECONDS':>7}"]
    lines += [
        f"{item.name:12}  {item.result:7}  {item.seconds:7.0f}  {item.message}".rstrip() for item in report.scenarios
    ]
    lines.append("")
    lines.append(f"{'NODE':20}  {'STAGE':10}  SECONDS IN EACH STAGE")
    for node, stage in report.stages.items():
        spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in report.timings[node].items() if seconds >= 1)
        lines.append(f"{node:20}  {stage:10}  {spent}".rstrip())
    lines += [f"note: {note}" for note in report.notes]
    lines += parts.lines(report.parts)
    return "\n".join(lines)


def keep_console(console: Path, folder: Path) -> None:
    """The serial console's log into a node's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        shutil.copy(console, folder / "console.log")
