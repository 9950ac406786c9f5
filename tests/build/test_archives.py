"""Archives from outside, honest and hostile: one clear error each, and nothing on the disk."""

from __future__ import annotations

import gzip
import io
import random
import tarfile

import pytest

from builder.errors import ArchiveError
from builder.pack.read import Limits, read_members


def archive(path, *entries, packed=True):
    """A tar of (name, content or TarInfo changes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                for field, value in content.items():
                    setattr(info, field, value)
                tar.addfile(info)
    path.write_bytes(gzip.compress(out.getvalue()) if packed else out.getvalue())
    return path


def members(path, *wanted, **more):
    return {name: content.read() for name, _size, content in read_members(path, wanted, **more)}


@pytest.mark.parametrize("packed", [True, False])
def test_wanted_members_are_given_whatever_their_leading_dot(tmp_path, packed):
    path = archive(tmp_path / "a", ("./bridge", b"B"), ("bin/ctr", b"C"), ("README", b"R"), packed=packed)
    assert members(path, "bridge", "./bin/ctr") == {"bridge": b"B", "./bin/ctr": b"C"}


def test_all_missing_members_are_listed_at_once(tmp_path):
    path = archive(tmp_path / "a", ("x", b""))
    with pytest.raises(ArchiveError, match=r"holds no bin/a, bin/b; mend \[\[file\]\] member"):
        members(path, "bin/a", "x", "bin/b")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("/etc/passwd", b"x", "lies outside the archive"),
        ("../../etc/passwd", b"x", "lies outside the archive"),
        ("a/../../b", b"x", "lies outside the archive"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "a link that leads outside"),
        ("a/link", {"type": tarfile.SYMTYPE, "linkname": "../../x"}, "a link that leads outside"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "../x"}, "a link that leads outside"),
        ("dev", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "a device or a pipe"),
        ("dev", {"type": tarfile.BLKTYPE}, "a device or a pipe"),
        ("pipe", {"type": tarfile.FIFOTYPE}, "a device or a pipe"),
        ("tool", {"type": tarfile.SYMTYPE, "linkname": "other"}, "'tool' is not a regular file"),
        ("tool", {"type": tarfile.DIRTYPE}, "'tool' is not a regular file"),
    ],
)
def test_hostile_entries_condemn_the_archive(tmp_path, name, content, said):
    path = archive(tmp_path / "a", (name, content), ("tool", b"T"))
    with pytest.raises(ArchiveError, match=said):
        members(path, "tool")
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_member_that_stands_twice_is_refused(tmp_path):
    path = archive(tmp_path / "a", ("tool", b"good"), ("./tool", b"evil"))
    with pytest.raises(ArchiveError, match="stands in it twice"):
        members(path, "tool")


def test_honest_links_inside_are_passed_over(tmp_path):
    path = archive(tmp_path / "a", ("bin/x", {"type": tarfile.SYMTYPE, "linkname": "../tool"}), ("tool", b"T"))
    assert members(path, "tool") == {"tool": b"T"}


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path):
    path = archive(tmp_path / "a", ("zeros", bytes(80_000_000)), ("tool", b"T"))
    with pytest.raises(ArchiveError, match="like a bomb"):
        members(path, "tool")


def test_too_many_entries_are_refused(tmp_path):
    path = archive(tmp_path / "a", *((f"f{n}", b"") for n in range(30)))
    with pytest.raises(ArchiveError, match="more than 20 entries"):
        members(path, "f1", limits=Limits(entries=20))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>not found</html>" * 100, b"\x1f\x8b\x08garbage" * 50])
def test_what_is_no_archive_is_one_clear_error(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ArchiveError):
        members(tmp_path / "a", "tool")


def test_every_cut_is_an_error(tmp_path):
    whole = archive(tmp_path / "a", ("tool", bytes(range(256)) * 40)).read_bytes()
    for length in range(0, len(whole) - 1, 13):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            members(tmp_path / "cut", "tool")


def test_a_lying_size_is_an_error(tmp_path):
    info = tarfile.TarInfo("tool")
    info.size = 10**12
    (tmp_path / "a").write_bytes(gzip.compress(info.tobuf() + bytes(512)))
    with pytest.raises(ArchiveError):
        members(tmp_path / "a", "tool")


def test_an_unwanted_entry_that_lies_about_its_size_does_not_keep_the_build_busy_for_ever(tmp_path):
    info = tarfile.TarInfo("README")
    info.size = 8**11 - 1
    entry = info.tobuf(tarfile.USTAR_FORMAT)
    info.size = 2**80
    for header in (entry, info.tobuf(tarfile.GNU_FORMAT)):
        (tmp_path / "a").write_bytes(gzip.compress(header + bytes(10_240)))
        with pytest.raises(ArchiveError, match="like a bomb"):
            members(tmp_path / "a", "tool")


def test_headers_that_fill_the_memory_are_refused(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 * 1024 * 1024
    noise = random.Random(1).randbytes(info.size)
    (tmp_path / "a").write_bytes(gzip.compress(info.tobuf() + noise))
    with pytest.raises(ArchiveError, match="a header of more than 1048576 bytes"):
        members(tmp_path / "a", "tool")


def test_headers_upon_headers_are_one_clear_error(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    (tmp_path / "a").write_bytes((info.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")) * 900)
    with pytest.raises(ArchiveError, match="not a whole tar archive"):
        members(tmp_path / "a", "tool")


def rechecked(tar):
    """The same bytes with each header's checksum put right."""
    for at in range(0, len(tar), 512):
        if tar[at + 257 : at + 262] == b"ustar":
            total = sum(tar[at : at + 148]) + sum(tar[at + 156 : at + 512]) + 8 * 32
            tar[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(tar)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_no_altered_header_gives_anything_but_a_file_or_one_clear_error(tmp_path, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name in ("./tool", "a" * 150, "bin/é"):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 700, {"mtime": "1.5"}
            tar.addfile(info, io.BytesIO(b"x" * 700))
    chance = random.Random(form)
    outcomes = set()
    for _ in range(1500):
        altered = bytearray(out.getvalue())
        for _ in range(chance.randint(1, 4)):
            header = chance.randrange(len(altered) // 512) * 512
            field = chance.choice([chance.randrange(512), 124 + chance.randrange(12), 156])
            altered[header + field] = chance.choice([0, 0x80, 0xFF, *b"07xgLKSV", chance.randrange(256)])
        (tmp_path / "a").write_bytes(rechecked(altered))
        try:
            outcomes |= members(tmp_path / "a", "tool").keys()
        except ArchiveError:
            outcomes.add("refused")
    assert outcomes == {"tool", "refused"}
