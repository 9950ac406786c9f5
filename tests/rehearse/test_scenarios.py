"""Each scenario with the real install.sh: passes on a good host, and fails when what it guards is spoilt."""

from __future__ import annotations

import itertools
import os
import re

import pytest

from builder.rehearse import snapshot
from builder.rehearse.scenarios import clock, install, power_cut, rerun, tamper, uninstall, upgrade, wrong_host
from builder.rehearse.site import ScenarioError
from builder.rehearse.snapshot import take
from tests.rehearse.smallhost import OTHER_NODE, SmallHost, site_of
from tests.shell.conftest import Host, resum
from tests.shell.test_generations import upgraded


@pytest.fixture
def host(tmp_path):
    made = []
    numbers = itertools.count()

    def make():
        made.append(Host(tmp_path / f"host{next(numbers)}"))
        return made[-1]

    yield SmallHost(make(), make)
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def fakes_are_no_part_of_the_host(monkeypatch):
    monkeypatch.setattr(snapshot, "_VOLATILE", (*snapshot._VOLATILE, "/fake"))


@pytest.fixture
def folder(host, bundle):
    return host.carry(bundle)


@pytest.fixture
def site(host, folder):
    return site_of(host)


@pytest.fixture
def at_work(site):
    """A site whose host is the node."""
    install.run(site)
    return site


def spoil(folder, old, new):
    """A fault in install.sh that its own SHA256SUMS does not show."""
    text = (folder / "install.sh").read_text()
    assert old in text
    rewrite(folder, text.replace(old, new, 1))


def rewrite(folder, text):
    (folder / "install.sh").write_text(text)
    resum(folder)


def spoil_function(folder, name, body=":"):
    """install.sh whose function does something else."""
    whole = (folder / "install.sh").read_text()
    found = re.findall(rf"(?ms)^{name}\(\) \{{\n.*?^\}}\n", whole)
    assert len(found) == 1
    rewrite(folder, whole.replace(found[0], f"{name}() {{\n\t{body}\n}}\n"))


def fails(scenario, site, why):
    with pytest.raises(ScenarioError, match=why):
        scenario.run(site)


def test_install(site):
    install.run(site)


def test_install_that_leaves_a_file_out_is_seen(site, folder):
    spoil_function(folder, "put_link")
    fails(install, site, r"not as MANIFEST says: /opt/kubernetes/current")


def test_install_whose_units_do_not_come_up_is_seen(site, host):
    (host.small.root / "fake/broken-kubelet.service").write_text("failed\n")
    fails(install, site, r"exited with 1: .*kubelet")


def test_rerun(at_work):
    rerun.run(at_work)


def test_a_needless_restart_is_seen(at_work, folder):
    spoil(
        folder,
        "\tif nothing_to_do; then\n",
        "\tif nothing_to_do; then\n\t\tsystemctl --no-block restart kubelet.service\n",
    )
    fails(rerun, at_work, r"install.sh again restarted kubelet.service")


def test_a_needless_write_is_seen(at_work, folder):
    spoil(folder, "\tif nothing_to_do; then\n", "\tif nothing_to_do; then\n\t\ttouch ./etc/hosts\n")
    fails(rerun, at_work, r"install.sh again touched /etc/hosts")


def test_tamper(site):
    tamper.run(site)


def test_a_digest_that_is_not_checked_is_seen(site, folder):
    spoil_function(folder, "verify_bundle")
    fails(tamper, site, r"refused, but not for 'damaged or was altered'")  # the copies are checked once more


def test_wrong_host(site, host, bundle):
    bundle.head |= {"NODE": OTHER_NODE, "ADDRESS": "10.1.1.130"}
    host.carry(bundle, "other", OTHER_NODE)
    wrong_host.run(site)


def test_a_host_that_is_not_checked_is_seen(site, host, bundle):
    bundle.head |= {"NODE": OTHER_NODE, "ADDRESS": "10.1.1.130"}
    spoil_function(host.carry(bundle, "other", OTHER_NODE), "check_host")
    fails(wrong_host, site, r"install.sh exited with 0 instead of 1")


def test_clock(site):
    clock.run(site)


def test_a_clock_that_is_not_checked_is_seen(site, folder):
    spoil_function(folder, "check_clock")
    fails(clock, site, r"install.sh exited with 0 instead of 1")


def test_power_cut(site):
    power_cut.run(site)


def test_a_file_that_is_half_there_after_the_cuts_is_seen(site, folder):
    spoil_function(folder, "put_file", 'printf half >".$8"')
    fails(power_cut, site, r"after the power cuts not as MANIFEST says: .*/opt/kubernetes/bin/kubelet")


@pytest.fixture
def newer(site, host, bundle):
    """The folder of the bundle that the host gets over the one of before."""
    host.carry(bundle, "earlier")
    site.sticks[host.name]["earlier"] = (host.name, 0)
    upgraded(bundle)
    return host.carry(bundle)


def test_upgrade_and_the_way_back_to_a_bare_host(site, host, newer):
    site.before[host.name] = take(host)
    upgrade.run(site)
    uninstall.run(site)


def test_an_upgrade_that_leaves_the_old_in_place_is_seen(site, newer):
    spoil_function(newer, "put_file")
    fails(upgrade, site, r"not as the MANIFEST of its bundle says: .*/opt/kubernetes/bin/kubelet")


def test_a_way_back_that_leads_nowhere_is_seen(site, newer):
    spoil_function(newer, "rollback")
    fails(upgrade, site, r"not as the MANIFEST of its earlier says: .*/opt/kubernetes/bin/kubelet")


def test_uninstall(site, host):
    before_and_after(site, host)


def before_and_after(site, host):
    site.before[host.name] = take(host)
    install.run(site)
    uninstall.run(site)


def test_what_uninstall_leaves_is_seen(site, host, folder):
    spoil(folder, "retire_entry() {\n", 'retire_entry() {\n\t[ "$8" != /etc/tmpfiles.d/bundler.conf ] || return 0\n')
    with pytest.raises(ScenarioError, match=r"not as before: .*new: /etc/tmpfiles.d/bundler.conf"):
        before_and_after(site, host)


@pytest.fixture
def marked(host):
    """A file with an extended attribute, which an install replaces."""
    path = host.small.root / "etc/containerd/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# of the administrator\n")
    os.setxattr(path, "user.origin", b"of the administrator")


@pytest.mark.usefixtures("marked")
def test_uninstall_brings_extended_attributes_back(site, host):
    before_and_after(site, host)


@pytest.mark.usefixtures("marked")
def test_attributes_that_uninstall_loses_are_seen(site, host, folder):
    spoil_function(folder, "give_attributes")
    with pytest.raises(ScenarioError, match=r"not as before: attributes changed: /etc/containerd/config.toml$"):
        before_and_after(site, host)
