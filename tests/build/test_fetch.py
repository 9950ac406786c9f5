"""Downloads against a real HTTP server with faults: one clear error each, and a clean store."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from builder.errors import FetchError, LockError, MissingError
from builder.events import Progress, Warned
from builder.fetch.artifacts import FetchOptions, fetch_all
from builder.fetch.lock import Lock
from builder.fetch.mirrors import parse_mirror
from builder.fetch.store import Store
from builder.model.recipe import Artifact, Checksum, Digest
from tests.build.faulty import Page, serving
from tests.kit import NOW, ROOT

BODY = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(40_000))
SHA256 = hashlib.sha256(BODY).hexdigest()
SHA512 = hashlib.sha512(BODY).hexdigest()


@pytest.fixture
def server():
    with serving() as made:
        yield made


class Run:
    """One user's store and lock, and what a run said."""

    def __init__(self, folder):
        self.store = Store(folder / "store")
        self.lock_path = folder / "bundler.lock"
        self.events = []

    def __call__(self, *artifacts, mirrors=None, **options):
        return fetch_all(
            artifacts,
            store=self.store,
            lock=Lock.load(self.lock_path),
            mirrors=mirrors or {},
            options=FetchOptions(backoff=0.01, **options),
            now=NOW,
            sink=self.events.append,
        )

    def warnings(self):
        return [event.text for event in self.events if isinstance(event, Warned)]

    def artifacts_in_store(self):
        return sorted(path.name for path in (self.store.root / "artifacts").rglob("*") if path.is_file())

    def parts(self):
        return [path.name for path in (self.store.root / "unverified").glob("*.part")]

    def is_clean(self):
        return self.artifacts_in_store() == [] and self.parts() == []


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def artifact(server, path="/dl/tool", digest=True, **changes):
    made = Artifact(
        component="tool",
        version="v1",
        arch="amd64",
        url=server.url + path,
        kind="binary",
        digest=Digest("sha256", SHA256) if digest is True else digest,
        recipe="recipes/tool.toml",
    )
    return replace(made, **changes)


