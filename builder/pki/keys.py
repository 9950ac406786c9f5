"""Private keys: made by algorithm, read and written as PEM."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from builder.errors import PkiError
from builder.model.cluster import KeyAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_key(algorithm: KeyAlgorithm) -> PrivateKey:
    """A new private key."""
    if algorithm == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm.removeprefix("rsa-")))


def algorithm_of(key: PrivateKey) -> str:
    """The algorithm in cluster.yaml's words (`ecdsa-p256`, `rsa-2048`, …)."""
    if isinstance(key, rsa.RSAPrivateKey):
        return f"rsa-{key.key_size}"
    return f"ecdsa-p{key.curve.key_size}"


def key_pem(key: PrivateKey) -> str:
    """PKCS#8, unencrypted: every program of a node reads it; the file's mode 0600 guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def public_pem(key: PrivateKey) -> str:
    """The public half, as SubjectPublicKeyInfo."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


def load_key(pem: str, name: str, passphrase: str | None = None) -> PrivateKey:
    """Read a PEM private key. Raises PkiError, which never quotes the key or the passphrase."""
    secret = passphrase.encode() if passphrase is not None else None
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=secret)
    except TypeError as error:
        if secret is None:
            raise PkiError(f"{name}: the key is encrypted", "give passphraseEnv or passphraseFile") from error
        raise PkiError(f"{name}: the key is not encrypted", "leave the passphrase out") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        remedy = "check the passphrase" if secret is not None else "give an unencrypted or encrypted PEM key"
        raise PkiError(f"{name}: the private key cannot be read", remedy) from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise PkiError(f"{name}: neither an RSA nor an ECDSA key", "give a CA whose key is one of them")
    return key
