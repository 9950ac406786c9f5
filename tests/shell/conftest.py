"""A small host in namespaces of its own, and bundles to install on it: real shells, real tools, real /proc."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from builder.render.installer import render_installer

FAKES = Path(__file__).parent / "fakes"
NODE, ADDRESS = "k8s-node1", "10.1.1.120"
PATHS = {
    "dash": "/fake:/usr/sbin:/usr/bin",
    "busybox": "/fake:/busybox",  # nothing but applets, before anything that install.sh itself appends
    "bash": "/fake:/usr/sbin:/usr/bin",
    "mksh": "/fake:/usr/sbin:/usr/bin",
}
SHELLS = {"dash": ["dash"], "busybox": ["/busybox/ash"], "bash": ["bash"], "mksh": ["mksh"]}
UNIT = "[Service]\nExecStart=/opt/kubernetes/bin/{name}\n[Install]\nWantedBy=multi-user.target\n"


@cache
def plain_busybox() -> Path:
    """A busybox whose shell looks for commands in PATH; Debian's busybox-static runs its own applets first."""
    found = Path(shutil.which("busybox") or "busybox")
    probe = subprocess.run([found, "ash", "-c", "PATH= ls"], check=False, capture_output=True)
    if probe.returncode == 127:
        return found
    folder = Path(tempfile.gettempdir()) / "bundler-plain-busybox"
    if not (folder / "bin/busybox").exists():
        script = 'mkdir "$1.$$" && cd "$1.$$" && apt-get download -qq busybox && dpkg-deb -x busybox_*.deb . && mv "$1.$$" "$1"'
        subprocess.run(["sh", "-c", script, "sh", str(folder)], check=False, capture_output=True)
    assert (folder / "bin/busybox").exists(), "busybox-static cannot run these tests; install Debian's busybox"
    return folder / "bin/busybox"


@dataclass
class Bundle:
    """What a bundle is to hold: path -> (content, mode, units), and so on; `write` makes the folder."""

    head: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[bytes, int, str]] = field(default_factory=dict)
    blocks: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    dirs: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def manifest(self) -> str:
        digest = lambda content: hashlib.sha256(content).hexdigest()  # noqa: E731
        lines = {
            path: f"file {digest(content)} {mode:04o} 0:0 {units} {path}"
            for path, (content, mode, units) in self.files.items()
        }
        lines |= {p: f"block {digest(content)} - - {units} {p}" for p, (content, units) in self.blocks.items()}
        lines |= {path: f"dir - {mode:04o} 0:0 - {path}" for path, mode in self.dirs.items()}
        lines |= {path: f"link - - 0:0 - {path} {target}" for path, target in self.links.items()}
        return "\n".join(["# bundler manifest 1", *(lines[path] for path in sorted(lines))]) + "\n"

    def write(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        content = {f"root{path}": each[0] for path, each in self.files.items()}
        content |= {f"blocks{path}": each[0] for path, each in self.blocks.items()}
        content["MANIFEST"] = self.manifest().encode()
        content["manifest.json"] = b"{}\n"
        content["install.sh"] = render_installer(self.full_head())
        for name, data in content.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (folder / "install.sh").chmod(0o755)
        resum(folder)
        return folder

    def full_head(self) -> dict[str, str]:
        return {
            "BUNDLE_FORMAT": "1",
            "BUNDLER_VERSION": "0.1.0",
            "CLUSTER": "three-node",
            "NODE": NODE,
            "ADDRESS": ADDRESS,
            "ARCH": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "KUBERNETES": "v1.24.0",
            "NOT_BEFORE": "1000000000",
            "NOT_AFTER": "4000000000",
            "UNITS": "containerd.service kubelet.service",
            "PORTS": "10250",
            "NETWORKS": "10.244.0.0/16 10.0.0.0/24",
            "POD_SUBNET": "10.244.120.0/24",
            "WAITING": "",
            "COMMANDS": "",
            "DISK_KIB": "64",
            "NOTICE": "",
            **self.head,
        }


def resum(folder: Path) -> None:
    """Write SHA256SUMS anew: a bundle whose maker meant it so."""
    sums = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != "SHA256SUMS"
    }
    text = "".join(f"{sums[name]}  ./{name}\n" for name in sorted(sums))
    (folder / "SHA256SUMS").write_text(text)


@pytest.fixture
def bundle() -> Bundle:
    """The smallest bundle that has one of everything."""
    unit = lambda name: (UNIT.format(name=name).encode(), 0o644, f"{name}.service")  # noqa: E731
    return Bundle(
        files={
            "/opt/kubernetes/bin/kubelet": (b"\x7fELF\0kubelet\n" * 100, 0o755, "kubelet.service"),
            "/opt/kubernetes/cfg/kubelet-config.yml": (
                b"kind: KubeletConfiguration\n",
                0o644,
                "kubelet.service",
            ),
            "/opt/kubernetes/ssl/kubelet-key.pem": (b"TOP-SECRET-KEY\n", 0o600, "kubelet.service"),
            "/etc/containerd/config.toml": (b"version = 2\n", 0o644, "containerd.service"),
            "/etc/systemd/system/kubelet.service": unit("kubelet"),
            "/etc/systemd/system/containerd.service": unit("containerd"),
            "/etc/modules-load.d/bundler.conf": (b"# modules\nbundler_one\nbundler-two\n", 0o644, "-"),
            "/etc/sysctl.d/90-bundler.conf": (b"# routes\nnet.ipv4.ip_forward = 1\n", 0o644, "-"),
            "/etc/tmpfiles.d/bundler.conf": (b"d /run/flannel 0755 root root -\n", 0o644, "-"),
        },
        blocks={"/etc/hosts": (b"10.1.1.100 k8s-master1\n10.1.1.120 k8s-node1\n", "-")},
        dirs={"/opt/kubernetes/ssl": 0o700, "/opt/kubernetes/logs": 0o755},
        links={"/opt/kubernetes/current": "/opt/kubernetes/bin"},
    )


