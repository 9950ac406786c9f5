"""What the command line of `bundler rehearse` refuses before anything is done."""

from __future__ import annotations

from click.testing import CliRunner

from builder.cli import main
from tests.kit import ROOT

EXAMPLE = str(ROOT / "examples" / "three-node" / "cluster.yaml")


def test_a_key_is_put_only_into_an_image_that_is_given():
    done = CliRunner().invoke(main, ["rehearse", EXAMPLE, "--image-access", "ssh-key"])
    assert done.exit_code == 2
    assert "--image-access ssh-key is for an --image of your own" in done.output
