"""The report for people, machines and CI."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from builder.errors import BundlerError
from builder.rehearse.parts import Part
from builder.rehearse.progress import Board
from builder.rehearse.report import Played, Report, clear, table, write

PARTS = (
    Part("kubelet", "v1.24.0", "program", "https://k/kubelet", "upstream"),
    Part("pause", "3.7", "image", "docker://k/pause:3.7", "upstream"),
    Part("flannel", "v0.17.0", "program", "https://f/flannel.tgz", "first-download"),
    Part("crictl", "v1.24.0", "program", "https://c/crictl.tgz", "other-recipe", "STAND-IN"),
)


def report(*results):
    played = tuple(Played(f"s{n}", "shows", result, 1.5, "bad <thing>\x00") for n, result in enumerate(results))
    timings = {"n1": {"booting": 20.0, "copying": 0.2}}
    stages, notes = {"n1": "Ready"}, ("a note",)
    return Report("c", "v1", "0", "2026-11-25T00:00:00Z", 9.0, "tcg", played, stages, timings, notes, PARTS)


def test_good_is_some_passed_and_none_failed():
    assert report("passed", "skipped").good
    assert not report("passed", "failed").good
    assert not report("skipped").good
    assert not report().good


def test_json_and_junit_say_the_same(tmp_path):
    write(tmp_path, report("passed", "failed", "skipped"))
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["good"] is False
    assert [item["result"] for item in told["scenarios"]] == ["passed", "failed", "skipped"]
    assert [(item["name"], item["known"]) for item in told["parts"]] == [(part.name, part.known) for part in PARTS]
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"]]
    assert suite[1][0].get("message") == "bad <thing>"


def test_the_table_names_scenarios_nodes_and_stand_ins():
    said = table(report("passed", "failed"))
    assert "s1            failed" in said
    assert "booting 20" in said
    assert "copying" not in said
    assert "upstream's own, by the digests that bundler ships: kubelet v1.24.0, pause 3.7\n" in said
    assert "nobody publishes a digest: flannel v0.17.0\n" in said
    assert "NOT UPSTREAM'S, as far as bundler knows: crictl v1.24.0: STAND-IN" in said


def test_an_earlier_report_is_replaced_and_nothing_else(tmp_path):
    clear(tmp_path / "new")
    write(tmp_path / "new", report("passed"))
    (tmp_path / "new" / "nodes").mkdir()
    clear(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(BundlerError, match="no report"):
        clear(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_the_board_counts_seconds_by_stage_and_tells_each_once():
    now = iter((0.0, 5.0, 7.0))
    told = []
    board = Board(("n1",), told.append, clock=lambda: next(now))
    board.enter("n1", "booting")
    board.enter("n1", "booting")
    board.enter("n1", "Ready")
    assert [(entered.stage, entered.seconds) for entered in told] == [("booting", 5.0), ("Ready", 2.0)]
    assert board.timings() == {"n1": {"waiting": 5.0, "booting": 2.0}}
    assert board.stages() == {"n1": "Ready"}
