from __future__ import annotations

import subprocess

import pytest

from builder.errors import PkiError
from builder.pki.keys import key_pem, make_key, public_pem
from builder.pki.sign import load_signer, must_be_signed, sign

TEXT = b"0123  ./install.sh\n"


@pytest.fixture
def key():
    return load_signer(key_pem(make_key("ecdsa-p256")), "key.pem")


def test_a_signature_is_the_same_every_time_and_openssl_accepts_it(key, tmp_path):
    assert sign(key, TEXT) == sign(key, TEXT)
    assert sign(key, TEXT) != sign(key, TEXT + b"x")
    for name, content in {"text": TEXT, "sig": sign(key, TEXT), "pub": public_pem(key).encode()}.items():
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "text"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "Verified OK\n"


def test_only_the_owner_of_the_key_signed(key):
    must_be_signed(public_pem(key), "pub.pem", TEXT, sign(key, TEXT))
    other = load_signer(key_pem(make_key("ecdsa-p256")), "other.pem")
    for text, signature in ((TEXT + b"x", sign(key, TEXT)), (TEXT, sign(other, TEXT)), (TEXT, b"")):
        with pytest.raises(PkiError, match=r"not one of pub\.pem"):
            must_be_signed(public_pem(key), "pub.pem", text, signature)


@pytest.mark.parametrize(("pem", "wrong"), [("", "cannot be read"), (public_pem(make_key("rsa-2048")), "not an ECDSA")])
def test_a_public_key_that_is_none_is_named(key, pem, wrong):
    with pytest.raises(PkiError, match=wrong):
        must_be_signed(pem, "pub.pem", TEXT, sign(key, TEXT))


def test_only_p256_signs():
    with pytest.raises(PkiError, match="not an ECDSA P-256 key; make one"):
        load_signer(key_pem(make_key("rsa-2048")), "key.pem")
