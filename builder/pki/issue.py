"""Leaf certificates: issued by a spec, and judged whether a kept one still serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from builder.model.cluster import KeyAlgorithm
from builder.model.plan import CertSpec, KeyPair
from builder.pki.ca import BACKDATE, Authority, certificate_pem, key_usage
from builder.pki.keys import algorithm_of, key_pem, load_key, make_key

_USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


@dataclass(frozen=True)
class Policy:
    """How leaves are made: their key, their life, and how long before its end they are made anew."""

    algorithm: KeyAlgorithm
    validity: timedelta
    renew_before: timedelta


def issue(spec: CertSpec, authority: Authority, policy: Policy, now: datetime) -> KeyPair:
    """A new key and a certificate for it; it never outlives its CA."""
    key = make_key(policy.algorithm)
    end = min(now + policy.validity, authority.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(spec))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - BACKDATE, authority.certificate.not_valid_before_utc))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in spec.usages]), critical=False)
        .add_extension(_authority_key_identifier(authority), critical=False)
    )
    names = _alternative_names(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return KeyPair(certificate_pem(builder.sign(authority.key, hashes.SHA256())), key_pem(key))


def why_anew(spec: CertSpec, pair: KeyPair, authority: Authority, policy: Policy, now: datetime) -> str | None:
    """Why a kept certificate has to be made anew, or None when it still serves."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
        key = load_key(pair.key, spec.id)
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 - whatever is wrong with what was kept, a new one mends it
        return "the kept one is not this CA's or is damaged"
    reasons = (
        (certificate.public_key() != key.public_key(), "its key does not match"),
        (certificate.subject != _subject(spec), "its subject changed"),
        (_names_of(certificate) != set(_alternative_names(spec)), "its names or addresses changed"),
        (_usages_of(certificate) != {_USAGES[usage] for usage in spec.usages}, "its usage changed"),
        (algorithm_of(key) != policy.algorithm, "the key algorithm changed"),
        (certificate.not_valid_before_utc > now, "it is not valid yet by this machine's clock"),
        (_is_near_its_end(certificate, authority, policy, now), "it ends soon"),
    )
    return next((reason for wrong, reason in reasons if wrong), None)


def window(certificates: Sequence[str]) -> tuple[datetime, datetime]:
    """The time in which all of these PEM certificates are valid: (latest begin, earliest end), UTC."""
    loaded = [x509.load_pem_x509_certificate(pem.encode()) for pem in certificates]
    return max(c.not_valid_before_utc for c in loaded), min(c.not_valid_after_utc for c in loaded)


def _is_near_its_end(certificate: x509.Certificate, authority: Authority, policy: Policy, now: datetime) -> bool:
    """Near its end, and a new one would last longer (a CA that itself ends soon cannot help)."""
    end = certificate.not_valid_after_utc
    return end - now < policy.renew_before and end < authority.certificate.not_valid_after_utc


def _subject(spec: CertSpec) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in spec.organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name)])


def _alternative_names(spec: CertSpec) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in spec.dns_names]
    return names + [x509.IPAddress(ip_address(address)) for address in spec.addresses]


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _usages_of(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return set()


def _authority_key_identifier(authority: Authority) -> x509.AuthorityKeyIdentifier:
    """The CA's own subject key identifier where it has one, else made from its key."""
    try:
        own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