def test_a_file_is_fetched_once_and_then_taken_from_the_store(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    wanted = artifact(server)
    first = run(wanted)[wanted]
    assert first.path.read_bytes() == BODY
    assert (str(first.digest), first.size) == (f"sha256:{SHA256}", len(BODY))
    run(wanted)
    assert server.total("/dl/tool") == 1
    assert any(isinstance(event, Progress) and event.done for event in run.events)


def test_a_cut_download_goes_on_where_it_was_cut(server, run):
    server.pages["/dl/tool"] = Page(BODY, cut=100_000, times=2, headers={"ETag": '"v1"'})
    run(artifact(server))
    asked = [range_ for _, range_ in server.requests]
    assert asked == ["", "bytes=100000-", "bytes=200000-"]
    assert run.artifacts_in_store() == [SHA256]


def test_a_download_that_an_earlier_run_left_half_goes_on(server, run):
    server.pages["/dl/tool"] = Page(BODY, cut=50_000)
    with pytest.raises(FetchError, match="cut off 5 times.*; run it again to go on from there"):
        run(artifact(server))
    assert run.artifacts_in_store() == []
    server.pages["/dl/tool"] = Page(BODY)
    server.requests.clear()
    run(artifact(server))
    assert list(server.requests) == [("/dl/tool", "bytes=250000-")]


def test_a_server_that_knows_no_ranges_sends_all_again(server, run):
    server.pages["/dl/tool"] = Page(BODY, cut=100_000, times=1, ranges=False)
    run(artifact(server))
    assert run.artifacts_in_store() == [SHA256]


def test_half_of_another_file_does_not_spoil_the_next_download(server, run):
    server.pages["/dl/tool"] = Page(b"other" * 100_000, cut=50_000)
    with pytest.raises(FetchError):
        run(artifact(server))
    server.pages["/dl/tool"] = Page(BODY)
    server.requests.clear()
    run(artifact(server))
    assert run.artifacts_in_store() == [SHA256]
    assert [range_ for _, range_ in server.requests] == ["bytes=250000-", ""]


def test_a_range_that_gives_less_than_asked_is_no_end(server, run):
    server.pages["/dl/tool"] = Page(BODY, cut=500_000, times=1, share=300_000, headers={"ETag": '"v1"'})
    wanted = artifact(server, digest=None)
    run(wanted)
    assert Lock.load(run.lock_path).get(wanted.url).digest.hex == SHA256


@pytest.mark.parametrize("headers", [{}, {"ETag": '"v1"'}])
def test_what_no_digest_is_known_of_is_never_sewn_together_from_two_versions(server, run, headers):
    server.pages["/dl/tool"] = Page(BODY[::-1], cut=100_000, times=1, then=BODY, headers=headers)
    wanted = artifact(server, digest=None)
    run(wanted)
    assert Lock.load(run.lock_path).get(wanted.url).digest.hex == SHA256


def test_a_part_longer_than_the_file_is_begun_anew(server, run):
    server.pages["/dl/tool"] = Page(BODY + b"x" * 10, cut=len(BODY) + 5)
    with pytest.raises(FetchError):
        run(artifact(server))
    server.pages["/dl/tool"] = Page(BODY)
    run(artifact(server))
    assert run.artifacts_in_store() == [SHA256]


def test_a_wrong_digest_is_refused_and_names_both(server, run):
    server.pages["/dl/tool"] = Page(b"evil")
    with pytest.raises(FetchError) as failed:
        run(artifact(server))
    assert f"wanted sha256:{SHA256}" in str(failed.value)
    assert hashlib.sha256(b"evil").hexdigest() in str(failed.value)
    assert run.is_clean()


def test_a_truncated_file_with_an_honest_length_is_a_wrong_digest(server, run):
    server.pages["/dl/tool"] = Page(BODY[:-1])
    with pytest.raises(FetchError, match="its digest is"):
        run(artifact(server))
    assert run.is_clean()


def test_a_server_that_promises_more_than_it_sends_is_cut_off(server, run):
    server.pages["/dl/tool"] = Page(b"short", declared=10_000, ranges=False)
    with pytest.raises(FetchError, match="cut off 5 times"):
        run(artifact(server, digest=None))
    assert run.artifacts_in_store() == []


def test_a_redirect_is_followed_and_a_loop_is_not(server, run):
    server.pages["/moved"] = Page(location="/dl/tool")
    server.pages["/dl/tool"] = Page(BODY)
    run(artifact(server, "/moved"))
    server.pages["/a"], server.pages["/b"] = Page(location="/b"), Page(location="/a")
    with pytest.raises(FetchError, match="redirects in a loop"):
        run(artifact(server, "/a", digest=Digest("sha256", "0" * 64)))


def test_a_404_is_said_with_its_url(server, run):
    with pytest.raises(FetchError, match=r"/dl/none: HTTP 404 Not Found; check the version"):
        run(artifact(server, "/dl/none"))
    assert run.is_clean()


def test_a_500_then_200_is_retried(server, run):
    server.pages["/dl/tool"] = Page(BODY, first=[500, 503])
    run(artifact(server))
    assert server.total("/dl/tool") == 3


def test_too_many_requests_waits_as_it_is_told(server, run):
    server.pages["/dl/tool"] = Page(BODY, first=[429], headers={"Retry-After": "0"})
    run(artifact(server))
    assert run.artifacts_in_store() == [SHA256]


def test_a_server_that_never_recovers_is_one_error(server, run):
    server.pages["/dl/tool"] = Page(status=500)
    with pytest.raises(FetchError, match="HTTP 500"):
        run(artifact(server))
    assert run.is_clean()


def test_a_host_that_does_not_answer_is_one_error(run, server):
    with pytest.raises(FetchError, match="cannot be reached; check the network"):
        run(replace(artifact(server), url="http://127.0.0.1:1/x"))
    assert run.is_clean()


def test_a_name_that_nobody_knows_is_told_apart(run, server):
    too_long_to_be_asked_for = ".".join(["a" * 60] * 5)
    with pytest.raises(FetchError, match=r"its host's name is not known \(DNS\)"):
        run(replace(artifact(server), url=f"http://{too_long_to_be_asked_for}/x"))


@pytest.fixture
def pem(tmp_path):
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    path = tmp_path / "tls.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-days",
        "2",
        "-subj",
        "/CN=x",
        "-out",
    ]
    given = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key")]
    subprocess.run([*command, str(path), *given], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "key").read_text())
    return path


