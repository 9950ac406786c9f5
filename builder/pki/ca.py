"""Certificate authorities: made once for a cluster, or taken from what the user gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from builder.errors import PkiError
from builder.model.cluster import KeyAlgorithm
from builder.model.plan import KeyPair
from builder.pki.keys import PrivateKey, key_pem, load_key, make_key

BACKDATE = timedelta(hours=1)
"""Certificates begin this much before they are made: hosts without network have clocks that are off."""


@dataclass(frozen=True)
class Authority:
    """A CA that can sign."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        """The CA's certificate, PEM."""
        return certificate_pem(self.certificate)


def certificate_pem(certificate: x509.Certificate) -> str:
    """A certificate as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def make_ca(common_name: str, algorithm: KeyAlgorithm, validity: timedelta, now: datetime) -> KeyPair:
    """A new self-signed CA: CA:TRUE, path length 0, keyCertSign and cRLSign (RFC 5280, 4.2.1)."""
    key = make_key(algorithm)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate_pem(certificate), key_pem(key))


def load_ca(pair: KeyPair, name: str, now: datetime, passphrase: str | None = None) -> Authority:
    """Read a CA. `name` is what messages call it.

    Raises PkiError when it is not a CA, is outside its window, or key and certificate do not belong together.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise PkiError(f"{name}: the certificate cannot be read", "give a PEM certificate") from error
    key = load_key(pair.key, name, passphrase)
    if public_key != key.public_key():
        raise PkiError(f"{name}: key and certificate do not belong together", "give the key that made it")
    _must_be_ca(certificate, name)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        window = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise PkiError(f"{name}: today is outside its window ({window})", "renew the CA or mend the clock")
    return Authority(certificate, key)


def _must_be_ca(certificate: x509.Certificate, name: str) -> None:
    """BasicConstraints CA:TRUE, and keyCertSign where key usage is given at all."""
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    try:
        may_sign = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        may_sign = True
    if not (is_ca and may_sign):
        raise PkiError(f"{name}: the certificate is not a CA's", "give one with CA:TRUE and keyCertSign")


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """A CA's usages, or a leaf's: digitalSignature and keyEncipherment.

    Kubernetes 1.24 refuses CSRs without key encipherment (facts: tls-requirements.md): leaves have both.
    """
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
