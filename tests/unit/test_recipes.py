from __future__ import annotations

import json

import pytest

from builder.config.recipes import load_recipes
from builder.errors import InputError
from builder.plan.artifacts import artifact_of
from tests.kit import DATA, ROOT, cluster

RECIPES = load_recipes(ROOT / "recipes")
ALL_FACTS = json.loads((DATA / "artifacts.json").read_text())
FACTS = [item for item in ALL_FACTS if item["arch"] in {"amd64", "arm64"}]
OURS = {"kubelet", "kubectl", "containerd", "runc", "cni-plugins", "crictl", "etcd"}
IMAGES = {"image-pause": "pause", "image-coredns": "coredns"}
IMAGE_FACTS = [item for item in ALL_FACTS if item["component"] in IMAGES]


def url_of(recipe, version, arch):
    return recipe.source.url.format(version=version, number=version.removeprefix("v"), arch=arch)


def checksum_of(recipe, version, url):
    return recipe.source.checksum_url.format(url=url, version=version) if recipe.source.checksum_url else None


@pytest.mark.parametrize(
    "item",
    [item for item in FACTS if item["component"] in OURS],
    ids=lambda item: f"{item['component']}-{item['version']}-{item['arch']}",
)
def test_no_known_digest_is_forgotten_and_every_url_is_upstreams(item):
    recipe = RECIPES[item["component"]]
    assert str(recipe.digests[item["version"]][item["arch"]]) == f"sha256:{item['sha256']}"
    assert url_of(recipe, item["version"], item["arch"]) == item["url"]
    assert checksum_of(recipe, item["version"], item["url"]) == item["checksum_url"]


@pytest.mark.parametrize("item", IMAGE_FACTS, ids=lambda item: f"{item['component']}-{item['version']}")
def test_no_known_image_is_forgotten_and_both_arches_have_the_manifest_lists_digest(item):
    recipe = RECIPES[IMAGES[item["component"]]]
    pinned = {arch: str(digest) for arch, digest in recipe.digests[item["version"]].items()}
    assert pinned == dict.fromkeys(("amd64", "arm64"), item["digest"])
    url = recipe.source.url.format(version=item["version"], pause_image=item["image"])
    assert url == f"docker://{item['image']}"


def test_etcds_programs_are_named_as_upstreams_archive_names_them():
    recipe = RECIPES["etcd"]
    for item in FACTS:
        if item["component"] == "etcd":
            members = {file.member.format(version=item["version"], arch=item["arch"]) for file in recipe.files}
            assert members < set(item["members"])


def test_no_digest_is_there_that_the_facts_do_not_know():
    known = {(item["component"], item["version"], item["arch"], item.get("sha256")) for item in FACTS}
    for item in IMAGE_FACTS:
        known |= {(IMAGES[item["component"]], item["version"], arch, item["sha256"]) for arch in ("amd64", "arm64")}
    for recipe in RECIPES.values():
        for version, arches in recipe.digests.items():
            for arch, digest in arches.items():
                assert (recipe.name, version, arch, digest.hex) in known


UNPINNED = {
    "kube-proxy",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "flannel",
    "flannel-cni-plugin",
}


@pytest.mark.parametrize(
    "item",
    [item for item in json.loads((DATA / "artifacts-missing.json").read_text()) if item["component"] in UNPINNED],
    ids=lambda item: f"{item['component']}-{item['version']}-{item['arch']}",
)
def test_what_nobody_pins_has_upstreams_url_and_checksum_file_and_no_digest(item):
    recipe = RECIPES[item["component"]]
    url = url_of(recipe, item["version"], item["arch"])
    assert url == item["url"]
    assert checksum_of(recipe, item["version"], url) == item.get("checksum_url")
    assert item["version"] not in recipe.digests


@pytest.mark.parametrize("patch", range(18))
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("name", ["kubelet", "kubectl"])
def test_every_release_is_pinned_for_both_arches(patch, arch, name):
    assert RECIPES[name].digests[f"v1.24.{patch}"][arch]


def test_defaults_are_pinned_and_come_from_two_sources():
    sources = {(item["component"], item["version"], item["arch"]): item.get("independent_sources", 0) for item in FACTS}
    for name in OURS - {"kubelet", "kubectl"}:
        for arch in ("amd64", "arm64"):
            assert sources[name, RECIPES[name].default_version, arch] >= 2, name


