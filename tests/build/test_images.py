"""Images out of a real registry, their archives in the real skopeo, and every way in which a registry says no."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml

from builder.errors import FetchError, LockError, MissingError
from builder.events import Warned, ignore
from builder.fetch.artifacts import FetchOptions, fetch_all, in_store
from builder.fetch.lock import Lock
from builder.fetch.mirrors import EVERY_IMAGE, parse_image_mirror, place_of, registry_of
from builder.fetch.registry import docker_config, parse_reference
from builder.fetch.store import Store
from builder.model.plan import PayloadFile
from builder.model.recipe import Artifact, Digest
from builder.payload import segments
from tests.kit import NOW, ROOT
from tests.registry import OCI, digest, needs_registry, packed, serving_registry

pytestmark = needs_registry

UPSTREAM = "registry.k8s.io"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The registry and what is in it; `registry.pause` is the digest of pause:3.7, a list."""
    with serving_registry(tmp_path_factory.mktemp("registry")) as made:
        big = {"a": b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(60_000)), "b": b"b"}
        files = {"amd64": {**big, "c": b"amd64"}, "arm64": {"c": b"arm64"}}
        made.pause = made.listed(f"{UPSTREAM}/pause", "3.7", files=files)["digest"]
        made.listed("prefix/pause", "3.7", files=files)
        made.listed(f"{UPSTREAM}/pause", "3.8")
        made.listed(f"{UPSTREAM}/old", "1", docker=True)
        made.single(f"{UPSTREAM}/single", "1", "amd64")
        made.single(f"{UPSTREAM}/docker", "1", "amd64", docker=True)
        made.listed(f"{UPSTREAM}/intel", "1", ["amd64"])
        made.listed("docker.io/library/busybox", "1.36")
        yield made


class Run:
    """One user's store and lock, and what a run said."""

    def __init__(self, folder):
        self.store = Store(folder / "store")
        self.lock_path = folder / "bundler.lock"
        self.events = []

    def __call__(self, *artifacts, mirrors, backoff=0.01, **options):
        return fetch_all(
            artifacts,
            store=self.store,
            lock=Lock.load(self.lock_path),
            mirrors=mirrors,
            options=FetchOptions(backoff=backoff, **options),
            now=NOW,
            sink=self.events.append,
        )

    def warnings(self):
        return [event.text for event in self.events if isinstance(event, Warned)]

    def images(self):
        return [path for path in (self.store.root / "images").rglob("*") if path.is_file()]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def mirrors(registry):
    return {EVERY_IMAGE: registry.url}


def image(name="pause:3.7", arch="amd64", pin=None, **changes):
    made = Artifact(
        component="pause",
        version=name.rpartition(":")[2],
        arch=arch,
        url=f"docker://{name if '/' in name else f'{UPSTREAM}/{name}'}",
        kind="image",
        digest=Digest("sha256", pin.removeprefix("sha256:")) if pin else None,
        recipe="recipes/pause.toml",
    )
    return replace(made, **changes)


def opened(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive.getmembers()}


# --- what is fetched


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_member_of_a_list_for_that_arch_is_fetched_bit_for_bit(registry, run, mirrors, arch):
    wanted = image(arch=arch, pin=registry.pause)
    fetched = run(wanted, mirrors=mirrors)[wanted]
    assert fetched.digest.hex == hashlib.sha256(fetched.path.read_bytes()).hexdigest()
    assert fetched.size == fetched.path.stat().st_size
    files = opened(fetched.path)
    assert list(files)[:2] == ["oci-layout", "index.json"]
    (found,) = json.loads(files["index.json"])["manifests"]
    assert found["annotations"] == {
        "io.containerd.image.name": "registry.k8s.io/pause:3.7",
        "org.opencontainers.image.ref.name": "3.7",
    }
    assert found["platform"] == {"os": "linux", "architecture": arch}
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    manifest = json.loads(files["blobs/sha256/" + found["digest"][7:]])
    config = json.loads(files["blobs/sha256/" + manifest["config"]["digest"][7:]])
    assert config["architecture"] == arch
    assert run.warnings() == []


@pytest.mark.parametrize("name", ["single:1", "docker:1", "old:1"])
def test_an_image_without_a_list_and_dockers_own_formats_do_as_well(run, mirrors, name):
    wanted = image(name)
    fetched = run(wanted, mirrors=mirrors)[wanted]
    done = skopeo("inspect", "--raw", f"oci-archive:{fetched.path}")
    assert json.loads(done)["schemaVersion"] == 2


