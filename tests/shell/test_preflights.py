"""Every preflight check by name: a host on which it fails, and one on which it all but fails and passes.

Most of the failing ones are the tables of test_refusals and test_surroundings; here are the passing ones, and the list
that no name of the source may be missing from.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from builder.render.installer import fragments
from tests.kit import ROOT
from tests.shell import test_refusals, test_surroundings, test_uninstall
from tests.shell.conftest import Bundle, Host
from tests.shell.test_generations import test_a_content_that_is_not_kept_any_more_is_named as fails_contents
from tests.shell.test_generations import test_rollback_gives_the_tree_of_the_generation_before as passes_contents
from tests.shell.test_refusals import listen
from tests.shell.test_surroundings import command, mounted, over, route, text

SOURCE = b"".join(content for _, content in fragments()).decode()
NAMES = set(re.findall(r"\bproblem ([A-Z][a-z][A-Za-z]+) ", SOURCE)) | {"Disk", "Inodes", "Root"}

FAILS = {name for _, name, _ in (*test_refusals.PREFLIGHTS.values(), *test_surroundings.FAILING.values())}
FAILS_ELSEWHERE: dict[str, Callable[..., None]] = {
    "Root": test_refusals.test_a_user_who_is_not_root_is_refused,
    "Hostname": test_refusals.test_a_host_with_another_name_is_refused,
    "Address": test_refusals.test_a_host_with_another_address_is_refused,
    "Arch": test_refusals.test_a_host_of_another_architecture_is_refused,
    "Commands": test_refusals.test_missing_commands_are_named,
    "Ports": test_refusals.test_a_port_in_use_is_refused_and_its_holder_named,
    "Paths": test_refusals.test_what_stands_in_the_way_is_refused,
    "Mounts": test_uninstall.test_a_mount_on_what_is_ours_is_refused,
    "Contents": fails_contents,
}
PASSES_ELSEWHERE: dict[str, Callable[..., None]] = {
    "Mounts": test_uninstall.test_data_stays_unless_purge_is_said,
    "Contents": passes_contents,
}


LISTENING: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _nobody_listens_afterwards() -> Iterator[None]:
    yield
    while LISTENING:
        process = LISTENING.pop()
        process.kill()
        process.communicate()


def nothing(host: Host, bundle: Bundle) -> None:
    """The host as it is."""


def longer_name(host: Host, bundle: Bundle) -> None:
    host.outside("hostname", "K8S-NODE1.example.com")


def another_address_too(host: Host, bundle: Bundle) -> None:
    host.outside("ip", "addr", "add", "10.9.9.9/32", "dev", "lo")


def oldest_systemd(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/systemd-version").write_text("systemd 232\n")


def no_conntrack(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/conntrack").unlink()


def loaded_module(host: Host, bundle: Bundle) -> None:
    (host.root / "fake/no-module-bundler-two").touch()
    (host.root / "sys/module/bundler_two").mkdir(parents=True)


def cgroups_v1(host: Host, bundle: Bundle) -> None:
    (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    over(
        host,
        "proc/cgroups",
        "#subsys_name\n" + "".join(f"{name} 1 1 1\n" for name in ("cpu", "cpuset", "memory", "pids")),
    )


def cgroups_hybrid(host: Host, bundle: Bundle) -> None:
    cgroups_v1(host, bundle)
    text("sys/fs/cgroup/unified/cgroup.controllers", "")(host)


def other_port(host: Host, bundle: Bundle) -> None:
    LISTENING.append(listen(host, 10251))


def just_begun(host: Host, bundle: Bundle) -> None:
    bundle.head["NOT_BEFORE"] = str(int(time.time()) - 60)


def about_to_end(host: Host, bundle: Bundle) -> None:
    bundle.head["NOT_AFTER"] = str(int(time.time()) + 3600)


def our_unit_file(host: Host, bundle: Bundle) -> None:
    path = host.root / "etc/systemd/system/kubelet.service"
    path.parent.mkdir(parents=True)
    path.write_bytes(bundle.files["/etc/systemd/system/kubelet.service"][0])


def oldest_kernel(host: Host, bundle: Bundle) -> None:
    command(host, "uname", '[ "$1" = -r ] && echo 3.10.0-1160.el7.x86_64 || exec /usr/bin/uname "$@"')


def allowed_swap(host: Host, bundle: Bundle) -> None:
    bundle.files["/opt/kubernetes/cfg/kubelet-config.yml"] = (b"failSwapOn: false\n", 0o644, "kubelet.service")
    over(host, "proc/swaps", "Filename\n/dev/sda2\n")


def only_nft(host: Host, bundle: Bundle) -> None:
    command(host, "iptables", "echo 'iptables v1.8.9 (nf_tables)'")


def only_legacy(host: Host, bundle: Bundle) -> None:
    test_surroundings.only_legacy(host)


def enforcing_with_restorecon(host: Host, bundle: Bundle) -> None:
    text("sys/fs/selinux/enforce", "1\n")(host)
    command(host, "restorecon", "")


def linked_folder(host: Host, bundle: Bundle) -> None:
    (host.root / "opt/disk").mkdir()
    (host.root / "opt/kubernetes").symlink_to("/opt/disk")


def on(prepare: Callable[[Host], object]) -> Callable[[Host, Bundle], None]:
    """One that is only about the host."""

    def both(host: Host, bundle: Bundle) -> None:
        prepare(host)

    return both


PASSES: dict[str, tuple[Callable[[Host, Bundle], None], ...]] = {
    "Root": (nothing,),
    "Hostname": (longer_name,),
    "Address": (another_address_too,),
    "Arch": (nothing,),
    "Paths": (linked_folder,),
    "Systemd": (oldest_systemd,),
    "Commands": (no_conntrack,),
    "KernelModules": (loaded_module,),
    "Cgroups": (cgroups_v1, cgroups_hybrid),
    "Ports": (other_port,),
    "Clock": (just_begun, about_to_end),
    "Disk": (on(mounted("opt", "size=8m")),),
    "Inodes": (on(mounted("opt", "size=8m,nr_inodes=100")),),
    "ExistingKubernetes": (our_unit_file,),
    "Kernel": (oldest_kernel,),
    "Swap": (allowed_swap,),
    "Memory": (on(lambda host: over(host, "proc/meminfo", "MemTotal: 1000000 kB\n")),),
    "ReadOnly": (on(mounted("opt/other", "ro")),),
    "NoExec": (on(mounted("var/lib", "noexec")),),
    "Iptables": (only_nft, only_legacy),
    "Firewall": (on(text("etc/ufw/ufw.conf", "ENABLED=no\n")),),
    "ExistingRuntime": (on(text("fake/units/docker.service", "inactive\n")),),
    "Selinux": (on(text("sys/fs/selinux/enforce", "0\n")), enforcing_with_restorecon),
    "Routes": (on(route("10.245.0.0/16")), on(route("10.0.1.0/24"))),
    "CloudInit": (
        on(text("etc/cloud/cloud.cfg", "# manage_etc_hosts: true\nmanage_etc_hosts: false\n")),
        on(text("etc/cloud/cloud.cfg", "manage_etc_hosts: localhost\n")),
    ),
}


def test_every_name_fails_in_one_test_and_passes_in_another() -> None:
    assert len(NAMES) > 25
    assert sorted(NAMES - FAILS - FAILS_ELSEWHERE.keys()) == []
    assert sorted(NAMES - PASSES.keys() - PASSES_ELSEWHERE.keys()) == []


def test_every_name_is_documented() -> None:
    page = (ROOT / "docs/installer.md").read_text()
    assert [name for name in sorted(NAMES) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, each in PASSES.items() for n in range(len(each))])
def test_a_host_that_all_but_fails_is_taken(host: Host, bundle: Bundle, toolset: str, name: str, number: int) -> None:
    PASSES[name][number](host, bundle)
    bundle.write(host.root / "root/bundle")
    done = host.run(toolset, "/root/bundle", "--dry-run")
    assert done.code == 2, done.err
    assert f"[{name}]" not in done.err


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_umask_of_whoever_runs_it_does_not_matter(host: Host, bundle: Bundle, toolset: str, umask: int) -> None:
    bundle.write(host.root / "root/bundle")
    done = subprocess.run(host.command(toolset, "/root/bundle"), check=False, capture_output=True, umask=umask)
    assert done.returncode == 0, done.stderr
    for path, (_, mode, _) in bundle.files.items():
        assert (host.root / path[1:]).stat().st_mode & 0o7777 == mode
    assert (host.root / "opt/kubernetes/cfg").stat().st_mode & 0o7777 == 0o755
    assert (host.root / "var/lib/bundler").stat().st_mode & 0o7777 == 0o700
    assert (host.root / "var/log/bundler/install.log").stat().st_mode & 0o7777 == 0o600


def test_apparmor_without_its_parser_is_warned_of(host: Host, bundle: Bundle, toolset: str) -> None:
    text("sys/module/apparmor/parameters/enabled", "Y\n")(host)
    bundle.write(host.root / "root/bundle")
    if not (host.root / "usr/sbin/apparmor_parser").exists():
        assert "AppArmor is on, and apparmor_parser is missing" in host.run(toolset, "/root/bundle", "--dry-run").err
    command(host, "apparmor_parser", "")
    assert host.run(toolset, "/root/bundle", "--dry-run").err == ""
