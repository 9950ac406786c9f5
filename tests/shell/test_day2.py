"""The days after: check, repair, support, and progress for machines."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from tests.shell.conftest import Bundle, Host

CONFIG = "opt/kubernetes/cfg/kubelet-config.yml"


def test_check_says_one_line_and_an_exit_code(host: Host, installed: Path, shell: str) -> None:
    before = host.tree(times=True)
    done = host.run(shell, "/root/bundle", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("well: generation 1, 0 paths drifted, 0 units down, certificates ")
    assert host.tree(times=True) == before
    (host.root / CONFIG).write_text("drifted\n")
    (host.root / "fake/units/kubelet.service").write_text("failed\n")
    done = host.run(shell, "/root/bundle", "check")
    assert done.code == 1
    assert done.out.startswith("not well: generation 1, 1 paths drifted, 1 units down, ")


def test_check_writes_metrics_whole(host: Host, settled: Path, toolset: str) -> None:
    (host.root / CONFIG).write_text("drifted\n")
    (host.root / "fake/units/kubelet.service").write_text("failed\n")
    assert host.run(toolset, "/root/bundle", "check", "--prometheus=/tmp/bundler.prom").code == 1
    lines = (host.root / "tmp/bundler.prom").read_text().splitlines()
    for line in (
        "bundler_generation 1",
        "bundler_paths 15",
        "bundler_paths_drifted 1",
        "bundler_interrupted 0",
        "bundler_certificates_end_seconds 4000000000",
        "# TYPE bundler_unit_active gauge",
        'bundler_unit_active{unit="containerd.service"} 1',
        'bundler_unit_active{unit="kubelet.service"} 0',
    ):
        assert line in lines
    assert [path.name for path in (host.root / "tmp").iterdir()] == ["bundler.prom"]
    assert (host.root / "tmp/bundler.prom").stat().st_mode & 0o777 == 0o644


def test_repair_puts_back_what_was_changed_without_the_bundle(host: Host, installed: Path, shell: str) -> None:
    assert "nothing to do" in host.run(shell, "/root/bundle", "repair").out
    (host.root / CONFIG).write_text("drifted\n")
    (host.root / "opt/kubernetes/ssl/kubelet-key.pem").chmod(0o644)
    (host.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (installed / "root" / CONFIG).unlink()
    dry = host.run(shell, "/root/bundle", "repair", "--dry-run")
    assert dry.code == 2
    assert f"would write /{CONFIG}" in dry.out
    done = host.run(shell, "/root/bundle", "repair")
    assert done.code == 0, done.err
    assert (host.root / CONFIG).read_text() == "kind: KubeletConfiguration\n"
    assert "10.1.1.120 k8s-node1" in (host.root / "etc/hosts").read_text()
    assert host.calls() == ["systemctl --no-block restart kubelet.service"]
    assert host.run(shell, "/root/bundle", "check").code == 0
    assert "generation 2" not in host.run(shell, "/root/bundle", "generations").out


def test_a_large_file_is_repaired_from_the_bundle(host: Host, bundle: Bundle, toolset: str) -> None:
    bundle.files["/opt/kubernetes/bin/kubelet"] = (b"large\n" * 200000, 0o755, "kubelet.service")
    folder = bundle.write(host.root / "root/bundle")
    assert host.run(toolset, "/root/bundle").code == 0
    kubelet = host.root / "opt/kubernetes/bin/kubelet"
    kubelet.unlink()
    assert host.run(toolset, "/root/bundle", "repair").code == 0
    assert kubelet.stat().st_size == 1200000
    kubelet.unlink()
    (folder / "root/opt/kubernetes/bin/kubelet").write_bytes(b"evil")
    done = host.run(toolset, "/root/bundle", "repair")
    assert done.code == 1
    assert "[Contents] /opt/kubernetes/bin/kubelet of that generation is not kept" in done.err
    assert not kubelet.exists()


def test_support_packs_what_helps_and_no_secrets(host: Host, settled: Path, toolset: str) -> None:
    (host.root / "fake/journalctl").write_text(
        "#!/bin/sh\necho 'Authorization: Bearer abc.DEF-123' 'token: hunter2' abcdef.0123456789abcdef\n"
        "printf '%s\\n' '-----BEGIN EC PRIVATE KEY-----' MHcCAQ '-----END EC PRIVATE KEY-----'\n"
    )
    (host.root / "fake/journalctl").chmod(0o755)
    assert "support needs --output" in host.run(toolset, "/root/bundle", "support").err
    before = host.tree()
    done = host.run(toolset, "/root/bundle", "support", "--output=/tmp/support.tgz")
    assert done.code == 0, done.err
    archive = host.root / "tmp/support.tgz"
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as opened:
        texts = {
            Path(item.name).name: found.read().decode()
            for item in opened
            if (found := opened.extractfile(item)) is not None
        }
    archive.unlink()
    assert host.tree() == before
    assert {"state-manifest.txt", "log.txt", "rules.txt", "unit-kubelet.service.txt", "routes.txt"} <= texts.keys()
    assert "wrote /opt/kubernetes/bin/kubelet" in texts["log.txt"]
    whole = "".join(texts.values())
    for secret in ("TOP-SECRET", "abc.DEF", "hunter2", "0123456789abcdef ", "MHcCAQ"):
        assert secret not in whole
    assert whole.count("(struck out)") >= 3


def test_progress_for_machines_is_one_object_a_line(host: Host, bundle: Bundle, shell: str) -> None:
    bundle.write(host.root / "root/bundle")
    (host.root / "fake/broken-kubelet.service").write_text("failed\n")
    done = host.run(shell, "/root/bundle", "--json")
    assert (done.code, done.err) == (1, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {"wrote /opt/kubernetes/bin/kubelet", "started kubelet.service"} <= {line["message"] for line in lines}
    assert [line["level"] for line in lines][-3:] == ["info", "error", "end"]
    assert lines[-1]["message"] == "exit code 1"
    host.outside("hostname", "other")
    lines = [json.loads(line) for line in host.run(shell, "/root/bundle", "--json").out.splitlines()]
    assert [line["level"] for line in lines] == ["problem", "error", "end"]
    odd = '/tmp/a"b\\c'
    first = host.run(shell, "/root/bundle", "--json", f"--root={odd}").out.splitlines()[0]
    assert json.loads(first)["message"].startswith(f"--root: {odd} is not a folder; ")


def test_the_log_says_how_long_it_took(host: Host, settled: Path) -> None:
    assert "ended with exit code 0 after " in (host.root / "var/log/bundler/install.log").read_text()
