"""Overlays: what a template runs into is one sentence with its file and line, and never a value."""

from __future__ import annotations

import pytest

from builder.errors import RenderError
from builder.model.overlay import OverlaySource
from builder.model.plan import KeyPair
from builder.plan.nodes import plan_nodes
from builder.plan.subnets import allocate
from builder.render.overlays import load_overlays
from builder.render.templates import environment, render
from tests.kit import ROOT, cluster

PLAN = plan_nodes(cluster(), {}, {}, allocate(cluster(), {}))[0]


def rendered(text, *, block=False):
    source = OverlaySource("/etc/x", "overlays/x/etc/x.j2", text, template=True, block=block)
    pairs = {"kubelet": KeyPair("CERT", "hunter2")}
    return render(environment([ROOT / "overlays"]), source, PLAN, {"cluster": "CA"}, pairs)


def test_a_template_sees_cluster_node_plan_ca_and_certs():
    text = "{{ cluster.name }} {{ node.name }} {{ plan.pod_subnet }} {{ ca.cluster }} {{ certs.kubelet.key }}\n"
    assert rendered(text) == b"three-node k8s-master1 172.7.100.0/24 CA hunter2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{% if %}", "x.j2:2: Expected an expression"),
        ("a\n\n{{ nothing }}", "x.j2:3: 'nothing' is undefined; use a name that the plan has"),
        ("{{ node.nme }}", "x.j2:1: "),
        ("a\n{{ 1 / 0 }}", "x.j2:2: ZeroDivisionError while rendering"),
        ("{{ [].pop() }}", "x.j2:1: IndexError while rendering"),
        ("{{ certs.kubelet.key + 1 }}", "x.j2:1: TypeError while rendering"),
        ("{{ certs.kubelet.key | int(x=1) }}", "x.j2:1: TypeError while rendering"),
        ("{{ {}[certs.kubelet.key] }}", "x.j2:1: an unknown name; use a name"),
        ("{% from 'none.j2' import x %}", "x.j2:1: TemplateNotFound while rendering"),
        ("{{ 'a b' | env }}", "x.j2:1: a value with spaces"),
    ],
)
def test_what_goes_wrong_is_told_with_its_line_and_without_a_secret(text, said):
    with pytest.raises(RenderError) as failed:
        rendered(text)
    assert said in str(failed.value)
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("text", ["no newline", "a\n# END bundler x\n", "# BEGIN bundler x\n"])
def test_a_block_that_would_confuse_the_installer_is_refused(text):
    with pytest.raises(RenderError, match="a block ends in a newline and holds no marker lines"):
        rendered(text, block=True)


@pytest.mark.parametrize("name", ["a b", "x\ny", ".hidden", "é"])
def test_a_name_that_no_manifest_can_hold_is_refused(tmp_path, name):
    (tmp_path / "comp").mkdir()
    (tmp_path / "comp" / name).write_text("")
    with pytest.raises(RenderError, match="not a path for a host"):
        load_overlays(tmp_path)


def test_endings_say_what_a_file_is(tmp_path):
    (tmp_path / "comp" / "etc").mkdir(parents=True)
    for name in ("plain", "made.j2", "hosts.block", "both.block.j2"):
        (tmp_path / "comp" / "etc" / name).write_text("x\n")
    found = {path: (item.template, item.block) for path, item in load_overlays(tmp_path)["comp"].items()}
    assert found == {
        "/etc/plain": (False, False),
        "/etc/made": (True, False),
        "/etc/hosts": (False, True),
        "/etc/both": (True, True),
    }


def test_later_folders_replace_file_by_file(tmp_path):
    for folder, files in (("a", ("x", "y")), ("b", ("y", "z"))):
        (tmp_path / folder / "comp").mkdir(parents=True)
        for name in files:
            (tmp_path / folder / "comp" / name).write_text(folder)
    found = load_overlays(tmp_path / "a", tmp_path / "b")["comp"]
    assert {path: item.text for path, item in found.items()} == {"/x": "a", "/y": "b", "/z": "b"}
