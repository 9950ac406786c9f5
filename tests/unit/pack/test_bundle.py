from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from builder.errors import BundleError
from builder.pack.bundle import OwnFile, SharedFile, tarball_digest, write_bundle
from builder.pack.gzip import CHUNK, COMPRESSOR, member
from builder.pack.segment import Content, MemberIndex, SegmentCache


@pytest.fixture
def cache(tmp_path):
    return SegmentCache(tmp_path / "segments")


def segment_of(cache, content):
    with ThreadPoolExecutor(2) as pool:
        return cache.make(io.BytesIO(content), pool)


def pseudo_random(size, seed=b"x"):
    return b"".join(hashlib.sha256(seed + n.to_bytes(8, "big")).digest() for n in range(size // 32 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 700])
@pytest.mark.parametrize("tar", [["tar"], ["busybox", "tar"]])
def test_gnu_and_busybox_tar_unpack_what_was_packed(cache, tmp_path, size, tar):
    content = pseudo_random(size)
    bundle = tmp_path / "n.tar.gz"
    with bundle.open("wb", buffering=0) as out:
        write_bundle(
            out,
            "node",
            [OwnFile("MANIFEST", 0o644, b"m\n"), OwnFile("root/etc/own", 0o600, b"secret\n")],
            [SharedFile("root/opt/big", 0o755, segment_of(cache, content))],
        )
    subprocess.run([*tar, "xzf", bundle], cwd=tmp_path, check=True)
    assert (tmp_path / "node/root/opt/big").read_bytes() == content
    assert (tmp_path / "node/root/etc/own").read_bytes() == b"secret\n"
    assert (tmp_path / "node/root/opt/big").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700


def test_a_stream_and_a_file_get_the_same_bytes(cache, tmp_path):
    shared = [SharedFile("root/a", 0o755, segment_of(cache, b"a" * 5000))]
    stream = io.BytesIO()
    write_bundle(stream, "node", [], shared)
    with (tmp_path / "f").open("wb", buffering=0) as out:
        write_bundle(out, "node", [], shared)
    assert (tmp_path / "f").read_bytes() == stream.getvalue()
    assert tarball_digest(tmp_path / "f") == (
        hashlib.sha256(stream.getvalue()).hexdigest(),
        len(stream.getvalue()),
    )


def test_headers_say_nothing_of_who_built_it_and_when(cache):
    out = io.BytesIO()
    shared = [SharedFile("root/a", 0o755, segment_of(cache, b"a"))]
    write_bundle(out, "node", [OwnFile("MANIFEST", 0o644, b"")], shared)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        for info in archive:
            assert (info.uid, info.gid, info.uname, info.gname, info.mtime) == (0, 0, "", "", 1651536000)


def test_the_compressor_gives_the_bytes_it_gave_before():
    """If this fails after an update of `deflate`, every bundle changes: raise the bundle's compressor name."""
    sample = b"".join(b"%d bundler %d\n" % (i, i * i) for i in range(4000))
    assert COMPRESSOR == "libdeflate-0.9.0-6"
    assert zlib.crc32(member(sample)) == 1247241244


def test_a_name_that_stands_twice_is_refused():
    own = [OwnFile("root/a", 0o644, b""), OwnFile("root/a", 0o644, b"")]
    with pytest.raises(BundleError, match="root/a stands twice"):
        write_bundle(io.BytesIO(), "node", own, [])


def test_a_name_too_long_for_tar_is_refused():
    with pytest.raises(BundleError, match="no name for a tar archive"):
        write_bundle(io.BytesIO(), "node", [OwnFile("x" * 300, 0o644, b"")], [])


def test_a_kept_segment_is_found_again_and_a_damaged_one_is_not(tmp_path):
    content = Content(hashlib.sha256(b"payload").hexdigest(), 7)
    first = SegmentCache(tmp_path)
    made = segment_of(first, b"payload")
    assert first.find(content) == made
    assert SegmentCache(tmp_path).find(content) == made
    damaged = bytearray(made.path.read_bytes())
    damaged[-9] ^= 1
    made.path.write_bytes(damaged)
    assert SegmentCache(tmp_path).find(content) is None


def test_a_segment_without_its_record_does_not_count(tmp_path):
    cache = SegmentCache(tmp_path)
    made = segment_of(cache, b"payload")
    made.path.with_suffix(".json").unlink()
    assert SegmentCache(tmp_path).find(made.content) is None


def test_a_failing_source_leaves_nothing_in_the_cache(tmp_path):
    class Failing(io.RawIOBase):
        def read(self, _size=-1):
            raise OSError(5, "Input/output error")

    cache = SegmentCache(tmp_path)
    with pytest.raises(OSError, match="Input/output"), ThreadPoolExecutor(1) as pool:
        cache.make(Failing(), pool)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_member_index_remembers_and_survives_damage(tmp_path):
    index = MemberIndex(tmp_path)
    index.keep("a" * 64, {"bin/x": Content("b" * 64, 3)})
    index.keep("a" * 64, {"bin/y": Content("c" * 64, 4)})
    assert MemberIndex(tmp_path).find("a" * 64) == {
        "bin/x": Content("b" * 64, 3),
        "bin/y": Content("c" * 64, 4),
    }
    (tmp_path / f"{'a' * 64}.json").write_text('{"bin/x": 7}')
    assert MemberIndex(tmp_path).find("a" * 64) == {}
