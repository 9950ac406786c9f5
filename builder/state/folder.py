"""The state folder on disk: who may read it, one build at a time, whole files only."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from builder.errors import StateError
from builder.model.plan import KeyPair

_IGNORE = "# Keys and certificates of a cluster. Back them up; never commit them.\n*\n"


class StateFolder:
    """The cluster's secrets and allocations: a folder 0700, files 0600, nothing half written.

    allocations.json          pod subnet of each node that ever was, by name
    pki/cluster-ca.pem, …     the CAs that bundler made, each with its -key.pem
    pki/service-account.pem   the key pair that service-account tokens are signed with; pki/encryption-key-key.pem the
                              key that Secrets are encrypted with in etcd
    admin.kubeconfig          the operator's way in
    pki/<owner>/<name>.pem    leaves, each with its -key.pem
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one build, made when missing.

        Raises StateError when others can read it, or another build holds it.
        """
        try:
            self._prepare()
            handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(f"{self.root}: {error.strerror}", "give another --state folder") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise StateError(f"{self.root}: another build is using it", "wait for it to end") from error
        try:
            yield
        finally:
            os.close(handle)

    def _prepare(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.root.stat()
        if status.st_uid != os.geteuid():
            raise StateError(f"{self.root}: belongs to another user", "build as its owner or give --state")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise StateError(f"{self.root}: others can read the keys in it", f"chmod 700 {self.root}")
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text(_IGNORE)

    def allocations(self) -> dict[str, IPv4Network]:
        """The pod subnet of every node that ever had one here. Raises StateError when it cannot be read."""
        path = self.root / "allocations.json"
        if not path.exists():
            return {}
        try:
            return {name: IPv4Network(text) for name, text in json.loads(path.read_text()).items()}
        except (ValueError, AttributeError) as error:
            raise StateError(f"{path}: damaged", "put it back from a backup") from error

    def keep_allocations(self, subnets: Mapping[str, IPv4Network]) -> None:
        """Remember these subnets beside those already remembered."""
        known = self.allocations()
        merged = {**known, **subnets}
        if merged != known:
            text = {name: str(merged[name]) for name in sorted(merged)}
            self._write("allocations.json", json.dumps(text, indent=2) + "\n")

    def pair(self, name: str) -> KeyPair | None:
        """A kept certificate and key, by id (`k8s-node1/kubelet`)."""
        certificate, key = self._paths(name)
        try:
            return KeyPair((self.root / certificate).read_text(), (self.root / key).read_text())
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self.root / certificate}: cannot be read", "check its mode and owner") from error

    def keep_pair(self, name: str, pair: KeyPair) -> None:
        """Keep a certificate and its key: the key first, so that no certificate is there without one."""
        certificate, key = self._paths(name)
        self._write(key, pair.key)
        self._write(certificate, pair.certificate)

    def keep_text(self, name: str, text: str) -> None:
        """Keep a secret text, as a file of that name; one that is the same already is left alone."""
        path = self.root / name
        if not path.exists() or path.read_text() != text:
            self._write(name, text)

    @staticmethod
    def _paths(name: str) -> tuple[str, str]:
        return f"pki/{name}.pem", f"pki/{name}-key.pem"

    def _write(self, relative: str, text: str) -> None:
        """Write aside with mode 0600, sync, rename."""
        target = self.root / relative
        for folder in reversed(target.relative_to(self.root).parents):
            (self.root / folder).mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "w") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            Path(temporary).rename(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
