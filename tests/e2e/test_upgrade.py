"""A host from bare to bare: installed, upgraded, back and forward again, uninstalled, purged; by `bundler rehearse`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builder.build import build
from tests.e2e.conftest import REPORTS, Real, played_by, tell
from tests.e2e.parts import ONE, as_given, given, mirror

pytestmark = pytest.mark.whole
LEFT = "    - name: k8s-node1\n      address: 10.1.1.120\n      roles: [worker]\n"
"""A node of the time before: it has left since."""


def as_before(text):
    """The cluster file of an earlier time: other units and files than now, and one more route and name in /etc/hosts."""
    for old, new in (
        ("leaderLease: 60", "leaderLease: 90"),
        ("election: 5000}", "election: 5000, quota: 1024}\n  kubelet: {maxPods: 60}"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text + LEFT


@pytest.fixture(scope="module")
def told(real, tmp_path_factory):
    """The report of the command as a user runs it."""
    folder, found = tmp_path_factory.mktemp("upgrade"), given()
    cluster = as_given(folder, ONE, found)
    (folder / "before.yaml").write_text(as_before(cluster.read_text()))
    with mirror(folder, folder / "before.yaml", found) as options:
        now = Real(folder, options, cluster)
        earlier = replace(now.project(tell), text=(folder / "before.yaml").read_bytes(), dist=folder / "installed")
        words = ("--from", build(earlier).folder, "--scenario", "upgrade", "--scenario", "uninstall")
        report = REPORTS / "upgrade"
        return played_by(now.rehearse(folder, *words, "--report", report), report)


@pytest.mark.parametrize("name", ["upgrade", "uninstall"])
def test_the_host_comes_through_it_and_is_bare_again(told, name):
    assert told[name]["result"] == "passed", told[name]["message"]
