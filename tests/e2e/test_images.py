"""The user's own image, with cloud-init and without: the same host as ours, and the file stays as it was."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from builder.build import build, prepare
from builder.cli.nodes import nodes_shown
from builder.fetch.store import digest_of
from builder.rehearse.play import play
from builder.rehearse.scenarios import chosen
from builder.rehearse.steps import ready_nodes, wait_for_cluster
from builder.rehearse.venue import Wanted, venue
from tests.e2e.conftest import Real, left_since, tell, traces
from tests.e2e.images import cloud_image
from tests.e2e.parts import ONE, as_given, given, mirror

OTHER = "    - name: k8s-node1\n      address: 10.1.1.120\n      roles: [worker]\n"


@pytest.fixture(scope="module")
def one(real, tmp_path_factory):
    """one-node.yaml, and a worker that is not here but whose bundle can be mistaken for the node's."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "with-other.yaml").write_text(ONE.read_text() + OTHER)
    found = given()
    cluster = as_given(folder, folder / "with-other.yaml", found)
    with mirror(folder, cluster, found) as options:
        yield Real(folder, options, cluster)


@pytest.mark.whole
@pytest.mark.parametrize("access", ["cloud-init", "ssh-key"])
def test_a_given_image_is_installed_on_and_is_as_it_was(one, access):
    image = cloud_image(cloud_init=access == "cloud-init")
    before, digest = traces(), digest_of(image, "sha256")
    project = replace(one.project(tell), dist=one.folder / f"dist-{access}", state=one.folder / f"state-{access}")
    cluster = prepare(project).cluster
    wanted = Wanted(cluster, cluster.nodes[:1], build(project).folder, project.cache, image=image, image_access=access)
    with nodes_shown(tell, sys.stdout) as watch, venue(wanted, tell, watch) as place:
        played = play(place.site, chosen(("wrong-host", "install")), tell)
        assert [item.result for item in played] == ["passed", "passed"], played
        wait_for_cluster(place.site)
        assert ready_nodes(place.site) == {"k8s-master1"}
        (done,) = play(place.site, chosen(("rerun",)), tell)
        assert done.result == "passed", done.message
    assert digest_of(image, "sha256") == digest
    assert not left_since(before)
