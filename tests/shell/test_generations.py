"""Journal and generations: upgrades, going back, runs that were cut short, units that do not come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.conftest import Bundle, Host

CONFIG = "opt/kubernetes/cfg/kubelet-config.yml"


def upgraded(bundle: Bundle) -> None:
    """The next bundle of the node: something of everything is new, changed or gone."""
    bundle.head["KUBERNETES"] = "v1.24.17"
    bundle.files["/opt/kubernetes/bin/kubelet"] = (b"\x7fELF\0newer\n" * 100, 0o755, "kubelet.service")
    bundle.files[f"/{CONFIG}"] = (b"kind: Newer\n", 0o640, "kubelet.service")
    bundle.files["/opt/new/deep/file"] = (b"new\n", 0o600, "-")
    bundle.files.pop("/etc/containerd/config.toml", None)
    bundle.blocks["/etc/hosts"] = (b"10.1.1.1 newer\n", "-")
    bundle.links["/opt/kubernetes/current"] = "/opt/kubernetes/cfg"
    bundle.dirs["/opt/kubernetes/logs"] = 0o700


def of_host(host: Host) -> dict[str, tuple[object, ...]]:
    """The host's tree without the bundle, the log, and what the fakes and the kernel made."""
    apart = ("/root", "/run/flannel", "/sys/module", "/var/log/bundler", "/var/lib/bundler")
    return {path: about for path, about in host.tree().items() if not path.startswith(apart)}


def run(host: Host, shell: str, *args: str, code: int = 0) -> str:
    done = host.run(shell, "/root/bundle", *args)
    assert done.code == code, done.out + done.err
    return done.out + done.err


def test_rollback_gives_the_tree_of_the_generation_before(
    host: Host, bundle: Bundle, installed: Path, shell: str
) -> None:
    first = of_host(host)
    upgraded(bundle)
    bundle.write(installed)
    run(host, shell)
    second = of_host(host)
    assert second != first
    host.calls()
    assert "would restart kubelet.service" in run(host, shell, "rollback", "--dry-run", code=2)
    assert of_host(host) == second
    assert "as generation 1" in run(host, shell, "rollback")
    assert of_host(host) == first
    assert host.calls() == [
        "systemctl --no-block restart containerd.service",
        "systemctl --no-block restart kubelet.service",
    ]
    assert "there is no generation before 1" in run(host, shell, "rollback", code=1)
    run(host, shell, "--rollback", "--to=2")
    assert of_host(host) == second
    listed = run(host, shell, "generations").splitlines()
    assert listed[0].startswith("generation 1: Kubernetes v1.24.0, bundler 0.1.0, 15 paths, written 2")
    assert listed[1].endswith(" (installed)")
    assert "there is no generation 7" in run(host, shell, "rollback", "--to", "7", code=1)
    assert run(host, shell).startswith("nothing to do")