def test_the_usual_variable_brings_a_ca_and_without_it_tls_is_not_trusted(run, pem, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with serving(pem) as server:
        server.pages["/dl/tool"] = Page(BODY)
        with pytest.raises(FetchError, match="its TLS certificate is not trusted; set REQUESTS_CA_BUNDLE"):
            run(artifact(server))
        assert run.is_clean()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        run(artifact(server))
    assert run.artifacts_in_store() == [SHA256]


def test_a_redirect_from_https_to_http_is_not_followed(run, server, pem, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    server.pages["/dl/tool"] = Page(BODY)
    with serving(pem) as safe:
        safe.pages["/dl/tool"] = Page(location=f"{server.url}/dl/tool")
        with pytest.raises(FetchError, match="redirects from https to http; use another mirror"):
            run(artifact(safe))
        assert not server.requests
        safe.pages["/moved"], safe.pages["/dl/tool"] = Page(location="/dl/tool"), Page(BODY)
        run(artifact(safe, "/moved"))
    assert run.artifacts_in_store() == [SHA256]


def test_all_failures_are_listed_and_the_others_are_kept(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    good, gone, wrong = (
        artifact(server),
        artifact(server, "/gone"),
        artifact(server, "/wrong", Digest("sha256", "1" * 64)),
    )
    server.pages["/wrong"] = Page(b"x")
    with pytest.raises(FetchError) as failed:
        run(good, gone, wrong)
    assert "2 downloads failed" in str(failed.value)
    assert "/gone: HTTP 404" in str(failed.value)
    assert "/wrong: its digest is" in str(failed.value)
    assert run.artifacts_in_store() == [SHA256]


def test_sha512_pins_are_checked_and_found_again(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    wanted = artifact(server, digest=Digest("sha512", SHA512))
    assert run(wanted)[wanted].digest == Digest("sha256", SHA256)
    run(wanted)
    assert server.total("/dl/tool") == 1
    server.pages["/dl/other"] = Page(b"other")
    with pytest.raises(FetchError, match="its digest is sha512:"):
        run(artifact(server, "/dl/other", digest=Digest("sha512", "0" * 128)))


def test_a_first_download_is_recorded_with_a_warning_and_held_to(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    wanted = artifact(server, digest=None)
    run(wanted)
    assert any("NOBODY PUBLISHES A DIGEST OF tool v1 amd64" in text for text in run.warnings())
    entry = Lock.load(run.lock_path).get(wanted.url)
    assert (entry.digest.hex, entry.size, entry.date, entry.origin) == (
        SHA256,
        len(BODY),
        "2026-11-23T12:00:00Z",
        "first-download",
    )
    server.pages["/dl/tool"] = Page(b"changed upstream")
    fresh = Run(run.lock_path.parent / "other")
    fresh.lock_path = run.lock_path
    with pytest.raises(FetchError, match=f"wanted sha256:{SHA256}"):
        fresh(wanted)


def test_upstreams_checksum_file_is_believed_recorded_and_not_shouted_about(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    server.pages["/dl/tool.sha256"] = Page(SHA256.encode())
    wanted = artifact(server, digest=None, checksum=Checksum(server.url + "/dl/tool.sha256", "bare"))
    run(wanted)
    assert run.warnings() == []
    assert Lock.load(run.lock_path).get(wanted.url).origin == "upstream-checksum"


def test_a_file_that_is_not_what_upstreams_checksum_says_is_refused(server, run):
    server.pages["/dl/tool"] = Page(b"evil")
    server.pages["/sums"] = Page(f"{SHA256}  tool\n".encode())
    wanted = artifact(server, digest=None, checksum=Checksum(server.url + "/sums", "sums"))
    with pytest.raises(FetchError, match="its digest is"):
        run(wanted)
    assert run.is_clean()
    assert not run.lock_path.exists()


def test_a_missing_checksum_file_is_an_error_and_no_reason_to_trust(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    wanted = artifact(server, digest=None, checksum=Checksum(server.url + "/none", "sums"))
    with pytest.raises(FetchError, match="/none: HTTP 404"):
        run(wanted)
    assert run.artifacts_in_store() == []


def test_a_checksum_that_came_through_a_mirror_is_warned_of(server, run):
    host = server.url.removeprefix("http://")
    server.pages["/up.example/tool"] = Page(BODY)
    server.pages["/up.example/tool.sha256"] = Page(SHA256.encode())
    wanted = replace(
        artifact(server, digest=None),
        url="https://up.example/tool",
        checksum=Checksum("https://up.example/tool.sha256", "bare"),
    )
    run(wanted, mirrors=parse_mirror(f"http://user:hunter2@{host}"))
    assert any("a mirror like the file" in text for text in run.warnings())
    assert not any("hunter2" in str(event) for event in run.events)
    assert Lock.load(run.lock_path).get("https://up.example/tool").digest.hex == SHA256


def test_require_digests_lists_everything_unpinned_and_fetches_nothing(server, run):
    with pytest.raises(FetchError) as failed:
        run(artifact(server, "/a", None), artifact(server, "/b", None), artifact(server), require_digests=True)
    assert "/a" in str(failed.value)
    assert "/b" in str(failed.value)
    assert not server.requests


def test_offline_lists_everything_missing_in_one_go_and_asks_nobody(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    run(artifact(server))
    server.requests.clear()
    with pytest.raises(MissingError) as failed:
        run(
            artifact(server),
            artifact(server, "/a", Digest("sha256", "1" * 64)),
            artifact(server, "/b", None),
            offline=True,
        )
    assert "/a (sha256:1111" in str(failed.value)
    assert "/b (no digest is known)" in str(failed.value)
    assert "/dl/tool" not in str(failed.value)
    run(artifact(server), offline=True)
    assert not server.requests


def test_the_lock_never_replaces_what_a_recipe_pins(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    run(artifact(server, digest=None))
    with pytest.raises(LockError, match=r"recipes/tool\.toml pins sha256:2222"):
        run(artifact(server, digest=Digest("sha256", "2" * 64)))


def test_a_sha512_pin_that_the_lock_contradicts_is_an_error_too(server, run):
    server.pages["/dl/tool"] = Page(b"an older file")
    run(artifact(server, digest=None))
    server.pages["/dl/tool"] = Page(BODY)
    with pytest.raises(LockError, match=rf"recipes/tool\.toml pins sha256:{SHA256}"):
        run(artifact(server, digest=Digest("sha512", SHA512)))


def test_builds_at_once_keep_each_others_entries_and_hold_to_the_first(server, run):
    for path in ("/a", "/b"):
        server.pages[path] = Page(BODY)
    early, late = Lock.load(run.lock_path), Lock.load(run.lock_path)
    for lock, path in ((early, "/a"), (late, "/b"), (late, "/a")):
        given = {"store": run.store, "lock": lock, "mirrors": {}, "options": FetchOptions(backoff=0.01)}
        fetch_all([artifact(server, path, None)], **given, now=NOW, sink=run.events.append)
    kept = Lock.load(run.lock_path)
    assert kept.get(server.url + "/a")
    assert kept.get(server.url + "/b")
    assert server.total("/a") == 1


@pytest.mark.parametrize("key", ["up.example", "https://up.example", "https://up.example/", "up.example/dl"])
def test_a_mirror_takes_the_place_of_a_host_or_prefix(server, run, key):
    rest = "" if key.endswith("dl") else "/dl"
    server.pages[f"/m{rest}/tool"] = Page(BODY)
    wanted = replace(artifact(server), url="https://up.example/dl/tool")
    assert run(wanted, mirrors={key: f"{server.url}/m", "*": "http://127.0.0.1:1"})[wanted].size == len(BODY)


def test_a_folder_serves_as_a_mirror(server, run, tmp_path):
    place = tmp_path / "mirror" / "up.example" / "dl" / "tool"
    place.parent.mkdir(parents=True)
    place.write_bytes(BODY)
    wanted = replace(artifact(server), url="https://up.example/dl/tool")
    for text in (str(tmp_path / "mirror"), f"file://{tmp_path}/mirror"):
        assert run(wanted, mirrors=parse_mirror(text))[wanted].path.read_bytes() == BODY
    with pytest.raises(FetchError, match="No such file"):
        run(
            replace(wanted, url="https://up.example/none", digest=Digest("sha256", "0" * 64)),
            mirrors=parse_mirror(str(tmp_path / "mirror")),
        )


@pytest.mark.parametrize(
    "text",
    ["ftp://x/y", "/nonexistent/folder", "http://", "nonsense", "http://u:hunter2@x:port/", "http://u:hunter2@[::1"],
)
def test_what_is_no_mirror_is_refused(text):
    with pytest.raises(FetchError, match="neither an http") as refused:
        parse_mirror(text)
    assert "hunter2" not in str(refused.value)


def test_a_mirror_of_cluster_yaml_that_is_no_url_is_one_clear_error(server, run):
    with pytest.raises(FetchError, match="a mirror that is not a URL") as failed:
        run(artifact(server), mirrors={"127.0.0.1": "http://u:hunter2@x:port", "*": "http://u:hunter2@x:port"})
    assert "hunter2" not in str(failed.value)
    assert run.is_clean()


def test_two_processes_fetch_one_file_once(server, run, tmp_path):
    server.pages["/dl/tool"] = Page(BODY, cut=600_000, times=1)
    program = f"""
import sys
from pathlib import Path
from tests.build.test_fetch import Run, artifact
class Server: url = {server.url!r}
run = Run(Path(sys.argv[1]))
wanted = artifact(Server)
assert run(wanted)[wanted].size == {len(BODY)}
"""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environ) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert server.total("/dl/tool") == 2, "one download, resumed once"
    assert run.artifacts_in_store() == [SHA256]


def test_a_damaged_lock_is_one_clear_error(run, server):
    for text in (
        "[[artifact]]\nurl = 1\n",
        "nonsense",
        "artifact = 7\n",
        '[[artifact]]\nurl = "x"\ndigest = "md5:0"\n',
        f'[[artifact]]\nurl = "x"\nsize = 1\ndate = ""\norigin = "first-download"\ndigest = "sha256:{SHA256}"\n' * 2,
    ):
        run.lock_path.write_text(text)
        with pytest.raises(LockError, match="damaged"):
            run(artifact(server))


def test_the_lock_is_sorted_and_the_same_whatever_came_first(server, tmp_path):
    server.pages["/a"], server.pages["/b"] = Page(BODY), Page(BODY)
    texts = []
    for number, order in enumerate((["/a", "/b"], ["/b", "/a"])):
        run = Run(tmp_path / str(number))
        for path in order:
            run(artifact(server, path, None))
        texts.append(run.lock_path.read_text())
    assert texts[0] == texts[1]


def test_the_store_notices_bit_rot(server, run):
    server.pages["/dl/tool"] = Page(BODY)
    wanted = artifact(server)
    path = run(wanted)[wanted].path
    assert run.store.verify(wanted.digest)
    path.write_bytes(b"rotten")
    assert not run.store.verify(wanted.digest)
