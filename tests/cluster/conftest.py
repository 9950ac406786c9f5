"""Fixtures for clusters that are run from generated files, without virtual machines."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.cluster import programs


@pytest.fixture(scope="session")
def bins(tmp_path_factory):
    """A folder with every real program of a control plane."""
    return programs.fill(tmp_path_factory.mktemp("bins"))


@pytest.fixture(scope="session")
def hosts_folder():
    """A folder with a short name: hosts' sockets lie below it, and a socket's path has 107 characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="bh-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
