"""What counts as touched, and what as different."""

from __future__ import annotations

import base64
import gzip

import pytest

from builder.rehearse.snapshot import changed_since, different, parse
from tests.unit.rehearse.fakes import ATTRIBUTES, SNAPSHOT, archive

BEFORE = parse(SNAPSHOT)


def after(old, new):
    assert old in SNAPSHOT
    return parse(SNAPSHOT.replace(old, new))


def test_a_host_is_as_itself():
    assert changed_since(BEFORE, parse(SNAPSHOT)) == []
    assert different(BEFORE, parse(SNAPSHOT)) == []


def test_the_same_content_written_again_is_touched_but_not_different():
    again = after("20\t100.5\t100.5", "20\t200.0\t200.0")
    assert changed_since(BEFORE, again) == ["/etc/hosts"]
    assert different(BEFORE, again) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("aa11", "bb22", "content changed: /etc/hosts"),
        ("9000\t50.0", "9001\t50.0", "content changed: /usr/bin/tool"),
        ("9000\t50.0", "9000\t51.0", "content changed: /usr/bin/tool"),
        ("/opt\td\t755", "/opt\td\t700", "mode changed: /opt"),
        ("f\t644\t0:0\t20", "f\t644\t1:0\t20", "mode changed: /etc/hosts"),
        ("\ttool\n", "\tother\n", "kind changed: /usr/bin/alias"),
        ("/opt\td", "/new\td", "gone: /opt"),
        ("/opt\td", "/new\td", "new: /new"),
        ("ssh.service enabled", "ssh.service disabled", "units, gone: ssh.service enabled"),
        ("ip_forward = 0", "ip_forward = 1", "sysctls, new: net.ipv4.ip_forward = 1"),
        ("eth0:", "eth1:", "links, gone: eth0:"),
        ("dev eth0\n", "dev eth0\n172.7.1.0/24 via 10.1.1.2\n", "routes, new: 172.7.1.0/24 via 10.1.1.2"),
        (":INPUT ACCEPT [0:0]\n", ":INPUT ACCEPT [0:0]\n:KUBE - \n", "rules, new: :KUBE - "),
    ],
)
def test_each_difference_is_named(old, new, said):
    assert said in different(BEFORE, after(old, new))


@pytest.mark.parametrize("now", [{}, {"./etc/hosts": {"SCHILY.xattr.user.origin": "others"}}])
def test_attributes_that_were_lost_or_changed_are_named(now):
    assert different(BEFORE, after(ATTRIBUTES, archive(now))) == ["attributes changed: /etc/hosts"]


def test_a_tar_that_knows_no_attributes_is_no_difference():
    nothing = base64.encodebytes(gzip.compress(b"")).decode()
    assert different(parse(SNAPSHOT.replace(ATTRIBUTES, nothing)), parse(SNAPSHOT.replace(ATTRIBUTES, ""))) == []


def test_what_differs_at_any_two_moments_is_left_out():
    assert different(BEFORE, after("uuid = 1", "uuid = 2")) == []
    assert changed_since(BEFORE, after("10\t70.0\t70.0", "11\t71.0\t71.0")) == []


def test_a_folder_may_have_seen_files_come_and_go():
    assert different(BEFORE, after("4096\t100.5\t100.5", "8192\t300.0\t300.0")) == []
