"""Signatures over a bundle's SHA256SUMS: ECDSA P-256 with SHA-256, as `openssl dgst -sha256 -verify` reads them."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builder.errors import PkiError
from builder.pki.keys import PrivateKey, load_key


def load_signer(pem: str, name: str) -> ec.EllipticCurvePrivateKey:
    """Read the key that signs. Raises PkiError for any but an unencrypted ECDSA P-256 key."""
    key: PrivateKey = load_key(pem, name)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError(f"{name}: not an ECDSA P-256 key", "make one: openssl ecparam -name prime256v1 -genkey -noout")
    return key


def sign(key: ec.EllipticCurvePrivateKey, text: bytes) -> bytes:
    """The DER signature. Deterministic (RFC 6979), so that equal builds stay equal byte for byte."""
    return key.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def must_be_signed(public_pem: str, name: str, text: bytes, signature: bytes) -> None:
    """Raises PkiError unless the key's owner signed the text."""
    try:
        key = serialization.load_pem_public_key(public_pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PkiError(f"{name}: the public key cannot be read", "give a PEM public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PkiError(f"{name}: not an ECDSA key", "give the public half of the key that signed")
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise PkiError(f"the signature is not one of {name}", "do not use this bundle") from error
