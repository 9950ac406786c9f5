from __future__ import annotations

import json
import re

import pytest
import yaml

from builder.config.load import starter_text
from builder.errors import InputError
from builder.model.versions import MINORS, pause_image
from tests.kit import ROOT
from tests.unit.config.cases import RULES, SHAPES, WHOLE, good, load, problems_of, whole


@pytest.mark.parametrize("case", [*SHAPES, *RULES, *WHOLE], ids=lambda case: case.name)
def test_each_mistake_is_one_sentence_with_place_field_and_remedy(case):
    texts = [str(problem) for problem in problems_of(case.document())]
    hit = [text for text in texts if case.said in text]
    assert hit, texts
    assert re.match(r"cluster\.yaml:[1-9]\d*:[1-9]\d*: [A-Za-z.\[\]0-9/_-]+: .+; .+", hit[0]), hit[0]


@pytest.mark.parametrize("case", [*SHAPES, *RULES, *WHOLE], ids=lambda case: case.name)
def test_one_mistake_is_not_said_twice_of_one_place(case):
    places = [(problem.line, problem.column, problem.field) for problem in problems_of(case.document())]
    assert len(places) == len(set(places))


def test_all_problems_come_at_once_sorted_by_place():
    document = good()
    document["spec"]["nodes"][1] = {"nam": "x", "address": "10.1.1.101"}
    document["spec"]["network"]["podCIDR"] = "172.7.0.0/160"
    document["metadata"]["name"] = "A"
    texts = [str(problem) for problem in problems_of(document)]
    assert len(texts) == 5, texts
    lines = [int(text.split(":")[1]) for text in texts]
    assert lines == sorted(lines)


def test_the_place_is_that_of_the_value():
    text = starter_text().replace("address: 10.0.0.22", "address: 10.0.0.21")
    (problem,) = problems_of(text)
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("10.0.0.21")
    assert problem.field == "spec.nodes[2].address"


def test_a_good_file_becomes_the_model():
    cluster = load((ROOT / "examples/three-node/cluster.yaml").read_text()).cluster
    assert cluster.name == "three-node"
    assert [str(node.pod_subnet) for node in cluster.nodes] == ["172.7.100.0/24", "172.7.120.0/24", "172.7.130.0/24"]
    assert str(cluster.network.dns_address) == "10.96.0.10"
    assert cluster.pause_image == "k8s.gcr.io/pause:3.7"
    assert cluster.pki.ca_validity.days == 3650


def test_a_control_plane_of_ones_own_is_good_and_has_defaults():
    cluster = load(yaml.safe_dump(whole())).cluster
    assert cluster.own_control_plane
    assert cluster.own_etcd
    assert cluster.api.encrypt_secrets
    assert cluster.pki.ca_key_on_hosts
    assert cluster.network.backend == "flannel-host-gw"


def test_a_control_plane_may_give_any_label():
    document = whole()
    document["spec"]["nodes"][1]["labels"] = {"node-role.kubernetes.io/worker": ""}
    assert not problems_of(document)


def test_defaults():
    cluster = load(yaml.safe_dump(good())).cluster
    assert str(cluster.network.dns_address) == "10.96.0.10"
    assert cluster.join.method == "certificate"
    assert cluster.pki.leaf_validity.days == 365
    assert cluster.pki.key_algorithm == "ecdsa-p256"
    assert cluster.nodes[0].roles == ("worker",)


KNOWN = [f"{minor}.{patch}" for minor, about in MINORS.items() for patch in (0, about.last_patch)]


@pytest.mark.parametrize("version", [*KNOWN, "1.24.5"])
def test_every_release_of_the_minor_is_known_with_or_without_v(version):
    document = good()
    document["spec"]["kubernetes"]["version"] = version
    assert load(yaml.safe_dump(document)).cluster.kubernetes == "v" + version.lstrip("v")


def test_the_pause_image_moves_its_registry_with_1_24_9():
    assert pause_image("v1.24.8") == "k8s.gcr.io/pause:3.7"
    assert pause_image("v1.24.9") == "registry.k8s.io/pause:3.7"
    assert pause_image("v1.24.17") == "registry.k8s.io/pause:3.7"


def test_variables_are_put_in_after_reading_so_they_cannot_change_the_structure():
    text = yaml.safe_dump(good()).replace("demo", '"${NAME:-demo}"')
    assert load(text).cluster.name == "demo"
    assert load(text, {"NAME": "other"}).cluster.name == "other"
    (problem,) = problems_of(text, {"NAME": "x\nspec: {}"})
    assert "metadata.name: the value of the variable is not a lower-case name" in str(problem)


def test_a_variable_may_be_a_number_where_it_stands_without_quotes():
    document = yaml.safe_dump(good()).replace("podCIDR", "mtu: ${MTU:-1400}\n    podCIDR")
    assert load(document).cluster.network.mtu == 1400
    assert load(document, {"MTU": "9000"}).cluster.network.mtu == 9000


def test_a_missing_variable_is_a_problem_with_its_place():
    (problem,) = problems_of(yaml.safe_dump(good()).replace("name: demo", "name: ${NOPE}"))
    assert "the variable NOPE is not set; export it, or write ${NOPE:-default}" in str(problem)
    assert problem.field == "metadata.name"


