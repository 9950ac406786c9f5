"""Whatever validates, builds; and no value of a cluster.yaml breaks out of shell, YAML, TOML or a unit file."""

from __future__ import annotations

import shlex
import subprocess

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.config.load import load_cluster
from builder.config.recipes import load_recipes
from builder.errors import InputError
from builder.events import ignore
from builder.plan.nodes import plan_nodes
from builder.plan.subnets import allocate
from builder.render.overlays import load_overlays
from builder.render.templates import environment, render
from builder.secrets import gather
from builder.state.folder import StateFolder
from tests.kit import NOW, ROOT

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

RECIPES = load_recipes(ROOT / "recipes")
OVERLAYS = load_overlays(ROOT / "overlays")
TEMPLATES = environment([ROOT / "overlays"])

EVIL = [
    "'; touch /tmp/pwned; '",
    '"\ntouch /tmp/pwned\n"',
    "$(touch /tmp/pwned)",
    "`id`",
    "a b",
    "a\nExecStartPre=/bin/false",
    "x]\n[Service]\nExecStart=/bin/false",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${HOME}",
    "$HOME",
    "%n",
    "é\u2028",
    "\U0001f600",
    "-x",
    "#",
    "\x00",
    "a: b",
    "",
    "..",
    "/etc/passwd",
    "0",
    "null",
]
words = st.one_of(
    st.sampled_from(EVIL), st.text(max_size=20), st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def clusters(draw):
    """A good cluster with some of its fields replaced by anything at all, and some odd but good ones."""
    names = draw(
        st.lists(
            st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True), min_size=1, max_size=3, unique=True
        )
    )
    nodes = [
        {
            "name": name,
            "address": f"10.1.1.{10 + number}",
            "arch": draw(st.sampled_from(["amd64", "arm64"])),
            "labels": draw(
                st.dictionaries(
                    st.from_regex(r"[a-z]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True),
                    st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?)?", fullmatch=True),
                    max_size=2,
                )
            ),
            "kubelet": draw(
                st.sampled_from([{}, {"maxPods": 50}, {"systemReserved": {"cpu": "'"}}, {"providerID": "é'\"\\\n%$"}])
            ),
        }
        for number, name in enumerate(names)
    ]
    document = {
        "apiVersion": "bundler/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": draw(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True))},
        "spec": {
            "kubernetes": {"version": f"v1.24.{draw(st.integers(0, 17))}"},
            "apiServer": {"endpoint": draw(st.sampled_from(["https://10.1.1.100:6443", "https://api.example:443"]))},
            "network": {
                "podCIDR": "172.7.0.0/16",
                "podSubnets": draw(st.sampled_from(["lastOctet", "sequence"])),
                "flannel": {"etcd": {"endpoints": ["https://10.1.1.100:2379"]}},
            },
            "join": draw(
                st.sampled_from(
                    [{"method": "certificate"}, {"method": "bootstrap-token", "token": "abcdef.0123456789abcdef"}]
                )
            ),
            "nodes": nodes,
        },
    }
    for _ in range(draw(st.integers(0, 2))):
        spoil(draw, document)
    return document


def spoil(draw, document):
    """Put anything at all somewhere in the document."""
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and draw(st.booleans()):
            place = place[key]
            continue
        if isinstance(place, dict) and draw(st.integers(0, 4)) == 0:
            place[draw(words)] = draw(values)
        else:
            place[key] = draw(values)
        return


def rendered(cluster, folder):
    plans = plan_nodes(cluster, RECIPES, OVERLAYS, allocate(cluster, {}))
    state = StateFolder(folder)
    with state.locked():
        secrets = gather(plans, state, {}, NOW, ignore)
    for plan in plans:
        for file in plan.overlays:
            yield file.path, render(TEMPLATES, file.source, plan, secrets.authorities, secrets.of_node(plan)).decode()


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return tmp_path_factory


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=clusters())
def test_whatever_validates_builds_and_what_is_built_means_what_was_said(clean, document):
    text = yaml.safe_dump(document, allow_unicode=False)
    try:
        loaded = load_cluster(text, "cluster.yaml", environ={}, base=ROOT, components=RECIPES.keys())
    except InputError as error:
        assert error.problems
        assert all(problem.wrong for problem in error.problems)
        return
    for path, content in rendered(loaded.cluster, clean.mktemp("state")):
        check(path, content, loaded.cluster)


def check(path, content, cluster):
    if path.endswith((".yml", ".yaml", "kubeconfig", ".conflist")):
        assert isinstance(yaml.safe_load(content), dict), path
    elif path.endswith(".toml"):
        loaded = tomllib.loads(content)
        assert loaded["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == cluster.pause_image
    elif path.endswith(".service"):
        sections = [line for line in content.splitlines() if line.startswith("[")]
        assert sections == ["[Unit]", "[Service]", "[Install]"], path
        assert sum(line.startswith("ExecStart=") for line in content.splitlines()) == 1, path
    elif path.endswith(("/reserve-subnet", "/service-route")):
        subprocess.run(["dash", "-n"], input=content, text=True, check=True)
    elif path.endswith("kubelet.conf"):
        assert len(shlex.split(content.replace("\\\n", ""))) == 1
    elif path == "/etc/hosts":
        assert len(content.splitlines()) == len(cluster.nodes)


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_no_bytes_whatever_give_anything_but_a_list_of_problems(text):
    with pytest.raises(InputError):
        load_cluster(text, "cluster.yaml", environ={}, base=ROOT, components=RECIPES.keys())
