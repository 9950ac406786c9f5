from __future__ import annotations

import os
import stat
from ipaddress import IPv4Network

import pytest

from builder.errors import StateError
from builder.model.plan import KeyPair
from builder.state.folder import StateFolder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        state = StateFolder(tmp_path / "a" / "state")
        with state.locked():
            state.keep_pair("n/kubelet", KeyPair("CERT", "KEY"))
            state.keep_allocations({"n": IPv4Network("172.7.1.0/24")})
    finally:
        os.umask(old)
    for path in state.root.rglob("*"):
        if path.name != ".gitignore":
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert mode(state.root) == 0o700


def test_what_is_kept_is_found_again(tmp_path):
    state = StateFolder(tmp_path / "state")
    with state.locked():
        state.keep_pair("n/kubelet", KeyPair("CERT", "KEY"))
        state.keep_allocations({"n": IPv4Network("172.7.1.0/24")})
        state.keep_allocations({"m": IPv4Network("172.7.2.0/24")})
    again = StateFolder(tmp_path / "state")
    assert again.pair("n/kubelet") == KeyPair("CERT", "KEY")
    assert again.pair("m/kubelet") is None
    assert sorted(again.allocations()) == ["m", "n"]


def test_keys_never_get_into_git(tmp_path):
    with StateFolder(tmp_path / "state").locked():
        assert (tmp_path / "state" / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_folder_that_others_can_read_is_refused(tmp_path):
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    with pytest.raises(StateError, match="others can read the keys"), StateFolder(tmp_path / "state").locked():
        pass


def test_two_builds_at_once_are_refused(tmp_path):
    state = StateFolder(tmp_path / "state")
    with state.locked(), pytest.raises(StateError, match="another build"), StateFolder(state.root).locked():
        pass
    with StateFolder(state.root).locked():
        pass


@pytest.mark.parametrize("content", ["", "[]", "{", '{"n": "elephant"}', '{"n": 7000000000000}', "null"])
def test_damaged_allocations_are_one_clear_error(tmp_path, content):
    (tmp_path / "allocations.json").write_text(content)
    with pytest.raises(StateError, match="damaged"):
        StateFolder(tmp_path).allocations()


def test_a_state_path_that_is_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError), StateFolder(tmp_path / "state").locked():
        pass