OVERLAYS_ONLY = {
    "cluster-ca",
    "firewall",
    "flannel-keys",
    "host",
    "images",
    "objects",
    "service-route",
    "static-network",
}


def test_every_recipe_says_its_licence_and_where_its_files_go():
    for recipe in RECIPES.values():
        assert recipe.licence
        assert bool(recipe.files) != (recipe.name in OVERLAYS_ONLY), recipe.name


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    return folder


def test_a_later_folder_overrides_key_by_key_and_what_it_replaces_is_known(tmp_path):
    extra = write(
        tmp_path / "r",
        "runc",
        'name = "runc"\nnotice = "ours"\n[digests."v1.1.15"]\namd64 = "sha256:' + "0" * 64 + '"\n',
    )
    recipe = load_recipes(ROOT / "recipes", extra)["runc"]
    assert recipe.notice == "ours"
    assert recipe.replaced_digests == ("v1.1.15 amd64",)
    assert recipe.digests["v1.1.15"]["arm64"] == RECIPES["runc"].digests["v1.1.15"]["arm64"]
    assert recipe.files == RECIPES["runc"].files


def test_a_new_digest_replaces_nothing(tmp_path):
    extra = write(tmp_path / "r", "runc", 'name = "runc"\n[digests."v1.1.99"]\namd64 = "sha256:' + "0" * 64 + '"\n')
    assert load_recipes(ROOT / "recipes", extra)["runc"].replaced_digests == ()


