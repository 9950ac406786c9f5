"""The folder that stands for a host: small programs instead of Kubernetes', then a real etcd."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cluster import programs
from tests.cluster.harness import Host, get
from tests.components import etcd

UNITS = "/etc/systemd/system/"

DAEMON = """#!/usr/bin/env python3
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(0)))
for word in sys.argv[1:]:
    print("word", word, flush=True)
print("home", os.environ.get("HOME"), flush=True)
if "--die" in sys.argv:
    sys.exit(3)
if os.environ.get("NOTIFY_SOCKET"):
    time.sleep(0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"STATUS=x\\nREADY=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
    print("notified", flush=True)
while True:
    time.sleep(0.05)
"""


def node(files, payload=()):
    return SimpleNamespace(
        files={path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()},
        modes={path: 0o755 for path in files if "/bin/" in path},
        plan=SimpleNamespace(payload=[SimpleNamespace(path=path) for path in payload]),
    )


@pytest.fixture
def host(tmp_path):
    """`host(files)`: a host with /opt/kubernetes/bin/daemon, ended with the test."""
    bins = tmp_path / "bins"
    bins.mkdir()
    (bins / "daemon").write_text(DAEMON)
    (bins / "daemon").chmod(0o755)
    made = []

    def make(files, **options):
        made.append(Host(node(files, ["/opt/kubernetes/bin/daemon"]), tmp_path / "host", bins, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop_all()


def unit(start="/opt/kubernetes/bin/daemon $OPTS", **more):
    return {UNITS + "d.service": "\n".join(["[Service]", f"ExecStart={start}", *(f"{k}={v}" for k, v in more.items())])}


def test_paths_are_rewritten_and_nothing_else(host):
    made = host({}, own="127.0.1.7")
    text = (
        "/opt/kubernetes/cfg /opt/kubernetes2 /etc/run/x a/run /run unix:///run/c.sock --a=/var/lib/etcd,/opt/etcd/ssl "
        "'/var/log/kubernetes' 127.0.0.1:2379 127.0.0.10 1127.0.0.1 /runner"
    )
    here = made.folder
    assert made.rewrite(text) == (
        f"{here}/opt/kubernetes/cfg /opt/kubernetes2 /etc/run/x a/run {here}/run unix://{here}/run/c.sock "
        f"--a={here}/var/lib/etcd,{here}/opt/etcd/ssl '{here}/var/log/kubernetes' 127.0.1.7:2379 127.0.0.10 "
        "1127.0.0.1 /runner"
    )


def test_keys_and_binaries_are_left_as_they_are(host):
    pem, binary = b"-----BEGIN X-----\n/run/abc\n", b"\xff /run/abc"
    made = host({"/opt/kubernetes/ssl/a.pem": pem, "/opt/x": binary})
    assert made.path("/opt/kubernetes/ssl/a.pem").read_bytes() == pem
    assert made.path("/opt/x").read_bytes() == binary


def test_a_unit_runs_with_its_words_and_is_ended(host):
    conf = 'OPTS="--a=/opt/kubernetes/ssl/ca.pem --b=x,y \\\n  --c"\n'
    files = unit(EnvironmentFile="/opt/kubernetes/cfg/d.conf") | {"/opt/kubernetes/cfg/d.conf": conf}
    made = host(files)
    made.start("d.service")
    made.wait_for(lambda: "home None" in made.log("d.service"))
    expected = [f"--a={made.folder}/opt/kubernetes/ssl/ca.pem", "--b=x,y", "--c"]
    assert [line[5:] for line in made.log("d.service").splitlines() if line.startswith("word ")] == expected
    assert made.argv("d.service")[1:] == expected
    process = made.processes["d.service"].pid
    assert os.getsid(process) == process
    made.stop("d.service")
    assert made.log("d.service").endswith("bye\n")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_notify_unit_is_waited_for(host):
    made = host(unit(Type="notify"))
    made.start("d.service")
    made.wait_for(lambda: "notified" in made.log("d.service"), seconds=5)
    made.write(UNITS + "d.service", unit(start="/bin/sleep 60", Type="notify")[UNITS + "d.service"].encode())
    made.stop("d.service")
    with pytest.raises(AssertionError, match="not ready after 0.5 s"):
        made.start("d.service", seconds=0.5)


def test_a_unit_that_dies_fails_the_test_at_once_with_its_log(host):
    made = host(unit(start="/opt/kubernetes/bin/daemon --die"))
    made.start("d.service")
    began = time.monotonic()
    with pytest.raises(AssertionError, match="(?s)ended with 3.*word --die"):
        made.wait_for("http://127.0.0.1:9/", seconds=30)
    assert time.monotonic() - began < 10


def test_oneshots_run_in_order_and_must_succeed(host):
    script = {"/opt/kubernetes/bin/say": "#!/bin/sh\necho $1 >>/opt/kubernetes/said\n[ $1 != no ]\n"}
    say = "/opt/kubernetes/bin/say"
    steps = f"[Service]\nType=oneshot\nExecStartPre=-{say} no\nExecStart={say} a\nExecStart={say} b\nExecStartPost={say} c\n"
    made = host(script | {UNITS + "d.service": steps})
    made.start("d.service")
    assert made.path("/opt/kubernetes/said").read_text().split() == ["no", "a", "b", "c"]
    made.write(UNITS + "d.service", f"[Service]\nType=oneshot\nExecStart={say} no\n".encode())
    with pytest.raises(AssertionError, match="exited with 1"):
        made.start("d.service")


def test_what_a_process_has_started_is_ended_with_it(host):
    made = host({UNITS + "d.service": "[Service]\nExecStart=/bin/sh -c 'sleep 61 & echo child $$! ; wait'\n"})
    made.start("d.service")
    made.wait_for(lambda: made.log("d.service").count("child ") == 2)
    child = int(made.log("d.service").split()[-1])
    made.stop_all()
    # it may be a zombie until whoever adopts it looks
    made.wait_for(lambda: not alive(child), seconds=5)


def alive(process):
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_drop_ins_come_after_the_unit(host):
    drop_in = {UNITS + "d.service.d/10.conf": "[Service]\nExecStart=\nExecStart=/bin/true --other\n"}
    assert host(unit() | drop_in).argv("d.service") == ["/bin/true", "--other"]


def test_hosts_with_addresses_of_their_own_share_a_port(hosts_folder, tmp_path):
    """Three real members of one etcd, each a host; every one of them uses 2379 and 2380."""
    bins = tmp_path / "bins"
    bins.mkdir()
    for program in etcd.programs():
        (bins / os.path.basename(program)).symlink_to(program)
    addresses = {f"m{number}": f"127.0.3.{number}" for number in (1, 2, 3)}
    members = ",".join(f"{name}=http://{address}:2380" for name, address in addresses.items())
    hosts = []
    try:
        for name, address in addresses.items():
            start = (
                f"/opt/etcd/etcd --name {name} --data-dir=/var/lib/etcd --initial-cluster={members} "
                f"--listen-client-urls=http://{address}:2379 "
                f"--advertise-client-urls=http://{address}:2379 --listen-peer-urls=http://{address}:2380 "
                f"--initial-advertise-peer-urls=http://{address}:2380"
            )
            files = {UNITS + "etcd.service": f"[Service]\nType=simple\nExecStart={start}\n"}
            rendered = node(files, ["/opt/etcd/etcd", "/opt/etcd/etcdctl"])
            hosts.append(Host(rendered, hosts_folder / f"etcd-{name}", bins, own=address))
            hosts[-1].start("etcd.service")
        for each, address in zip(hosts, addresses.values(), strict=True):
            each.wait_for(f"http://{address}:2379/health")
        listed = subprocess.run(
            [hosts[0].path("/opt/etcd/etcdctl"), "--endpoints=http://127.0.3.3:2379", "member", "list"],
            capture_output=True,
            text=True,
            check=True,
            env={"ETCDCTL_API": "3"},
        ).stdout
        assert listed.count("started") == 3
        # alone it would notify only once it has joined; as the last one it does
        hosts[2].stop("etcd.service")
        again = f"[Service]\nType=notify\nExecStart={' '.join(hosts[2].service('etcd.service').start[0].words)}\n"
        hosts[2].write(UNITS + "etcd.service", again.encode())
        hosts[2].start("etcd.service")
        assert get("http://127.0.3.3:2379/health")[0] == 200
    finally:
        for each in hosts:
            each.stop_all()


def test_the_programs_are_kubernetes_1_20(bins):
    for name in programs.KUBERNETES:
        said = subprocess.run([bins / name, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
        assert said == f"Kubernetes {programs.VERSION}\n"
    kubectl = subprocess.run([bins / "kubectl", "version", "--client"], capture_output=True, text=True, check=True)
    assert 'GitVersion:"v1.24.' in kubectl.stdout
