from __future__ import annotations

import pytest

from builder.errors import FetchError
from builder.fetch.checksums import parse_checksum

HEX = "ab" * 32
SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{HEX}  runc.amd64
{"cd" * 32}  runc.arm64
-----BEGIN PGP SIGNATURE-----

iQEzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
"""


@pytest.mark.parametrize(
    ("text", "form", "name", "wanted"),
    [
        (HEX, "bare", "kubelet", f"sha256:{HEX}"),
        (HEX.upper() + "\r\n", "bare", "kubelet", f"sha256:{HEX}"),
        ("ef" * 64 + "\n", "bare", "x", "sha512:" + "ef" * 64),
        (f"{HEX}  tool.tgz\n", "sums", "tool.tgz", f"sha256:{HEX}"),
        (f"{'00' * 32}  a\n{HEX} *./dist/tool.tgz\n", "sums", "tool.tgz", f"sha256:{HEX}"),
        (SIGNED, "clearsigned", "runc.amd64", f"sha256:{HEX}"),
        (SIGNED, "clearsigned", "runc.arm64", "sha256:" + "cd" * 32),
    ],
)
def test_the_three_formats_are_read(text, form, name, wanted):
    assert str(parse_checksum(text, form, name, "https://x/sums")) == wanted


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("", "bare", "not a checksum file"),
        ("<html>", "bare", "not a checksum file"),
        ("ab" * 20, "bare", "not a checksum file"),
        (f"{HEX}  other\n", "sums", "does not list tool"),
        (f"{HEX}  tool\n{'00' * 32}  tool\n", "sums", "lists two digests of tool"),
        (f"{HEX}  tool\n", "clearsigned", "not a clear-signed"),
        ("", "sums", "does not list tool"),
    ],
)
def test_anything_else_is_one_clear_error(text, form, said):
    with pytest.raises(FetchError, match=said):
        parse_checksum(text, form, "tool", "https://x/sums")


def test_what_stands_outside_the_signature_does_not_count():
    with pytest.raises(FetchError, match="does not list evil"):
        parse_checksum(f"{HEX}  evil\n{SIGNED}{HEX}  evil\n", "clearsigned", "evil", "https://x")