@pytest.mark.parametrize("name", ["single:1", "docker:1", "intel:1"])
def test_an_image_of_another_arch_is_refused(run, mirrors, name):
    with pytest.raises(FetchError, match=rf"{UPSTREAM}/{name} .*linux/a.*; choose another image or tag") as failed:
        run(image(name, "arm64"), mirrors=mirrors)
    assert "linux/arm64" in str(failed.value)
    assert run.images() == []
    assert not run.lock_path.exists()


def skopeo(*command):
    return subprocess.run(["skopeo", *command], check=True, capture_output=True, text=True).stdout


def test_skopeo_reads_the_archive_and_pushes_the_same_image_back(registry, run, mirrors):
    wanted = image(pin=registry.pause)
    path = run(wanted, mirrors=mirrors)[wanted].path
    about = json.loads(skopeo("inspect", f"oci-archive:{path}:3.7"))
    assert (about["Architecture"], len(about["Layers"])) == ("amd64", 3)
    copy = f"docker://{registry.host}/copied/pause:1"
    skopeo("copy", "--dest-tls-verify=false", "--preserve-digests", f"oci-archive:{path}:3.7", copy)
    assert skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", copy).strip() == about["Digest"]


def test_two_stores_get_the_same_bytes(registry, tmp_path, mirrors):
    paths = []
    for name in ("a", "b"):
        wanted = image(pin=registry.pause)
        paths.append(Run(tmp_path / name)(wanted, mirrors=mirrors)[wanted].path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with tarfile.open(paths[0]) as archive:
        for member in archive:
            seen = (member.mtime, member.mode, member.uid, member.gid, member.uname, member.gname, member.pax_headers)
            assert seen == (0, 0o644, 0, 0, "", "", {})


def test_an_archive_is_packed_whole_as_one_segment(registry, run, mirrors, tmp_path):
    wanted = image(pin=registry.pause)
    fetched = run(wanted, mirrors=mirrors)

    class Plan:
        payload = (PayloadFile("/opt/kubernetes/images/pause.tar", 0o644, wanted, None, (), "pause"),)

    for _ in range(2):
        (made,) = segments([Plan], fetched, tmp_path / "cache", 2, ignore).items()
        assert made[0] == (wanted, None)
        assert (made[1].content.sha256, made[1].content.size) == (fetched[wanted].digest.hex, fetched[wanted].size)


# --- digests, lock, store


def test_a_second_run_asks_nobody_and_reads_no_blob(registry, run, mirrors):
    wanted = [image(arch=arch, pin=registry.pause) for arch in ("amd64", "arm64")]
    first = run(*wanted, mirrors=mirrors)
    assert run(*wanted, mirrors={EVERY_IMAGE: "http://127.0.0.1:1"}, offline=True) == first
    assert not list((run.store.root / "unverified").glob("*.blobs"))
    assert in_store(run.store, wanted[0], wanted[0].digest) == first[wanted[0]]


@pytest.mark.parametrize("arches", [("amd64", "arm64"), ("arm64", "amd64")])
def test_what_no_recipe_pins_is_warned_of_once_and_locked_for_both_arches(registry, run, mirrors, arches):
    wanted = [image(arch=arch) for arch in arches]
    run(*wanted, mirrors=mirrors)
    assert len(run.warnings()) == 1
    assert "NOBODY PUBLISHES A DIGEST OF pause 3.7" in run.warnings()[0]
    entry = Lock.load(run.lock_path).get("docker://registry.k8s.io/pause:3.7")
    listed = requests.get(
        f"{registry.url}/v2/{UPSTREAM}/pause/manifests/{registry.pause}", timeout=5, headers=accepts()
    )
    assert (str(entry.digest), entry.size, entry.origin) == (registry.pause, len(listed.content), "first-download")
    run(*wanted, mirrors={}, offline=True)
    pinned = [replace(item, digest=entry.digest) for item in wanted]
    run(*pinned, mirrors={}, offline=True, require_digests=True)


def accepts():
    return {"Accept": f"{OCI}.index.v1+json"}


def test_the_lock_holds_to_the_first_download_when_the_tag_moves(registry, run, mirrors, tmp_path):
    repository = f"{UPSTREAM}/moving-{tmp_path.name.replace('_', '-').lower()}".replace("[", "").replace("]", "")
    first = registry.listed(repository, "1", files={arch: {"x": b"first"} for arch in ("amd64", "arm64")})
    wanted = image(f"{repository}:1")
    run(wanted, mirrors=mirrors)
    registry.listed(repository, "1", files={arch: {"x": b"second"} for arch in ("amd64", "arm64")})
    fresh = Run(tmp_path / "other")
    fresh.lock_path = run.lock_path
    other = replace(wanted, arch="arm64")
    held = fresh(wanted, other, mirrors=mirrors)
    assert held[wanted].path.read_bytes() == run(wanted, mirrors=mirrors)[wanted].path.read_bytes()
    assert str(Lock.load(run.lock_path).get(wanted.url).digest) == first["digest"]


def test_a_lock_that_contradicts_a_recipe_is_an_error(registry, run, mirrors):
    run(image(), mirrors=mirrors)
    with pytest.raises(LockError, match=r"recipes/pause\.toml pins sha256:2222"):
        run(image(pin="2" * 64), mirrors=mirrors)
    run(image(pin=registry.pause), mirrors=mirrors)


def test_a_digest_that_the_tag_does_not_name_is_refused_and_both_are_said(registry, run, mirrors):
    with pytest.raises(FetchError) as failed:
        run(image(pin="1" * 64), mirrors=mirrors)
    said = str(failed.value)
    assert said.startswith(f"registry.k8s.io/pause:3.7 (from {registry.url}/v2/registry.k8s.io/pause): its digest is ")
    assert registry.pause in said
    assert f"wanted sha256:{'1' * 64}; use another mirror" in said
    assert run.images() == []


def test_offline_lists_missing_images_and_require_digests_refuses_unpinned_ones(registry, run, mirrors):
    run(image(pin=registry.pause), mirrors=mirrors)
    wanted = [image(arch=arch, pin=registry.pause) for arch in ("amd64", "arm64")]
    with pytest.raises(MissingError) as failed:
        run(*wanted, image("other:1"), mirrors=mirrors, offline=True)
    assert f"docker://registry.k8s.io/pause:3.7 for arm64 ({registry.pause})" in str(failed.value)
    assert "docker://registry.k8s.io/other:1 for amd64 (no digest is known)" in str(failed.value)
    assert "pause:3.7 for amd64" not in str(failed.value)
    with pytest.raises(FetchError, match="neither a recipe nor the lock pins"):
        run(image("other:1"), mirrors=mirrors, require_digests=True)


def test_two_processes_fetch_one_image_and_leave_a_clean_store(registry, run, tmp_path):
    program = f"""
import sys
from pathlib import Path
from tests.build.test_images import Run, image
run = Run(Path(sys.argv[1]))
wanted = [image(arch=arch, pin={registry.pause!r}) for arch in ("amd64", "arm64")]
assert len(run(*wanted, mirrors={{"docker://*": {registry.url!r}}})) == 2
"""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environ) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert sorted(path.suffix for path in run.images()) == [".sha256", ".sha256", ".tar", ".tar"]
    assert [path.suffix for path in (run.store.root / "unverified").iterdir() if path.suffix != ".lock"] == []


