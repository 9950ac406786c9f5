"""tools/kubernetes against an archive of our own, whose `kubernetes` is a few lines of make."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.programs import KUBERNETES, UNREACHABLE
from tests.kit import ROOT

NEEDED = ("apt-get", "go", "dpkg-source", "dpkg-scansources", "jq", "rsync")
VERSION = "1.20.5+really1.20.2-1.1+deb12u1"
# leaves a mark for each build, and shows what the build was given
MAKEFILE = """all:
\t@echo built >> {marks}
\t@mkdir -p _output/local/bin/linux/$$(go env GOARCH)
\t@env > {marks}.environ
\t@echo "$(GOFLAGS)|$(GOLDFLAGS)" >> {marks}.environ
\t@sleep {seconds}
\t@for what in $(WHAT); do echo $$what > _output/local/bin/linux/$$(go env GOARCH)/$${{what#cmd/}}; done
"""


class Archive:
    """A flat archive with one source package, and a cache for the tool."""

    def __init__(self, folder):
        self.folder = folder
        self.marks = folder / "marks"
        self.cache = folder / "cache"

    def offer(self, version=VERSION, seconds=0, makefile=MAKEFILE):
        shutil.rmtree(self.folder / "archive", ignore_errors=True)
        tree = self.folder / "archive" / "tree"
        (tree / "debian" / "source").mkdir(parents=True)
        (tree / "Makefile").write_text(makefile.format(marks=self.marks, seconds=seconds))
        (tree / "debian/source/format").write_text("1.0\n")
        (tree / "debian/control").write_text(
            "Source: kubernetes\nMaintainer: T <t@example.org>\nStandards-Version: 4.5.0\n\n"
            "Package: kubernetes-client\nArchitecture: any\nDescription: none\n"
        )
        (tree / "debian/changelog").write_text(
            f"kubernetes ({version}) unstable; urgency=low\n\n  * x\n\n -- T <t@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n"
        )
        # format 1.0: native with a version that has a revision is only warned of
        run = partial(subprocess.run, cwd=tree.parent, check=True, capture_output=True, text=True)
        run(["dpkg-source", "-b", "tree"])
        (tree.parent / "Sources").write_text(run(["dpkg-scansources", "."]).stdout)

    def environ(self, sources=None):
        sources = sources or f"deb-src [trusted=yes] file://{self.folder}/archive ./"
        return os.environ | {
            "XDG_CACHE_HOME": str(self.cache),
            "DEBIAN_SOURCES": sources,
            "MAKEFLAGS": "n",
            "GOFLAGS": "-x",
        }

    def run(self, *arguments, **more):
        command = [ROOT / "tools/kubernetes", *arguments]
        return subprocess.run(
            command, env=self.environ(**more), capture_output=True, text=True, check=False, timeout=120
        )

    def start(self):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([ROOT / "tools/kubernetes"], env=self.environ(), **pipes)

    def builds(self):
        return self.marks.read_text().count("built") if self.marks.exists() else 0

    def kept(self):
        return sorted(path.name for path in (self.cache / "bundler-tests").iterdir())


@pytest.fixture
def archive(tmp_path):
    lacking = [command for command in NEEDED if not shutil.which(command)]
    if lacking:
        pytest.skip(f"no {' '.join(lacking)} here")
    return Archive(tmp_path)


def test_it_builds_once_and_prints_the_folder(archive):
    archive.offer()
    first = archive.run()
    assert (first.returncode, len(first.stdout.splitlines())) == (0, 1), first.stderr
    folder = Path(first.stdout.strip())
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", *KUBERNETES]
    assert (folder / "kubelet").read_text() == "cmd/kubelet\n"
    # the second time without any network
    second = archive.run(sources="deb-src [trusted=yes] http://127.0.0.1:9/ ./")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert archive.builds() == 1
    assert archive.kept() == [folder.name, "kubernetes.lock"]


def test_the_build_gets_its_own_environment(archive):
    archive.offer()
    assert archive.run().returncode == 0
    *variables, flags = Path(f"{archive.marks}.environ").read_text().splitlines()
    assert flags == "-tags=providerless|-s -w"
    given = dict(line.split("=", 1) for line in variables)
    assert given["KUBE_GIT_VERSION"] == "v1.20.2"
    for name in ("HOME", "GOPATH", "GOCACHE"):
        assert given[name].startswith(str(archive.cache))
        assert not Path(given[name]).exists()


def test_a_folder_is_filled_and_repaired(archive, tmp_path):
    archive.offer()
    wanted = tmp_path / "wanted"
    assert archive.run(wanted).stdout == f"{wanted}\n"
    assert sorted(path.name for path in wanted.iterdir()) == list(KUBERNETES)
    (wanted / "kubelet").unlink()
    assert archive.run(wanted).returncode == 0
    assert (wanted / "kubelet").exists()
    assert archive.builds() == 1


@pytest.mark.parametrize("harm", ["changed", "missing", "no sums", "sums cut"])
def test_a_cache_that_is_not_as_it_was_built_is_built_anew(archive, harm):
    archive.offer()
    folder = Path(archive.run().stdout.strip())
    sums = folder / "SHA256SUMS"
    if harm == "changed":
        (folder / "kubelet").write_text("x")
    elif harm == "missing":
        (folder / "kube-proxy").unlink()
    elif harm == "no sums":
        sums.unlink()
    else:
        sums.write_text("".join(sums.read_text().splitlines(keepends=True)[:2]))
    again = archive.run()
    assert (again.returncode, again.stdout) == (0, f"{folder}\n")
    assert "not as it was built" in again.stderr
    assert archive.builds() == 2
    assert (folder / "kubelet").read_text() == "cmd/kubelet\n"


def test_two_at_once_build_once(archive):
    archive.offer(seconds=2)
    runs = [archive.start() for _ in range(3)]
    answers = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len({out for out, _ in answers}) == 1
    assert sum("waiting for it" in err for _, err in answers) == 2
    assert archive.builds() == 1


def test_without_debians_archive_it_says_so_and_exits_with_75(archive):
    done = archive.run(sources="deb-src [trusted=yes] http://127.0.0.1:9/ ./")
    assert (done.returncode, done.stdout) == (UNREACHABLE, "")
    assert "CANNOT BE REACHED" in done.stderr.splitlines()[-1]
    assert archive.kept() == ["kubernetes.lock"]


def test_only_an_archive_out_of_reach_is_a_reason_to_skip(archive):
    archive.offer(makefile="all:\n\tfalse\n")
    assert archive.run().returncode == 1
    archive.offer(version="1.32.0-1")
    done = archive.run()
    assert done.returncode == 1
    assert "no kubernetes 1.20.2 any more (but: 1.32.0-1)" in done.stderr
    # an archive that nobody vouches for
    unsigned = archive.run(sources=f"deb-src file://{archive.folder}/archive ./")
    assert unsigned.returncode == 1, unsigned.stderr
    assert archive.kept() == ["kubernetes.lock"]


def test_another_revision_of_the_same_version_will_do(archive):
    archive.offer(version="1.20.5+really1.20.2-1.1+deb12u9")
    done = archive.run()
    assert done.returncode == 0, done.stderr
    assert "deb12u9 instead of" in done.stderr


def test_a_run_that_is_ended_leaves_nothing_half_done(archive):
    archive.offer(seconds=1)
    run = archive.start()
    while archive.builds() == 0:
        assert run.poll() is None
    run.terminate()
    run.communicate(timeout=60)
    assert run.returncode == 143
    assert archive.kept() == ["kubernetes.lock"]


def test_the_machines_apt_is_left_alone(archive):
    archive.offer()
    before = {path: path.stat().st_mtime_ns for path in apt_files()}
    assert archive.run().returncode == 0
    after = {path: path.stat().st_mtime_ns for path in apt_files()}
    mine = [path for path in after if str(archive.folder).replace("/", "_") in path.name]
    assert (set(after) - set(before), mine) == (set(), [])


def apt_files():
    return [path for top in ("/etc/apt", "/var/lib/apt/lists") for path in Path(top).rglob("*") if path.is_file()]
