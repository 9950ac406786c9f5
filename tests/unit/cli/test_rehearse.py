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


def test_an_upgrade_is_from_something():
    done = CliRunner().invoke(main, ["rehearse", EXAMPLE, "--scenario", "upgrade"])
    assert done.exit_code == 2
    assert "--scenario upgrade needs the bundles that the hosts have now: --from DIR" in done.output


def test_every_node_has_a_bundle_of_before(tmp_path):
    (tmp_path / "k8s-master1.tar.gz").touch()
    done = CliRunner().invoke(main, ["rehearse", EXAMPLE, "--from", str(tmp_path), "--state", str(tmp_path / "state")])
    assert done.exit_code == 2
    assert f"--from: {tmp_path} has no k8s-node1.tar.gz, k8s-node2.tar.gz" in done.output
    assert not (tmp_path / "state").exists()


def test_the_bundles_of_before_are_not_those_that_are_built(tmp_path):
    (tmp_path / "three-node").mkdir()
    words = ["--from", str(tmp_path / "three-node"), "--output", str(tmp_path), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(main, ["rehearse", EXAMPLE, *words])
    assert done.exit_code == 2
    assert "three-node is where the new bundles are built, over those of before" in done.output