# --- mirrors


@pytest.mark.parametrize(
    ("mirrors", "place"),
    [
        ({}, ("https://registry.k8s.io", "pause")),
        ({"*": "http://m/x"}, ("https://registry.k8s.io", "pause")),
        ({"docker://*": "http://m:5000"}, ("http://m:5000", "registry.k8s.io/pause")),
        (
            {"docker://*": "http://m/x/", "registry.k8s.io": "https://k8s.m.daocloud.io"},
            ("https://k8s.m.daocloud.io", "pause"),
        ),
        ({"registry.k8s.io": "http://m:5000/prefix"}, ("http://m:5000", "prefix/pause")),
        ({"docker://registry.k8s.io": "http://m", "docker://*": "http://n"}, ("http://m", "pause")),
        ({"registry.k8s.io/pause": "http://m/sandbox", "registry.k8s.io": "http://n"}, ("http://m", "sandbox")),
        ({"registry.k8s.io.evil": "http://m", "registry": "http://m"}, ("https://registry.k8s.io", "pause")),
    ],
)
def test_where_an_image_is_fetched_from(mirrors, place):
    assert registry_of("registry.k8s.io/pause", mirrors) == place


def test_docker_hub_answers_elsewhere_than_it_is_named_unless_it_is_mirrored():
    assert registry_of("docker.io/library/busybox", {}) == ("https://registry-1.docker.io", "library/busybox")
    assert registry_of("docker.io/x/y", {"docker.io": "http://m"}) == ("http://m", "x/y")
    assert str(parse_reference("docker://docker.io/busybox:1")) == "docker.io/library/busybox:1"