@dataclass
class Result:
    code: int
    out: str
    err: str


class Host:
    """A root folder with mount, host name and network namespaces of its own, held by one sleeping process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "etc",
            "opt",
            "var/lib",
            "var/log",
            "root",
            "tmp",
            "proc",
            "dev",
            "usr",
            "run/systemd/system",
            "sys/fs/cgroup",
            "sys/module",
            "fake/units",
            "busybox",
        ):
            (root / folder).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "sys/fs/cgroup/cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (root / "etc/alternatives").mkdir()
        (root / "etc/alternatives/awk").symlink_to("/usr/bin/mawk")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        shutil.copytree(FAKES, root / "fake", dirs_exist_ok=True)
        shutil.copy(plain_busybox(), root / "busybox/busybox")
        applets = subprocess.run(
            [root / "busybox/busybox", "--list"], check=True, capture_output=True, text=True
        ).stdout.split()
        for applet in applets:
            if applet != "busybox":
                (root / "busybox" / applet).symlink_to("/busybox/busybox")
        ready = root / "fake/ready"
        script = (
            'mount --make-rprivate / && cd "$1" && mount --bind /usr usr && mount -o remount,bind,ro usr && '
            "mount -t proc proc proc && mount -t tmpfs -o mode=755 none dev && "
            'for name in null zero urandom; do : >"dev/$name" && mount --bind "/dev/$name" "dev/$name" || exit; done && '
            "mount --bind fake/swaps proc/swaps && hostname k8s-node1 && ip link set lo up && "
            "ip addr add 10.1.1.120/32 dev lo && ip route add default dev lo && : >fake/ready && exec sleep 1000"
        )
        self.holder = subprocess.Popen(["unshare", "--mount", "--uts", "--net", "sh", "-c", script, "sh", str(root)])
        while not ready.exists():
            assert self.holder.poll() is None, "the namespaces could not be made: these tests run as root"
            time.sleep(0.005)
        ready.unlink()

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command in the host's namespaces, outside its root."""
        return ["nsenter", "-t", str(self.holder.pid), "--mount", "--uts", "--net", *command]

    def outside(self, *command: str) -> None:
        subprocess.run(self.enter(*command), check=True)

    def command(self, shell: str, bundle: Path | str, *args: str) -> list[str]:
        script = f"{bundle}/install.sh"
        environment = ["env", "-i", f"PATH={PATHS[shell]}"]
        return self.enter("chroot", str(self.root), *environment, *SHELLS[shell], script, *args)

    def run(self, shell: str, bundle: Path | str, *args: str) -> Result:
        done = subprocess.run(
            self.command(shell, bundle, *args),
            check=False,
            capture_output=True,
            text=True,
            timeout=600,  # the machine may be busy with other things
            stdin=subprocess.DEVNULL,
        )
        assert "not found" not in done.stderr  # a command that install.sh takes for granted
        return Result(done.returncode, done.stdout, done.stderr)

    def calls(self) -> list[str]:
        """What the fakes were asked to change since the last time."""
        log = self.root / "fake/log"
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def tree(self, *, times: bool = False, folder: str = "") -> dict[str, tuple[object, ...]]:
        """Everything that stands on the host and could be changed by an install."""
        found: dict[str, tuple[object, ...]] = {}
        for top in ("etc", "opt", "var", "run", "root", "sys", "tmp"):
            for path in [self.root / folder / top, *(self.root / folder / top).rglob("*")]:
                if path.exists() or path.is_symlink():
                    found["/" + str(path.relative_to(self.root / folder))] = describe(path, times=times)
        return found


def describe(path: Path, *, times: bool = False) -> tuple[object, ...]:
    about = path.lstat()
    content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
    stamp = (about.st_mtime_ns, about.st_ino) if times else ()
    return (oct(about.st_mode), about.st_uid, about.st_gid, content, *stamp)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    found = Host(tmp_path / "host")
    yield found
    found.close()


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> str:
    """Every shell and toolset that install.sh promises to work with."""
    return str(request.param)


@pytest.fixture(params=["dash", "busybox"])
def toolset(request: pytest.FixtureRequest) -> str:
    """For long tables of cases: one shell with coreutils and one with applets, as their tools differ most."""
    return str(request.param)


@pytest.fixture
def installed(host: Host, bundle: Bundle, shell: str) -> Path:
    """The folder of a bundle that was just installed, with the calls forgotten."""
    folder = bundle.write(host.root / "root/bundle")
    done = host.run(shell, "/root/bundle")
    assert done.code == 0, done.err
    host.calls()
    return folder


@pytest.fixture
def settled(host: Host, bundle: Bundle) -> Path:
    """As `installed`, by one shell only: for tests whose own runs go through toolsets."""
    folder = bundle.write(host.root / "root/bundle")
    done = host.run("dash", "/root/bundle")
    assert done.code == 0, done.err
    host.calls()
    return folder
