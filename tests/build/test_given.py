"""Upstream's own files given in a folder: known by digest, or by name where no recipe has one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from builder.config.load import load_cluster
from builder.config.recipes import load_recipes
from builder.fetch.store import Store
from demo.given import KUBERNETES, Given
from demo.images import put_image
from demo.mirror import fill
from demo.parts import Part
from tests.e2e.parts import CLUSTER, as_given
from tests.kit import ROOT

VERSION = "v1.24.17"
RECIPES = load_recipes(ROOT / "recipes")


class Debian:
    def program(self, component, name, version):
        return Part(f"Debian's {name}".encode(), f"real {name} from Debian")


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def artifact(component, url, wanted, members=()):
    version = VERSION if component != "flannel" else "v0.17.0"
    return {
        "component": component,
        "version": version,
        "arch": "amd64",
        "url": url,
        "digest": wanted,
        "members": members,
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "given" / "deep").mkdir(parents=True)
    return tmp_path / "given"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def filled(tmp_path, given, *artifacts):
    lines = fill(tmp_path / "files", tmp_path / "recipes", {"artifacts": artifacts}, Debian(), given=given)
    return lines, {path.stem: path.read_text() for path in (tmp_path / "recipes").iterdir()}


def test_a_file_with_a_recipes_digest_needs_no_other_recipe(tmp_path, folder, store):
    (folder / "deep" / "whatever").write_bytes(b"kubelet")
    wanted = artifact("kubelet", "https://dl.k8s.io/release/v1.24.17/bin/linux/amd64/kubelet", digest(b"kubelet"))
    runc = artifact("runc", "https://github.com/runc.amd64", digest(b"upstream's runc"))
    lines, recipes = filled(tmp_path, Given(folder, store), wanted, runc)
    assert lines[0] == f"kubelet {VERSION}, given: upstream's own bytes, by the recipe's digest"
    assert (tmp_path / "files/dl.k8s.io/release/v1.24.17/bin/linux/amd64/kubelet").read_bytes() == b"kubelet"
    assert recipes.keys() == {"runc"}
    assert "not upstream's own file" in recipes["runc"]


def test_a_file_of_which_no_recipe_has_a_digest_is_known_by_a_name_with_its_version(tmp_path, folder, store):
    (folder / "flannel-v0.17.0-linux-amd64.tar.gz").write_bytes(b"flannel")
    (folder / "kubelet").write_bytes(b"which version?")
    flannel = artifact("flannel", "https://github.com/flannel-v0.17.0-linux-amd64.tar.gz", None, ["flanneld"])
    given = Given(folder, store)
    _, recipes = filled(tmp_path, given, flannel, artifact("kubelet", "https://dl.k8s.io/v1.24.17/kubelet", None))
    assert (
        'notice = "flannel-v0.17.0-linux-amd64.tar.gz as given, of which no recipe has a digest"' in recipes["flannel"]
    )
    assert digest(b"flannel") in recipes["flannel"]
    assert "Debian" in recipes["kubelet"]
    assert given.unused() == [str(folder / "kubelet")]
    assert given.names(RECIPES["flannel"])


def test_a_file_of_another_digest_is_not_taken(tmp_path, folder, store):
    (folder / "runc-v1.24.17").write_bytes(b"another")
    _, recipes = filled(
        tmp_path, Given(folder, store), artifact("runc", "https://x/runc-v1.24.17", digest(b"upstream's"))
    )
    assert digest(b"Debian's runc") in recipes["runc"]


def test_what_the_store_holds_is_given_too(tmp_path, folder, store):
    part = tmp_path / "part"
    part.write_bytes(b"runc")
    store.add(part, {"sha256": digest(b"runc").removeprefix("sha256:")})
    _, recipes = filled(tmp_path, Given(None, store), artifact("runc", "https://x/runc", digest(b"runc")))
    assert recipes == {}


def test_an_image_comes_from_an_archive_in_oci_layout(tmp_path, folder, store):
    other = tmp_path / "other"
    wanted = put_image(other, "registry.k8s.io/pause:3.7")
    place = other / "v2/registry.k8s.io/pause"
    with tarfile.open(folder / "pause.tar", "w") as archive:
        index = {"manifests": [{"digest": wanted}]}
        blobs = {path.name: path.read_bytes() for kind in ("blobs", "manifests") for path in (place / kind).iterdir()}
        files = {f"blobs/sha256/{name.removeprefix('sha256:')}": content for name, content in blobs.items()}
        for name, content in {"index.json": json.dumps(index).encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    pause = artifact("pause", "docker://registry.k8s.io/pause:3.7", wanted)
    lines, recipes = filled(tmp_path, Given(folder, store), pause)
    assert lines == [
        "the image docker://registry.k8s.io/pause:3.7, given: upstream's own bytes, by the recipe's digest"
    ]
    assert recipes == {}
    found = tmp_path / "files/v2/registry.k8s.io/pause"
    assert {path.name for path in found.glob("manifests/*")} == {path.name for path in place.glob("manifests/*")}
    assert {path.name for path in place.glob("blobs/*")} <= {path.name for path in found.glob("blobs/*")}


@pytest.fixture
def pinned(tmp_path):
    """Recipes with digests that can be had."""
    (tmp_path / "pinned").mkdir()
    for name in KUBERNETES:
        text = f'name = "{name}"\n[digests."{VERSION}"]\namd64 = "{digest(name.encode())}"\n'
        (tmp_path / "pinned" / f"{name}.toml").write_text(text)
    return load_recipes(ROOT / "recipes", tmp_path / "pinned")


def test_the_cluster_gets_the_kubernetes_that_is_given_whole(folder, store, pinned):
    for name in KUBERNETES[1:]:
        (folder / f"my-{name}").write_bytes(name.encode())
    with pytest.raises(ValueError, match=rf"of Kubernetes {VERSION} these are not given: kube-apiserver"):
        Given(folder, store).kubernetes(pinned)
    (folder / "deep" / "api").write_bytes(b"kube-apiserver")
    assert Given(folder, store).kubernetes(pinned) == VERSION
    assert Given(None, store).kubernetes(pinned) == ""


def test_the_cluster_of_a_rehearsal_is_as_given(tmp_path, folder, store, monkeypatch):
    for name in ("flannel-v0.17.0-linux-amd64.tar.gz", "cni-plugin-flannel-linux-amd64-v1.0.1.tgz"):
        (folder / name).write_bytes(b"")
    found = Given(folder, store)
    monkeypatch.setattr(found, "kubernetes", lambda _recipes: VERSION)
    cluster = as_given(tmp_path, CLUSTER, found)
    loaded = load_cluster(cluster.read_bytes(), "e2e", environ={}, base=tmp_path, components=RECIPES).cluster
    assert (loaded.kubernetes, loaded.network.backend) == (VERSION, "flannel-host-gw")
    assert as_given(tmp_path, CLUSTER, Given(None, store)) == CLUSTER