def test_the_mirror_of_every_image_serves_no_file():
    assert place_of("https://dl.k8s.io/x", {EVERY_IMAGE: "http://m"}) == "https://dl.k8s.io/x"


@pytest.mark.parametrize("key", ["registry.k8s.io", "https://registry.k8s.io/", "registry.k8s.io/pause"])
def test_a_mirror_takes_the_place_of_a_registry_or_prefix(registry, run, key):
    place = f"{registry.url}/prefix" + ("/pause" if key.endswith("pause") else "")
    wanted = image(pin=registry.pause)
    fetched = run(wanted, mirrors={key: place, "*": "http://127.0.0.1:1", EVERY_IMAGE: "http://127.0.0.1:1"})[wanted]
    assert b'"registry.k8s.io/pause:3.7"' in opened(fetched.path)["index.json"]


def test_a_folder_is_no_mirror_of_images(run):
    with pytest.raises(FetchError, match=r"registry\.k8s\.io/pause: its mirror is no registry's URL"):
        run(image(), mirrors={"registry.k8s.io": "/srv/mirror"})


@pytest.mark.parametrize("text", ["/srv", "ftp://x", "nonsense", "http://", "http://u:hunter2@x:port"])
def test_what_is_no_image_mirror_is_refused_at_the_door(text):
    with pytest.raises(FetchError, match="not an http") as refused:
        parse_image_mirror(text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["docker://pause:3.7", "docker://foo/pause:3.7", "docker://x.io/pause", "https://x.io/a:1"]
)
def test_a_short_name_is_refused_since_runtimes_read_it_otherwise(run, url):
    with pytest.raises(FetchError, match="not docker://REGISTRY/PATH:TAG; write it in full"):
        run(image(url=url), mirrors={})


# --- from cluster.yaml to the tarball

RECIPE = """name = "other"
summary = "Another image"
licence = "Apache-2.0"
roles = ["worker"]
restarts = ["bundler-images.service"]
[version]
default = "3.7"
[source]
url = "docker://registry.k8s.io/other:{version}"
kind = "image"
[[file]]
path = "/opt/kubernetes/images/other.tar"
"""


def test_a_build_carries_the_image_and_the_next_one_needs_no_registry(registry, site):
    (site.folder / "recipes").mkdir()
    (site.folder / "recipes" / "other.toml").write_text(RECIPE)
    url = "docker://registry.k8s.io/other:3.7"
    pushed = registry.listed("registry.k8s.io/other", "3.7")
    described = yaml.safe_load((site.folder / "cluster.yaml").read_text())
    described["spec"]["mirrors"] = {
        "registry.k8s.io/other": f"{registry.url}/registry.k8s.io/other",
        "docker://*": "http://x",
    }
    (site.folder / "cluster.yaml").write_text(yaml.safe_dump(described))
    refused = site.bundler("build", *site.options, "--image-mirror", "/srv", check=False)
    assert (refused.returncode, "image mirror /srv: not an http(s) URL" in refused.stderr) == (1, True)
    done = site.build()
    assert done.stderr.count("NOBODY PUBLISHES A DIGEST OF other") == 1
    site.build("--offline", "--require-digests")
    subprocess.run(["tar", "xzf", site.dist / "k8s-node1.tar.gz", "-C", site.folder], check=True)
    root = site.folder / "k8s-node1"
    (carried,) = root.rglob("opt/kubernetes/images/other.tar")
    assert carried.stat().st_mode & 0o777 == 0o644
    assert url.removeprefix("docker://").encode() in opened(carried)["index.json"]
    about = json.loads((root / "manifest.json").read_text())
    (component,) = [item for item in about["components"] if item["name"] == "other"]
    assert (component["url"], component["digest"]) == (url, pushed["digest"])
    site.bundler("verify", site.dist / "k8s-node1.tar.gz")


# --- what registries say instead


def test_a_tag_that_is_not_there_is_named_with_its_place(registry, run, mirrors):
    with pytest.raises(
        FetchError, match=r"registry\.k8s\.io/pause:9 \(from .*\): .*/manifests/9: HTTP 404 .*; check the image"
    ):
        run(image("pause:9"), mirrors=mirrors)


