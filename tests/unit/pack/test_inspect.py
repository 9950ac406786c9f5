from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from builder.errors import BundleError
from builder.model.bundle import Entry
from builder.pack.bundle import OwnFile, write_bundle
from builder.pack.inspect import about_bundle, read_bundle, verify_bundle
from builder.pack.manifest import manifest_json, manifest_text, parse_manifest, sums_text


def digest(content):
    return hashlib.sha256(content).hexdigest()


def honest_files(node="node"):
    """The files of a small bundle that is whole and honest."""
    content = b"#!/bin/sh\n"
    entries = [
        Entry("file", "/opt/x", 0o755, digest(content), len(content), ("x.service",), "x"),
        Entry("dir", "/opt/logs", 0o750),
        Entry("link", "/usr/local/bin/x", 0o777, target="/opt/x"),
        Entry("block", "/etc/hosts", 0o644, digest(b"1.2.3.4 a\n"), 10),
    ]
    files = {
        "install.sh": b"exit 0\n",
        "MANIFEST": manifest_text(entries),
        "manifest.json": manifest_json({"node": node}, entries),
        "root/opt/x": content,
        "blocks/etc/hosts": b"1.2.3.4 a\n",
    }
    files["SHA256SUMS"] = sums_text({name: digest(value) for name, value in files.items()})
    return files


def written(path, files, top="node"):
    with path.open("wb") as out:
        write_bundle(out, top, [OwnFile(name, 0o644, content) for name, content in files.items()], [])
    return path


@pytest.fixture
def bundle(tmp_path):
    return written(tmp_path / "node.tar.gz", honest_files())


def test_an_honest_bundle_passes_and_says_what_it_holds(bundle):
    found = verify_bundle(bundle)
    assert found.node == "node"
    assert {entry.path for entry in found.entries} == {"/opt/x", "/opt/logs", "/usr/local/bin/x", "/etc/hosts"}
    assert about_bundle(bundle)["node"] == "node"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.update({"root/opt/x": b"#!/bin/sh\nrm\n"}), "root/opt/x: its digest is"),
        (lambda files: files.update({"root/opt/y": b""}), "root/opt/y: not listed"),
        (lambda files: files.pop("root/opt/x"), "root/opt/x: missing"),
        (lambda files: files.pop("blocks/etc/hosts"), "blocks/etc/hosts: missing"),
        (lambda files: files.pop("SHA256SUMS"), "holds no SHA256SUMS"),
        (lambda files: files.update({"install.sh": b"exit 1\n"}), "install.sh: its digest is"),
    ],
)
def test_whatever_was_altered_is_said(tmp_path, change, said):
    files = honest_files()
    change(files)
    with pytest.raises(BundleError, match=said):
        verify_bundle(written(tmp_path / "b", files))


def test_a_bundle_whose_sums_were_made_to_fit_still_has_to_fit_its_manifest(tmp_path):
    files = honest_files()
    files["root/opt/x"] = b"other"
    del files["SHA256SUMS"]
    files["SHA256SUMS"] = sums_text({name: digest(value) for name, value in files.items()})
    with pytest.raises(BundleError, match="root/opt/x: not what MANIFEST says"):
        verify_bundle(written(tmp_path / "b", files))


def test_the_folder_and_the_manifest_must_name_the_same_node(tmp_path):
    with pytest.raises(BundleError, match="is about 'other'"):
        verify_bundle(written(tmp_path / "b", honest_files("other")))


def with_entry(path, info, content=b""):
    """A tarball with one more entry, made by hand."""
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["/etc/passwd", "node/../../etc/passwd", "node//x", "other/x", "../x"])
def test_a_name_outside_the_bundle_is_refused(tmp_path, name):
    path = tmp_path / "b"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("node/MANIFEST"), io.BytesIO())
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(BundleError):
        read_bundle(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("node/x")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(BundleError, match="neither file nor folder"):
        read_bundle(with_entry(tmp_path / "b", info))


def test_a_file_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "b"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("node/x"), io.BytesIO())
        archive.addfile(tarfile.TarInfo("node/x"), io.BytesIO())
    with pytest.raises(BundleError, match="stands in it twice"):
        read_bundle(path)


def test_bytes_behind_the_end_are_refused(tmp_path, bundle):
    longer = tmp_path / "longer"
    longer.write_bytes(bundle.read_bytes() + gzip.compress(bytes(20480) + b"hidden"))
    with pytest.raises(BundleError, match="bytes behind its end"):
        verify_bundle(longer)


@pytest.mark.parametrize("content", [b"", b"hello", gzip.compress(b"hello", mtime=0), b"\x1f\x8b" + bytes(100)])
def test_what_is_no_bundle_is_one_clear_error(tmp_path, content):
    path = tmp_path / "b"
    path.write_bytes(content)
    for reader in (about_bundle, verify_bundle):
        with pytest.raises(BundleError, match="bundle|tarball"):
            reader(path)


def test_every_cut_of_a_bundle_is_refused(tmp_path, bundle):
    whole = bundle.read_bytes()
    for length in range(0, len(whole) - 1, 97):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(BundleError):
            verify_bundle(tmp_path / "cut")


def test_every_flipped_bit_of_the_content_is_refused_or_harmless(tmp_path, bundle):
    """A flip may hit a gzip header field that nobody reads; then the content must be what it was."""
    whole = bundle.read_bytes()
    honest = verify_bundle(bundle)
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        (tmp_path / "flipped").write_bytes(damaged)
        try:
            found = verify_bundle(tmp_path / "flipped")
        except BundleError:
            continue
        assert {name: file.sha256 for name, file in found.files.items()} == {
            name: file.sha256 for name, file in honest.files.items()
        }


def test_a_missing_file_is_said_in_one_sentence(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        verify_bundle(tmp_path / "none")


def test_a_manifest_is_read_back_as_it_was_written():
    entries = parse_manifest(honest_files()["MANIFEST"].decode())
    assert manifest_text(entries) == honest_files()["MANIFEST"]


@pytest.mark.parametrize(
    "line",
    [
        "file - 0644 0:0 - relative",
        "file zz 0644 0:0 - /x",
        "link - - 0:0 - /x",
        "file " + "a" * 64 + " 4755 0:0 - /x y",
        "device - - 0:0 - /x",
    ],
)
def test_a_line_that_is_no_manifest_entry_is_refused_with_its_number(line):
    with pytest.raises(BundleError, match="MANIFEST line 2"):
        parse_manifest(f"# bundler manifest 1\n{line}\n")


def test_manifest_json_and_manifest_list_the_same_paths():
    files = honest_files()
    listed = [item["path"] for item in json.loads(files["manifest.json"])["files"]]
    assert listed == [entry.path for entry in parse_manifest(files["MANIFEST"].decode())]
