"""What is not up when a run ends: a failure, or only waiting for another host that is installed later."""

from __future__ import annotations

from tests.shell.conftest import Bundle, Host


def test_a_unit_that_waits_for_another_host_is_no_failure(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["WAITING"] = "kubelet.service"
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("activating\n")
    done = host.run(shell, "/root/bundle", "--wait=1")
    assert done.code == 0
    assert "kubelet.service waits for another host" in done.out
    assert "containerd.service" not in done.out.partition("waits for")[2]
    assert done.out.splitlines()[-1].startswith("done: ")


def test_the_next_run_changes_nothing_while_it_still_waits(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["WAITING"] = "kubelet.service"
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("activating\n")
    host.run(shell, "/root/bundle", "--wait=1")
    assert host.calls()
    assert host.run(shell, "/root/bundle", "--wait=1").code == 0
    assert host.calls() == []


def test_one_that_failed_is_a_failure_whatever_it_waits_for(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["WAITING"] = "kubelet.service"
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("failed\n")
    done = host.run(shell, "/root/bundle", "--wait=1")
    assert done.code == 1
    assert "kubelet.service is failed" in done.err


def test_one_that_has_nobody_to_wait_for_is_a_failure_beside_one_that_has(
    host: Host, bundle: Bundle, shell: str
) -> None:
    bundle.head["WAITING"] = "kubelet.service"
    bundle.write(host.root / "root/bundle")
    for unit in ("kubelet", "containerd"):
        (host.root / f"fake/broken-{unit}.service").write_text("activating\n")
    done = host.run(shell, "/root/bundle", "--wait=1")
    assert done.code == 1
    assert "containerd.service is activating" in done.err


def test_programs_that_only_this_bundle_needs_are_asked_for(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.head["COMMANDS"] = "no-such-program"
    bundle.write(host.root / "root/bundle")
    done = host.run(shell, "/root/bundle")
    assert done.code == 1
    assert "[Commands] missing: no-such-program" in done.err
    assert host.run(shell, "/root/bundle", "--ignore-preflight-errors=Commands").code == 0