def test_a_registry_that_does_not_answer_is_one_error(run):
    with pytest.raises(FetchError, match=r"^registry\.k8s\.io/pause:3\.7 .*cannot be reached; .* use --image-mirror"):
        run(image(), mirrors={EVERY_IMAGE: "http://u:hunter2@127.0.0.1:1"})
    assert not any("hunter2" in str(event) for event in run.events)


class Front:
    """A server in front of the registry: asks for tokens, breaks things, counts what it is asked."""

    def __init__(self):
        self.seen = Counter()
        self.url = self.host = ""
        self.mode = "token"  # token, basic, or open
        self.login = None  # user:password that tokens are given for; None gives them to everybody
        self.damage = {}  # path -> bytes instead
        self.failing = Counter()  # path -> how many times 503
        self.elsewhere = None  # blobs are handed over to there
        self.first = True
        self.leaked = []


@contextmanager
def front_of(registry):
    front = Front()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            parts = urlsplit(self.path)
            front.seen[parts.path] += 1
            sent = self.headers.get("Authorization", "")
            if front.failing[parts.path] > 0:
                front.failing[parts.path] -= 1
                return self.answer(503)
            if parts.path == "/token" and parts.path not in front.damage:
                return self.token(parse_qs(parts.query), sent)
            if front.mode == "elsewhere":
                front.leaked.append(sent)
            elif front.mode != "open" and parts.path != "/token" and sent != self.wanted(parts.path):
                basic = 'Basic realm="r"'
                bearer = f'Bearer realm="{front.url}/token",service="front",scope="repository:{self.repository(parts.path)}:pull"'
                return self.answer(401, {"WWW-Authenticate": basic if front.mode == "basic" else bearer})
            if front.elsewhere and "/blobs/" in parts.path:
                return self.answer(307, {"Location": f"{front.elsewhere}{self.path}"})
            if parts.path in front.damage:
                return self.answer(200, {}, front.damage[parts.path])
            found = requests.get(
                registry.url + self.path, headers={"Accept": self.headers.get("Accept", "*/*")}, timeout=5
            )
            self.answer(found.status_code, {}, found.content)

        def repository(self, path):
            return path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]

        def wanted(self, path):
            if front.mode == "basic":
                return "Basic " + base64.b64encode(front.login.encode()).decode()
            return f"Bearer for-{self.repository(path)}"

        def token(self, query, sent):
            if front.login and sent != "Basic " + base64.b64encode(front.login.encode()).decode():
                return self.answer(401)
            assert query["service"] == ["front"]
            repository = query["scope"][0].split(":")[1]
            self.answer(200, {}, packed({"token": f"for-{repository}"}))

        def answer(self, status, headers=None, body=b""):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    front.host = f"127.0.0.1:{server.server_port}"
    front.url = f"http://{front.host}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield front
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def front(registry):
    with front_of(registry) as made:
        yield made


def through(front, login=""):
    return {EVERY_IMAGE: f"http://{login}{front.host}"}


def test_a_token_is_fetched_once_anonymously(registry, run, front):
    wanted = image(pin=registry.pause)
    run(wanted, mirrors=through(front))
    assert front.seen["/token"] == 1


def logins(folder, front, login):
    config = folder / "docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {front.host: {"auth": base64.b64encode(login.encode()).decode()}}}))
    return config


@pytest.mark.parametrize("mode", ["token", "basic"])
def test_dockers_login_is_used_and_without_one_the_remedy_is_said(registry, run, front, tmp_path, mode):
    front.login, front.mode = "robot:hunter2", mode
    with pytest.raises(FetchError, match=r"pause:3\.7 .*HTTP 401 .*; log in") as failed:
        run(image(pin=registry.pause), mirrors=through(front))
    config = logins(tmp_path, front, front.login)
    run(image(pin=registry.pause), mirrors=through(front), docker_config=config)
    config.write_text(config.read_text().replace("=", "").replace('"auth": "', '"auth": "AAAA'))
    with pytest.raises(FetchError, match="HTTP 401") as wrong:
        run(image("pause:3.8"), mirrors=through(front), docker_config=config)
    assert "hunter2" not in str(failed.value) + str(wrong.value) + str(run.events)


