"""Files of more than 1 MiB, which a re-run reads in ways of their own: compared with cmp, two at a time."""

import os
from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host

CONTENT = {f"/opt/kubernetes/bin/{name}": name.encode() * 200_000 for name in ("kubelet", "kube-proxy", "kubectl")}


@pytest.fixture
def large(host: Host, bundle: Bundle) -> Path:
    """A bundle with three large files on a host that has none of it yet."""
    for path, content in CONTENT.items():
        bundle.files[path] = (content, 0o755, "-")
    return bundle.write(host.root / "root/bundle")


def flip(path: Path) -> None:
    """One bit in the middle, with the size and the time as they were."""
    about = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def wrong(host: Host, shell: str, name: str, script: str) -> None:
    """A command of that name that comes before the real one, which the script knows as `real`."""
    fake = host.root / "fake" / name
    fake.write_text(f"#!/bin/sh\nreal={'/busybox' if shell == 'busybox' else '/usr/bin'}/{name}\n{script}\n")
    fake.chmod(0o755)


def test_a_rerun_sees_them_unchanged(host: Host, large: Path, shell: str) -> None:
    assert host.run(shell, "/root/bundle").code == 0
    before = host.tree(times=True)
    assert host.run(shell, "/root/bundle").out.startswith("nothing to do")
    assert host.tree(times=True) == before


def test_one_bit_in_the_bundle_is_refused(host: Host, large: Path, shell: str) -> None:
    assert host.run(shell, "/root/bundle").code == 0
    flip(large / "root/opt/kubernetes/bin/kube-proxy")
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle")
    assert done.code == 1
    assert "./root/opt/kubernetes/bin/kube-proxy: not what was built (its sha256 differs)\n" in done.err
    assert host.tree(times=True) == before


def test_one_bit_in_both_is_refused(host: Host, large: Path, shell: str) -> None:
    """Equal to one another they are, but not to what was built."""
    assert host.run(shell, "/root/bundle").code == 0
    flip(large / "root/opt/kubernetes/bin/kubelet")
    flip(host.root / "opt/kubernetes/bin/kubelet")
    done = host.run(shell, "/root/bundle")
    assert done.code == 1
    assert "./root/opt/kubernetes/bin/kubelet: not what was built" in done.err


def test_one_bit_on_the_host_is_put_right(host: Host, large: Path, shell: str) -> None:
    assert host.run(shell, "/root/bundle").code == 0
    flip(host.root / "opt/kubernetes/bin/kubectl")
    done = host.run(shell, "/root/bundle")
    assert (done.code, "wrote /opt/kubernetes/bin/kubectl\n" in done.out) == (0, True), done.err
    for path, content in CONTENT.items():
        assert (host.root / path[1:]).read_bytes() == content


def test_a_copy_that_went_wrong_is_not_put_in_place(host: Host, large: Path, toolset: str) -> None:
    """A disk that does not keep what it is given: cp copies, but not all of it arrives."""
    wrong(host, toolset, "cp", 'case $1 in */kubelet) head -c 100 "$1" >"$2" ;; *) exec "$real" "$@" ;; esac')
    done = host.run(toolset, "/root/bundle")
    assert done.code == 1
    assert "not what the manifest lists once it was copied: ./opt/kubernetes/bin/.bundler-new-kubelet;" in done.err
    assert not (host.root / "opt/kubernetes/bin/kubelet").exists()


def test_a_copy_that_vanished_is_not_put_in_place(host: Host, large: Path, toolset: str) -> None:
    remove = "rm -f /opt/kubernetes/bin/.bundler-new-kube-proxy"
    wrong(host, toolset, "cp", f'"$real" "$@" || exit; case $1 in */kubectl) {remove} ;; esac')
    done = host.run(toolset, "/root/bundle")
    assert done.code == 1
    assert "not what the manifest lists once it was copied: ./opt/kubernetes/bin/.bundler-new-kube-proxy;" in done.err


def test_an_xargs_without_parallel_runs_reads_them_one_by_one(host: Host, large: Path, toolset: str) -> None:
    wrong(host, toolset, "xargs", 'for word; do [ "$word" != -P ] || exit 1; done; exec "$real" "$@"')
    test_one_bit_in_the_bundle_is_refused(host, large, toolset)