def test_what_was_edited_is_kept_for_rollback_too(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    (host.root / CONFIG).write_text("edited in its place\n")
    upgraded(bundle)
    bundle.write(installed)
    run(host, shell)
    run(host, shell, "rollback")
    assert (host.root / CONFIG).read_text() == "kind: KubeletConfiguration\n"


def test_a_content_that_is_not_kept_any_more_is_named(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    upgraded(bundle)
    bundle.write(installed)
    run(host, shell)
    for kept in (host.root / "var/lib/bundler/files").iterdir():
        kept.unlink()
    before = host.tree(times=True)
    said = run(host, shell, "rollback", code=1)
    assert f"[Contents] /{CONFIG} of that generation is not kept, nor in the bundle at hand" in said
    assert host.tree(times=True) == before


def test_a_kept_content_that_changed_is_not_put_in_place(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    upgraded(bundle)
    bundle.write(settled)
    run(host, toolset)
    second = of_host(host)
    for kept in (host.root / "var/lib/bundler/files").iterdir():
        if kept.read_bytes() == b"kind: KubeletConfiguration\n":
            kept.write_text("other\n")
    before = host.tree(times=True)
    assert f"[Contents] /{CONFIG}" in run(host, toolset, "rollback", code=1)
    assert host.tree(times=True) == before
    assert of_host(host) == second


def test_generations_are_pruned(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    for number in range(2, 6):
        bundle.files[f"/{CONFIG}"] = (f"number: {number}\n".encode(), 0o644, "kubelet.service")
        bundle.write(installed)
        run(host, shell, *(["--keep-generations=2"] if number == 5 else []))
        kept = sorted(path.name for path in (host.root / "var/lib/bundler/generations").iterdir())
        assert kept == [str(n) for n in range(max(1, number - (1 if number == 5 else 2)), number + 1)]
    contents = {path.read_bytes() for path in (host.root / "var/lib/bundler/files").iterdir()}
    assert b"number: 4\n" in contents
    assert b"number: 3\n" not in contents


@pytest.mark.parametrize("state", ["failed", "activating"])
def test_units_that_do_not_come_up_bring_the_generation_before_back(
    host: Host, bundle: Bundle, settled: Path, toolset: str, state: str
) -> None:
    (host.root / CONFIG).write_text("edited\n")
    first = of_host(host)
    upgraded(bundle)
    bundle.write(settled)
    (host.root / "fake/broken-kubelet.service").write_text(f"{state}\n")
    done = host.run(toolset, "/root/bundle", "--wait=1")
    assert done.code == 1
    assert "generation 2 did not come up within 1 seconds, and generation 1 is back" in done.err
    assert f"kubelet.service is {state}" in done.err
    assert of_host(host) == first
    assert not (host.root / "var/lib/bundler/journal").exists()
    assert "generation 1: " in run(host, toolset, "generations")


def test_units_that_wait_for_other_hosts_are_no_failure(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    upgraded(bundle)
    bundle.head["WAITING"] = "kubelet.service"
    bundle.write(settled)
    (host.root / "fake/broken-kubelet.service").write_text("activating\n")
    assert "kubelet.service waits for another host" in run(host, toolset, "--wait=1")
    assert "generation 2: Kubernetes v1.24.17" in run(host, toolset, "generations")


def die_before(host: Host, path: str) -> None:
    """The run is killed when it is about to put that path in its place."""
    fake = host.root / "fake/mv"
    fake.write_text(f'#!/bin/sh\n[ "$3" != ./{path} ] || kill -9 $PPID\nexec /usr/bin/mv "$@"\n')
    fake.chmod(0o755)


def live_on(host: Host) -> None:
    (host.root / "fake/mv").unlink()


def test_an_upgrade_that_was_cut_short_is_undone_by_abort(
    host: Host, bundle: Bundle, settled: Path, toolset: str
) -> None:
    (host.root / CONFIG).write_text("edited\n")
    first = of_host(host)
    upgraded(bundle)
    bundle.write(settled)
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle").code != 0
    live_on(host)
    assert of_host(host) != first
    assert "a run was interrupted (install)" in run(host, toolset, "status", code=1)
    assert "a run was interrupted" in run(host, toolset, "rollback", code=1)
    host.calls()
    assert "undone" in run(host, toolset, "abort")
    assert of_host(host) == first
    assert "nothing to do: no run was interrupted" in run(host, toolset, "abort")


def test_a_first_install_that_was_cut_short_is_undone_whole(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.write(host.root / "root/bundle")
    before = of_host(host)
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle").code != 0
    live_on(host)
    assert (host.root / "var/lib/bundler/journal").exists()
    assert of_host(host) != before
    run(host, toolset, "abort")
    assert of_host(host) == before
    assert not (host.root / "var/lib/bundler").exists()


def test_resume_finishes_with_the_same_bundle_only(host: Host, bundle: Bundle, settled: Path, toolset: str) -> None:
    assert "no run was interrupted" in run(host, toolset, "resume")
    upgraded(bundle)
    bundle.write(settled)
    die_before(host, "opt/kubernetes/current")
    assert host.run(toolset, "/root/bundle").code != 0
    live_on(host)
    bundle.head["KUBERNETES"] = "v1.24.9"
    bundle.write(settled)
    assert "the interrupted run was of another bundle" in run(host, toolset, "resume", code=1)
    upgraded(bundle)
    bundle.write(settled)
    assert "done:" in run(host, toolset, "resume")
    assert run(host, toolset).startswith("nothing to do")


def test_the_journal_lists_what_was_there_before(host: Host, bundle: Bundle, installed: Path, shell: str) -> None:
    upgraded(bundle)
    bundle.write(installed)
    die_before(host, "opt/kubernetes/current")
    host.run("dash", "/root/bundle")
    live_on(host)
    journal = (host.root / "var/lib/bundler/journal").read_text()
    assert "# run install\n# from 1\n# bundle " in journal
    assert "\n# restart " in journal
    for line in (
        "was absent - - - - /opt/new\n",
        "was absent - - - - /opt/new/deep/file\n",
        f" 644 0:0 - /{CONFIG}\n",
        "was link - - 0:0 - /opt/kubernetes/current /opt/kubernetes/bin\n",
        "was dir - 755 0:0 - /opt/kubernetes/logs\n",
        "was unit active - - - kubelet.service\n",
    ):
        assert line in journal
    run(host, shell)