@pytest.mark.parametrize("mode", ["token", "basic"])
def test_user_and_password_of_a_mirrors_url_are_used_and_never_shown(registry, run, front, mode, capfd):
    front.login, front.mode = "robot:hunt/er2", mode
    run(image(pin=registry.pause), mirrors=through(front, "robot:hunt%2Fer2@"))
    with pytest.raises(FetchError, match="HTTP 404") as failed:
        run(image("pause:9"), mirrors=through(front, "robot:hunt%2Fer2@"))
    said = "".join([str(failed.value), str(run.events), *capfd.readouterr()])
    assert "robot" not in said
    assert "er2" not in said


def test_a_program_that_keeps_logins_is_asked(registry, run, front, tmp_path, monkeypatch):
    front.login = "robot:hunter2"
    program = tmp_path / "docker-credential-vault"
    program.write_text('#!/bin/sh\ncat >/dev/null\necho \'{"Username": "robot", "Secret": "hunter2"}\'\n')
    program.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"credHelpers": {front.host: "vault"}}))
    wanted = image(pin=registry.pause)
    with pytest.raises(FetchError, match="HTTP 401"):
        run(wanted, mirrors=through(front), docker_config=config)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run(wanted, mirrors=through(front), docker_config=config)


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"auths": {"HOST": 7}}', '{"auths": 7}'])
def test_a_damaged_config_of_docker_is_one_clear_error(run, front, tmp_path, text):
    config = tmp_path / "config.json"
    config.write_text(text.replace("HOST", front.host))
    with pytest.raises(FetchError, match=rf"config\.json: its login for {front.host} cannot be read; log in again"):
        run(image(), mirrors=through(front), docker_config=config)


def test_where_dockers_config_is(tmp_path):
    (tmp_path / ".docker").mkdir()
    assert docker_config({"HOME": str(tmp_path)}) is None
    path = tmp_path / ".docker" / "config.json"
    path.write_text("{}")
    assert docker_config({"HOME": str(tmp_path)}) == path
    assert docker_config({"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none")}) is None
    assert docker_config({"DOCKER_CONFIG": str(tmp_path / ".docker")}) == path
    assert docker_config({}) is None


def test_a_blob_that_is_handed_over_to_another_host_takes_no_token_along(registry, run, front):
    with front_of(registry) as other:
        other.mode, front.elsewhere = "elsewhere", other.url.replace("127.0.0.1", "localhost")
        wanted = image(pin=registry.pause)
        run(wanted, mirrors=through(front))
        assert other.leaked
        assert set(other.leaked) == {""}


def test_a_token_server_that_is_down_or_talks_nonsense_is_one_error(run, front):
    for body in (b"nonsense", b"[]", b"{}", b'{"token": 7}', None):
        front.damage["/token"] = body
        front.failing["/token"] = 0 if body else 100
        with pytest.raises(FetchError, match=r"pause:3\.7 .*(/token: gives no token; check|HTTP 401 .*; log in)"):
            run(image(), mirrors=through(front))


def test_a_503_then_200_is_tried_again_also_of_the_token(registry, run, front):
    front.failing["/token"] = 1
    front.failing[f"/v2/{UPSTREAM}/pause/manifests/{registry.pause}"] = 2
    wanted = image(pin=registry.pause)
    run(wanted, mirrors=through(front))


def test_a_registry_that_never_recovers_is_one_error(registry, run, front):
    front.failing[f"/v2/{UPSTREAM}/pause/manifests/3.7"] = 100
    with pytest.raises(FetchError, match=r"pause:3\.7 .*HTTP 503 Service Unavailable; try again"):
        run(image(), mirrors=through(front))


def parts_of(registry, tag="pause:3.7", arch="amd64"):
    """Paths of manifest, config and first layer."""
    base = f"/v2/{UPSTREAM}/{tag.partition(':')[0]}"
    accept = {"Accept": f"{OCI}.index.v1+json, {OCI}.manifest.v1+json"}

    def get(path):
        return requests.get(registry.url + path, headers=accept, timeout=5)

    listed = get(f"{base}/manifests/{tag.partition(':')[2]}").json()
    entry = next(item for item in listed["manifests"] if item["platform"]["architecture"] == arch)
    manifest = get(f"{base}/manifests/{entry['digest']}").json()
    return [
        f"{base}/manifests/{entry['digest']}",
        f"{base}/blobs/{manifest['config']['digest']}",
        f"{base}/blobs/{manifest['layers'][0]['digest']}",
    ]


