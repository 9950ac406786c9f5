"""The docs say what is: tests, commands, links and fields that they name are there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.kit import ROOT

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_pitfall_has_a_test_that_exists():
    rows = re.findall(r"^\| (\d+) \|.*\| (\S+)::(\w+) \|$", (ROOT / "docs/pitfalls.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 28))
    for number, file, test in rows:
        candidates = [ROOT / "tests" / file, ROOT / "tests" / "unit" / file]
        found = [path for path in candidates if path.exists()]
        assert found, (number, file)
        assert re.search(rf"^def {test}\(", found[0].read_text(), re.MULTILINE), (number, test)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_command_and_no_other():
    listed = subprocess.run(
        [sys.executable, "-m", "builder", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.partition("Commands:")[2]
    commands = set(re.findall(r"^  (\w+) ", listed, re.MULTILINE))
    named = set(re.findall(r"`bundler (\w+)`", (ROOT / "README.md").read_text()))
    assert named == commands


def test_options_that_the_docs_name_exist():
    known = ""
    for verb in ("build", "plan", "validate", "fetch", "lock", "init", "inspect"):
        command = [sys.executable, "-m", "builder", verb, "--help"]
        known += subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for page in DOCS:
        for line in re.findall(r"^.*\bbundler (?:build|plan|fetch|lock|validate)\b.*$", page.read_text(), re.MULTILINE):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line.partition("bundler")[2]):
                assert option in known, (page, option)
