"""Whom install.sh trusts: nobody who could change the bundle under its hands, and the one who signed it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.pki.keys import key_pem, make_key, public_pem
from builder.pki.sign import load_signer, sign
from tests.shell.conftest import Bundle, Host
from tests.shell.test_refusals import refused


def others_write(folder: Path) -> None:
    (folder / "root/etc/containerd/config.toml").chmod(0o646)


def group_writes(folder: Path) -> None:
    os.chown(folder / "MANIFEST", 0, 1000)
    (folder / "MANIFEST").chmod(0o664)


def others_own(folder: Path) -> None:
    os.chown(folder / "root/etc", 1000, 0)


def others_own_above(folder: Path) -> None:
    os.chown(folder.parent, 1000, 0)


def open_above(folder: Path) -> None:
    folder.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (others_write, "./root/etc/containerd/config.toml"),
        (group_writes, "./MANIFEST"),
        (others_own, "./root/etc"),
        (others_own_above, "others than root may swap what lies in /root;"),
        (open_above, "others than root may swap what lies in /root;"),
    ],
)
def test_a_bundle_that_others_could_change_is_refused(
    host: Host, bundle: Bundle, toolset: str, spoil: Callable[[Path], None], said: str
) -> None:
    folder = bundle.write(host.root / "root/bundle")
    spoil(folder)
    done = refused(host, toolset, "--ignore-preflight-errors=all")
    assert "[Bundle]" in done.err
    assert said in done.err


def test_a_bundle_below_a_sticky_folder_is_taken(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "tmp/bundle")
    (host.root / "tmp").chmod(0o1777)
    assert host.run(toolset, "/tmp/bundle", "--dry-run").code == 2


def test_a_bundle_that_changes_after_its_check_has_no_effect(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    before = {path: about for path, about in host.tree().items() if path.startswith("/etc")}
    cp = host.root / "fake/cp"
    source = "/root/bundle/root/opt/kubernetes/bin/kubelet"
    cp.write_text(f'#!/bin/sh\n[ "$1" != {source} ] || echo evil >{source}\nexec /usr/bin/cp "$@"\n')
    cp.chmod(0o755)
    done = host.run(toolset, "/root/bundle")
    assert done.code == 1
    assert "nothing was put in place" in done.err
    assert not (host.root / "opt/kubernetes/bin/kubelet").exists()
    assert not list((host.root / "opt/kubernetes/bin").iterdir())
    cp.unlink()
    assert host.run(toolset, "/root/bundle", "abort").code == 0
    assert {path: about for path, about in host.tree().items() if path.startswith("/etc")} == before


class Signed:
    """A key pair, the public half on the host, and bundles signed with it."""

    def __init__(self, host: Host) -> None:
        self.key = load_signer(key_pem(make_key("ecdsa-p256")), "key")
        self.public = host.root / "root/release.pub"
        self.public.write_text(public_pem(self.key))

    def sign(self, folder: Path) -> None:
        (folder / "SHA256SUMS.sig").write_bytes(sign(self.key, (folder / "SHA256SUMS").read_bytes()))


def trust(host: Host, signed: Signed) -> None:
    (host.root / "etc/bundler").mkdir()
    (host.root / "etc/bundler/trusted.pub").write_text(signed.public.read_text())


def test_a_signed_bundle_is_taken(host: Host, bundle: Bundle, toolset: str) -> None:
    folder = bundle.write(host.root / "root/bundle")
    signed = Signed(host)
    signed.sign(folder)
    for args in ([], ["--key", "/root/release.pub", "--require-signature"]):
        assert host.run(toolset, "/root/bundle", "--dry-run", *args).code == 2
    trust(host, signed)
    assert host.run(toolset, "/root/bundle", "--dry-run", "--require-signature").code == 2
    assert host.run(toolset, "/root/bundle", "verify", "--require-signature").code == 0


def test_a_bundle_of_someone_else_is_refused(host: Host, bundle: Bundle, toolset: str) -> None:
    folder = bundle.write(host.root / "root/bundle")
    Signed(host).sign(folder)
    signed = Signed(host)
    trust(host, signed)
    assert "[Signature] SHA256SUMS.sig is not a signature of /etc/bundler/trusted.pub" in refused(host, toolset).err
    signed.sign(folder)
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + "\n")
    assert "is not a signature" in refused(host, toolset).err


def test_an_unsigned_bundle_is_refused_where_a_signature_is_wanted(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    signed = Signed(host)
    assert "there is no key" in host.run(toolset, "/root/bundle", "--require-signature").err
    assert "the bundle is not signed" in refused(host, toolset, "--key=/root/release.pub").err
    trust(host, signed)
    assert "the bundle is not signed" in refused(host, toolset, "--require-signature").err
    loose = host.run(toolset, "/root/bundle", "--dry-run")
    assert loose.code == 2
    assert "warning: [Signature] the bundle is not signed" in loose.err