@pytest.mark.parametrize("part", range(3), ids=["manifest", "config", "layer"])
def test_a_changed_part_is_refused_whatever_it_is(registry, run, front, part):
    front.mode = "open"
    path = parts_of(registry)[part]
    front.damage[path] = b"evil"
    wanted = path.rpartition("/")[2]
    with pytest.raises(
        FetchError, match=f"its digest is {digest(b'evil')}, wanted {wanted}; it was damaged or changed"
    ):
        run(image(pin=registry.pause), mirrors=through(front))
    assert run.images() == []
    front.damage.clear()
    run(image(pin=registry.pause), mirrors=through(front))


def test_a_run_that_was_stopped_goes_on_with_the_blobs_it_has(registry, run, front):
    front.mode = "open"
    _, config, layer = parts_of(registry)
    front.damage[layer] = b"evil"
    with pytest.raises(FetchError):
        run(image(pin=registry.pause), mirrors=through(front))
    front.damage.clear()
    front.seen.clear()
    (folder,) = (run.store.root / "unverified").glob("*.blobs")
    (folder / (layer.rpartition(":")[2] + ".part")).write_bytes(b"not its beginning")
    run(image(pin=registry.pause), mirrors=through(front))
    assert front.seen[config] == 0
    assert front.seen[layer] >= 1


def test_a_blob_that_rotted_on_the_disk_is_not_packed(registry, run, front):
    front.mode = "open"
    _, config, layer = parts_of(registry)
    front.damage[layer] = b"evil"
    with pytest.raises(FetchError):
        run(image(pin=registry.pause), mirrors=through(front))
    (folder,) = (run.store.root / "unverified").glob("*.blobs")
    (folder / config.rpartition(":")[2]).write_bytes(b"rotten")
    front.damage.clear()
    with pytest.raises(FetchError, match="damaged on this disk; run it again"):
        run(image(pin=registry.pause), mirrors=through(front))
    run(image(pin=registry.pause), mirrors=through(front))


KINDS = {"mediaType": f"{OCI}.manifest.v1+json", "digest": "sha256:" + "0" * 64, "size": 1}
BAD = {
    "no json": b"<html>",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "schema 1": packed({"schemaVersion": 1, "fsLayers": []}),
    "both": packed({"manifests": [], "layers": []}),
    "manifests": packed({"manifests": {}}),
    "entries": packed({"manifests": [7]}),
    "empty": packed({"manifests": []}),
    "platform": packed({"manifests": [{**KINDS, "platform": 7}]}),
    "no digest": packed({"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}),
    "digest": packed(
        {"manifests": [{**KINDS, "digest": "../../x", "platform": {"os": "linux", "architecture": "amd64"}}]}
    ),
    "size": packed({"layers": [], "config": {**KINDS, "size": -1}}),
    "no config": packed({"layers": []}),
    "kind": packed({"layers": [], "config": {**KINDS, "size": 2, "digest": digest(b"{}")}, "mediaType": "x"}),
    "layers": packed({"layers": 7, "config": KINDS}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_manifest_that_is_none_is_one_clear_error(run, front, name):
    front.mode = "open"
    front.damage[f"/v2/{UPSTREAM}/pause/manifests/3.7"] = BAD[name]
    with pytest.raises(FetchError, match=r"^registry\.k8s\.io/pause:3\.7 \(from .*(its manifest|is not there for)"):
        run(image(), mirrors=through(front))
    assert not run.lock_path.exists()


def test_memory_stays_small_however_large_a_layer_is(registry, tmp_path):
    """A layer of 150 MB by a process that takes less than 40 MB more than it has at the start."""
    name = f"{UPSTREAM}/large-{os.getpid()}"
    big = os.urandom(1024) * 150_000
    found = registry.blob(name, big)
    config = registry.blob(name, packed({"architecture": "amd64", "os": "linux"}))
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": {"mediaType": f"{OCI}.image.config.v1+json", **config},
        "layers": [{"mediaType": f"{OCI}.layer.v1.tar", **found}],
    }
    registry.manifest(name, "2", manifest, f"{OCI}.manifest.v1+json")
    program = f"""
import resource, sys
from pathlib import Path
from tests.build.test_images import Run, image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wanted = image("{name}:2")
Run(Path(sys.argv[1]))(wanted, mirrors={{"docker://*": {registry.url!r}}})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 40_000, "KiB"