def test_an_escaped_dollar_stays_and_an_open_one_is_a_problem():
    (problem,) = problems_of(yaml.safe_dump(good()).replace("name: demo", 'name: "${"'))
    assert "names no variable" in str(problem)
    (problem,) = problems_of(yaml.safe_dump(good()).replace("name: demo", 'name: "$${X}"'))
    assert "'${X}' is not a lower-case name" in str(problem)


@pytest.mark.parametrize("token", ["hunter2hunter2hunter2 ", "'; rm -rf /", "é" * 20])
def test_a_token_never_stands_in_a_message(token):
    document = good()
    document["spec"]["join"] = {"method": "bootstrap-token", "token": "${TOKEN}"}
    texts = [str(problem) for problem in problems_of(document, {"TOKEN": token})]
    assert texts
    assert not [text for text in texts if token in text or repr(token) in text]
    document["spec"]["join"]["token"] = token
    assert not [text for text in map(str, problems_of(document)) if token in text]


def test_the_token_of_the_seed_document_is_refused():
    document = good()
    document["spec"]["join"] = {"method": "bootstrap-token", "token": "bc43e407e311d78b60da186fdd347fc8"}
    (problem,) = problems_of(document)
    assert "this token is printed in a public document; make one" in str(problem)


def test_a_token_stays_out_of_reprs():
    document = good()
    document["spec"]["join"] = {"method": "bootstrap-token", "token": "abcdef.0123456789abcdef"}
    assert "0123456789abcdef" not in repr(load(yaml.safe_dump(document)).cluster)


TEXTS = {
    "empty": ("", "is empty"),
    "comment": ("# nothing\n", "is empty"),
    "list": ("- a\n", "not a mapping at the top"),
    "text": ("hello", "not a mapping at the top"),
    "not utf-8": (b"a: \xff\n", "is not UTF-8"),
    "nul": ("a: \0", "a character that YAML does not allow"),
    "tab": ("a:\n\t- b\n", "not YAML"),
    "unclosed": ("a: [1, 2\n", "not YAML"),
    "bad indentation": ("a:\n  b: 1\n c: 2\n", "not YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", "a second document begins"),
    "duplicate key": ("kind: Cluster\nkind: Cluster\n", "stands here twice"),
    "deep": ("[" * 5000, "nested more than 40 levels"),
    "deep mapping": ("{a: " * 200, "nested more than 40 levels"),
    "merge key": ("a: &a {b: 1}\nc: {<<: *a}\n", "merge keys"),
    "alias to itself": ("a: &a [*a]\n", "aliases that never end"),
    "unknown alias": ("a: *b\n", "not YAML"),
    "tag": ("a: !!python/object:os.system x\n", "is not supported"),
    "octal": ("a: 0o17\nb: 017\n", "no plain decimal number"),
    "sexagesimal": ("a: 1:30\n", "no plain decimal number"),
    "complex key": ("? [a]\n: b\n", "a key that is not a text"),
    "infinity": ("a: .inf\n", "no plain decimal number"),
}


@pytest.mark.parametrize("text", TEXTS, ids=TEXTS.keys())
def test_texts_that_are_no_cluster_file_are_told_so_with_a_line(text):
    content, said = TEXTS[text]
    problems = problems_of(content)
    assert any(said in str(problem) and problem.line for problem in problems), problems


def test_an_alias_bomb_ends():
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    problems = problems_of(f"l0: &l0 [x]\n{levels}\n")
    assert any("aliases that never end" in str(problem) for problem in problems)


def test_honest_aliases_are_followed():
    document = yaml.safe_dump(good()) + "\n"
    document = document.replace("kubernetes:", "kubelet: &k {maxPods: 50}\n  kubernetes:")
    assert load(document).cluster.kubelet == {"maxPods": 50}


def test_a_byte_order_mark_does_no_harm():
    assert load(b"\xef\xbb\xbf" + yaml.safe_dump(good()).encode()).cluster.name == "demo"


def test_problems_are_data_too():
    document = good()
    document["spec"]["nodes"][0]["address"] = "x"
    found = json.loads(json.dumps([problem.as_dict() for problem in problems_of(document)]))
    assert found[0]["field"] == "spec.nodes[0].address"
    assert found[0]["remedy"].startswith("give an IPv4 address")


def test_the_starter_file_loads_as_it_is():
    assert load(starter_text()).cluster.name == "my-cluster"


def test_locate_gives_the_place_of_a_field_or_of_what_it_would_stand_in():
    loaded = load("a: 1\n" * 0 + yaml.safe_dump(good(), sort_keys=False))
    line, _ = loaded.locate("spec.nodes[1].podSubnet")
    assert line == loaded.locate("spec.nodes[1]")[0]


def test_input_error_counts_and_says_that_nothing_was_written():
    with pytest.raises(InputError) as caught:
        load("kind: x\n")
    assert caught.value.exit_code == 2
    assert re.fullmatch(r"\d+ problems; nothing was written\.", caught.value.summary)
