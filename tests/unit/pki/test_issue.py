from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from builder.errors import PkiError
from builder.model.plan import CertSpec, KeyPair
from builder.pki.ca import load_ca, make_ca
from builder.pki.issue import Policy, issue, why_anew, window
from tests.kit import NOW

DAY = timedelta(days=1)
POLICY = Policy("ecdsa-p256", 365 * DAY, 30 * DAY)
SPEC = CertSpec(
    id="n/kubelet-serving",
    ca="cluster",
    common_name="system:node:n",
    organizations=("system:nodes",),
    dns_names=("n",),
    addresses=("10.1.1.100",),
    usages=("server",),
)


@pytest.fixture(scope="module")
def ca():
    return load_ca(make_ca("kubernetes", "ecdsa-p256", 3650 * DAY, NOW), "ca", NOW)


def openssl(*arguments, stdin=""):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"])
@pytest.mark.parametrize("usage", ["client", "server"])
def test_openssl_verifies_each_kind_for_its_purpose_and_no_other(tmp_path, algorithm, usage):
    pair = make_ca("kubernetes", algorithm, 3650 * DAY, NOW)
    leaf = issue(replace(SPEC, usages=(usage,)), load_ca(pair, "ca", NOW), replace(POLICY, algorithm=algorithm), NOW)
    (tmp_path / "ca").write_text(pair.certificate)
    (tmp_path / "leaf").write_text(leaf.certificate)
    at = ["-attime", str(int(NOW.timestamp())), "-x509_strict", "-CAfile", str(tmp_path / "ca")]
    good = openssl("verify", *at, "-purpose", f"ssl{usage}", str(tmp_path / "leaf"))
    assert good.returncode == 0, good.stderr
    other = "client" if usage == "server" else "server"
    assert openssl("verify", *at, "-purpose", f"ssl{other}", str(tmp_path / "leaf")).returncode != 0


def test_the_kubelets_identity_is_what_the_node_authorizer_wants(ca):
    leaf = issue(replace(SPEC, usages=("client",), dns_names=(), addresses=()), ca, POLICY, NOW)
    text = openssl("x509", "-noout", "-text", "-nameopt", "RFC2253", stdin=leaf.certificate).stdout
    assert "Subject: CN=system:node:n,O=system:nodes" in text
    assert "Digital Signature, Key Encipherment" in text
    assert "TLS Web Client Authentication" in text
    assert "Subject Alternative Name" not in text
    assert "CA:FALSE" in text


def test_serving_certificates_carry_name_and_address(ca):
    text = openssl("x509", "-noout", "-text", stdin=issue(SPEC, ca, POLICY, NOW).certificate).stdout
    assert "DNS:n, IP Address:10.1.1.100" in text


def test_certificates_begin_an_hour_early_and_never_outlive_their_ca():
    short = load_ca(make_ca("c", "ecdsa-p256", 10 * DAY, NOW), "ca", NOW)
    begin, end = window([issue(SPEC, short, POLICY, NOW).certificate])
    assert begin == NOW - timedelta(hours=1)
    assert end == NOW + 10 * DAY


def test_a_year_is_the_default_and_the_window_of_many_is_their_overlap(ca):
    early = issue(SPEC, ca, POLICY, NOW)
    late = issue(SPEC, ca, POLICY, NOW + 5 * DAY)
    begin, end = window([early.certificate, late.certificate])
    assert begin == NOW + 5 * DAY - timedelta(hours=1)
    assert end == NOW + 365 * DAY


def test_a_kept_certificate_that_still_serves_is_kept(ca):
    pair = issue(SPEC, ca, POLICY, NOW)
    assert why_anew(SPEC, pair, ca, POLICY, NOW + 300 * DAY) is None


@pytest.mark.parametrize(
    ("spec", "policy", "later", "reason"),
    [
        (replace(SPEC, addresses=("10.1.1.101",)), POLICY, 0, "names or addresses"),
        (replace(SPEC, dns_names=("n", "m")), POLICY, 0, "names or addresses"),
        (replace(SPEC, common_name="system:node:m"), POLICY, 0, "subject"),
        (replace(SPEC, organizations=()), POLICY, 0, "subject"),
        (replace(SPEC, usages=("client",)), POLICY, 0, "usage"),
        (SPEC, replace(POLICY, algorithm="rsa-2048"), 0, "key algorithm"),
        (SPEC, POLICY, 336, "ends soon"),
        (SPEC, POLICY, -2, "not valid yet"),
    ],
)
def test_only_what_changed_or_expires_is_issued_anew_and_says_why(ca, spec, policy, later, reason):
    pair = issue(SPEC, ca, POLICY, NOW)
    assert reason in why_anew(spec, pair, ca, policy, NOW + later * DAY)


def test_a_certificate_of_another_ca_or_with_another_key_is_issued_anew(ca):
    other = load_ca(make_ca("kubernetes", "ecdsa-p256", 3650 * DAY, NOW), "ca", NOW)
    pair = issue(SPEC, ca, POLICY, NOW)
    assert "not this CA's" in why_anew(SPEC, pair, other, POLICY, NOW)
    assert "key" in why_anew(SPEC, replace(pair, key=issue(SPEC, ca, POLICY, NOW).key), ca, POLICY, NOW)
    assert "damaged" in why_anew(SPEC, KeyPair("garbage", "garbage"), ca, POLICY, NOW)


def test_openssl_made_cas_are_taken_with_and_without_a_passphrase(tmp_path):
    made = ["req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=given", "-days", "30"]
    extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt")]
    assert openssl(*made, *extensions, *files, "-passout", "pass:s3cret").returncode == 0
    pair = KeyPair((tmp_path / "crt").read_text(), (tmp_path / "key").read_text())
    now = datetime.now(timezone.utc) + timedelta(minutes=1)
    given = load_ca(pair, "spec.pki.clusterCA", now, "s3cret")
    assert why_anew(SPEC, issue(SPEC, given, POLICY, now), given, POLICY, now) is None
    with pytest.raises(PkiError, match="encrypted; give passphraseEnv"):
        load_ca(pair, "spec.pki.clusterCA", now)
    with pytest.raises(PkiError, match="check the passphrase") as wrong:
        load_ca(pair, "spec.pki.clusterCA", now, "wr0ng")
    assert "wr0ng" not in str(wrong.value)


def test_what_is_no_ca_is_refused(ca):
    leaf = issue(SPEC, ca, POLICY, NOW)
    with pytest.raises(PkiError, match="not a CA's"):
        load_ca(leaf, "x", NOW)
    with pytest.raises(PkiError, match="do not belong together"):
        load_ca(KeyPair(ca.pem, leaf.key), "x", NOW)
    with pytest.raises(PkiError, match="certificate cannot be read"):
        load_ca(KeyPair("x", leaf.key), "x", NOW)
    with pytest.raises(PkiError, match="outside its window"):
        load_ca(make_ca("c", "ecdsa-p256", DAY, NOW), "x", NOW + 2 * DAY)


def test_a_pair_shows_no_key_when_printed(ca):
    pair = issue(SPEC, ca, POLICY, NOW)
    assert "PRIVATE" not in repr(pair)
    assert "PRIVATE" not in repr(ca)