WHOLE = 'name = "x"\nsummary = "x"\nlicence = "MIT"\nroles = ["worker"]\n'
SOURCE = '[source]\nurl = "https://x.example/{version}/{arch}"\nkind = "binary"\n'
IMAGE = '[source]\nurl = "docker://x.io/a:{version}"\nkind = "image"\n[[file]]\npath = "/x"\n'
BAD = {
    "syntax": ("name = \n", "x.toml:1:8: not TOML"),
    "unknown key": (WHOLE + 'licens = "x"\n', "x.toml:5:1: licens: unknown key; did you mean licence?"),
    "wrong name": (WHOLE.replace('"x"', '"y"', 1), 'is not the file\'s name; write name = "x"'),
    "missing": ('name = "x"\n', "summary: missing"),
    "setuid": (WHOLE + '[[file]]\npath = "/opt/x"\nmode = "4755"\n', "x.toml:7:1: file[0].mode: '4755' is wrong"),
    "mode is a number": (WHOLE + '[[file]]\npath = "/opt/x"\nmode = 755\n', "file[0].mode: not an octal mode"),
    "relative path": (WHOLE + '[[file]]\npath = "opt/x"\n', "file[0].path: 'opt/x' is wrong"),
    "dots in a path": (WHOLE + '[[file]]\npath = "/opt/../x"\n', "is wrong; give an absolute path"),
    "space in a path": (WHOLE + '[links]\n"/a b" = "/c"\n', "links./a b: unknown key"),
    "digest": (WHOLE + '[digests."v1"]\namd64 = "md5:0"\n', "x.toml:6:1: digests.v1.amd64: 'md5:0' is wrong"),
    "arch": (WHOLE + '[digests."v1"]\nriscv = "sha256:0"\n', "digests.v1.riscv: unknown key"),
    "scheme": (WHOLE + SOURCE.replace("https", "ftp") + '[[file]]\npath = "/x"\n', "source.url: 'ftp://"),
    "placeholder": (
        WHOLE + SOURCE.replace("{arch}", "{cpu}") + '[[file]]\npath = "/x"\n',
        "has an unknown placeholder; known are {arch}, {number}, {pause_image}, {version}",
    ),
    "image without scheme": (
        WHOLE + SOURCE.replace("binary", "image") + '[[file]]\npath = "/x"\n',
        "x.toml:6:1: source.url: 'https://x.example/{version}/{arch}' does not fit kind = 'image'; give docker://",
    ),
    "binary from a registry": (
        WHOLE + '[source]\nurl = "docker://x.io/a:{version}"\nkind = "binary"\n[[file]]\npath = "/x"\n',
        "source.url: 'docker://x.io/a:{version}' does not fit kind = 'binary'; write kind = \"image\"",
    ),
    "short name": (WHOLE + IMAGE.replace("x.io/", ""), "source.url: 'docker://a:{version}' is wrong; give an http"),
    "no tag": (WHOLE + IMAGE.replace(":{version}", ""), "source.url: 'docker://x.io/a' is wrong"),
    "kubernetes registry": (WHOLE + IMAGE.replace("x.io", "{kubernetes_registry}"), "source.url: 'docker://{kub"),
    "pause image in part": (WHOLE + IMAGE.replace("{version}", "{pause_image}"), "belong together"),
    "pause image of another version": (
        WHOLE + IMAGE.replace("x.io/a:{version}", "{pause_image}"),
        '{pause_image} and [version] follows = "pause-image" belong together',
    ),
    "pause version of another image": (WHOLE + '[version]\nfollows = "pause-image"\n' + IMAGE, "belong together"),
    "member of an image": (WHOLE + IMAGE + 'member = "x"\n', "file[0].member: an image is carried whole; leave it out"),
    "checksum of an image": (
        WHOLE + IMAGE.replace("[[", 'checksum = "{url}.sha256"\n[['),
        "source.checksum: an image has no checksum file",
    ),
    "sha512 of an image": (
        WHOLE + IMAGE + '[digests."v1"]\namd64 = "sha512:' + "0" * 128 + '"\n',
        "digests.v1.amd64: an image's digest is a sha256",
    ),
    "two digests of an image": (
        WHOLE + IMAGE + f'[digests."v1"]\namd64 = "sha256:{"0" * 64}"\narm64 = "sha256:{"1" * 64}"\n',
        "digests.v1: its arches have different digests; pin the digest of the list",
    ),
    "no files": (WHOLE + SOURCE, "file: missing; say with [[file]]"),
    "files from nowhere": (WHOLE + '[[file]]\npath = "/x"\n', "source: missing; say with [source]"),
    "two versions": (
        WHOLE + '[version]\nfollows = "kubernetes"\ndefault = "v1"\n',
        "x.toml:7:1: version.default: stands beside follows; leave it out, or set spec.components",
    ),
    "no member": (WHOLE + SOURCE.replace("binary", "archive") + '[[file]]\npath = "/x"\n', "file[0].member: missing"),
    "unit": (WHOLE + 'units = ["x; reboot"]\n', "units[0]: 'x; reboot' is wrong"),
    "control character": (WHOLE + 'notice = "a\\u001bb"\n', "notice: not a text in quotes"),
    "not utf-8": (b"\xff", "cannot be read as UTF-8"),
    "list": (WHOLE.replace('["worker"]', '"worker"'), "roles: not a list"),
    "table": (WHOLE + "source = 7\n", "source: not a table"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recipe_is_told_with_line_and_remedy(tmp_path, name):
    text, said = BAD[name]
    (tmp_path / "x.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        load_recipes(tmp_path)
    assert said in str(caught.value)


def test_all_problems_of_all_recipes_come_at_once(tmp_path):
    write(tmp_path, "a", "name = 7\n")
    write(tmp_path, "b", "x = 1\n")
    with pytest.raises(InputError) as caught:
        load_recipes(tmp_path)
    assert {problem.file.rpartition("/")[2] for problem in caught.value.problems} == {"a.toml", "b.toml"}


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_an_image_recipe_becomes_an_artifact_for_each_arch(tmp_path, arch):
    (tmp_path / "x.toml").write_text(WHOLE + '[version]\ndefault = "v1"\n' + IMAGE)
    recipe = load_recipes(tmp_path)["x"]
    assert (recipe.files[0].mode, recipe.files[0].member) == (0o644, None)
    made = artifact_of(recipe, cluster(), arch)
    assert (made.kind, made.url, made.arch, made.members) == ("image", "docker://x.io/a:v1", arch, ())


def test_the_pause_image_is_the_clusters_own_and_pinned_by_its_tag(tmp_path):
    pinned = f'[digests."3.7"]\namd64 = "sha256:{"0" * 64}"\n'
    text = WHOLE + '[version]\nfollows = "pause-image"\n' + IMAGE.replace("x.io/a:{version}", "{pause_image}") + pinned
    (tmp_path / "x.toml").write_text(text)
    recipe = load_recipes(tmp_path)["x"]
    assert recipe.follows == "pause-image"
    made = artifact_of(recipe, cluster(pause_image="127.0.0.1:5000/k8s/pause:3.7"), "amd64")
    assert (made.url, made.version) == ("docker://127.0.0.1:5000/k8s/pause:3.7", "3.7")
    assert made.digest.hex == "0" * 64
