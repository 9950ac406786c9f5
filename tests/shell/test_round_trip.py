"""Install, upgrade, uninstall --purge: the host is as it was, by a full snapshot, with the list of exceptions empty."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host
from tests.shell.test_beyond import RULES, inside, real_iptables
from tests.shell.test_generations import run, upgraded
from tests.shell.test_other_actions import foreign_files

TOPS = ("etc", "opt", "var", "run", "sys", "tmp", "fake/units")
ATTRIBUTE = "user.origin"
NOTHING = re.compile(r"#|\*|COMMIT|:[A-Z]+ ACCEPT|\S+_count = ")


def about(path: Path) -> tuple[object, ...]:
    """All that the file system knows of it but its times."""
    stat = path.lstat()
    content = str(path.readlink()) if path.is_symlink() else ""
    if path.is_file() and not path.is_symlink():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    return oct(stat.st_mode), stat.st_uid, stat.st_gid, content, tuple(sorted(attributes.items()))


def snapshot(host: Host) -> dict[str, object]:
    """Files with digests, modes, owners, attributes; units, modules; sysctls, links, addresses, routes, rules."""
    found: dict[str, object] = {}
    for top in TOPS:
        for path in [host.root / top, *(host.root / top).rglob("*")]:
            found["/" + str(path.relative_to(host.root))] = about(path)
    for words in (
        ("sysctl", "-a", "--pattern", "^net"),
        ("ip", "-o", "link"),
        ("ip", "-o", "addr"),
        ("ip", "route", "show", "table", "all"),
        ("ip", "rule"),
        ("iptables-save",),
    ):
        lines = inside(host, *words).splitlines()
        # no times, no counters; iptables makes its tables when it is first used, and an empty one does nothing
        found[" ".join(words)] = sorted(line.split(" [")[0] for line in lines if not NOTHING.match(line))
    return found


@pytest.mark.parametrize("aborted", [False, True], ids=["upgraded", "with an aborted run between"])
def test_the_host_is_as_it_was(host: Host, bundle: Bundle, shell: str, aborted: bool) -> None:
    real_iptables(host)
    foreign_files(host.root)
    for name in ("etc/hosts", "etc/containerd/config.toml"):
        os.setxattr(host.root / name, ATTRIBUTE, b"of the administrator")
    bundle.files["/opt/kubernetes/cfg/iptables.rules"] = (RULES.encode(), 0o644, "-")
    bundle.write(host.root / "root/bundle")
    before = snapshot(host)
    run(host, shell)
    inside(host, "sh", "-c", "iptables-restore --noflush </opt/kubernetes/cfg/iptables.rules")
    for name in ("etcd", "kubelet", "containerd", "cni"):
        (host.root / "var/lib" / name / "data").mkdir(parents=True)
    upgraded(bundle)
    bundle.write(host.root / "root/bundle")
    if aborted:
        systemctl = host.root / "fake/systemctl"
        systemctl.rename(host.root / "fake/sound")
        systemctl.write_text('#!/bin/sh\n[ "$2" != restart ] || kill -9 $PPID\nexec /fake/sound "$@"\n')
        systemctl.chmod(0o755)
        assert host.run(shell, "/root/bundle").code != 0
        (host.root / "fake/sound").rename(systemctl)
        run(host, shell, "abort")
    else:
        run(host, shell)
    assert differs(before, snapshot(host))
    run(host, shell, "uninstall", "--purge")
    exceptions: set[str] = set()
    if shell == "busybox":  # its cp knows no extended attributes, and there is nothing else to copy them with
        exceptions = {"/etc/hosts", "/etc/containerd/config.toml"}
    after = snapshot(host)
    assert differs(before, after) <= exceptions
    for name in exceptions:
        assert before[name][:4] == after[name][:4]  # type: ignore[index]


def differs(one: dict[str, object], other: dict[str, object]) -> set[str]:
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}
