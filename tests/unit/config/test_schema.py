"""One source: the schema that editors use, the page in docs/ and the checks are in step."""

from __future__ import annotations

import subprocess
import sys

import jsonschema
import pytest
import yaml

from builder.config.load import starter_text
from builder.config.schema import json_schema, known_keys
from tests.kit import ROOT
from tests.unit.config.cases import SHAPES, good, load, problems_of

GOOD = {
    "starter": starter_text(),
    "three-node": (ROOT / "examples/three-node/cluster.yaml").read_text(),
    "base": yaml.safe_dump(good()),
}


def validator():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_what_the_checks_take_the_schema_takes(text):
    assert load(text).cluster.nodes
    assert [error.message for error in validator().iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case.name)
def test_what_is_misshapen_both_refuse(case):
    document = case.document()
    assert problems_of(document)
    assert list(validator().iter_errors(document)), "the schema takes what the checks refuse"


def test_the_reference_page_is_made_from_the_schema():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/reference", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_field_has_a_description():
    def walk(place, path):
        for key, about in place.get("properties", {}).items():
            assert about.get("description") or "$ref" in about, (path, key)
        for name, inner in place.get("$defs", {}).items():
            walk(inner, name)

    walk(json_schema(), "")


def test_known_keys_follow_lists_and_optional_fields():
    assert "podSubnet" in known_keys(("spec", "nodes", 3))
    assert "passphraseEnv" in known_keys(("spec", "pki", "clusterCA"))
    assert known_keys(("spec", "kubelet", "anything")) == []
