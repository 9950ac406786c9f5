"""Each scenario passes on good hosts, and fails when what it guards is spoilt."""

from __future__ import annotations

import json

import pytest

from builder.errors import BundlerError
from builder.rehearse.commands import Done
from builder.rehearse.play import play
from builder.rehearse.scenarios import (
    ALL,
    DEFAULT,
    chosen,
    clock,
    full_disk,
    install,
    pods,
    power_cut,
    reboot,
    rerun,
    tamper,
    uninstall,
    upgrade,
    wrong_host,
)
from builder.rehearse.site import NotPlayedError, ScenarioError
from builder.rehearse.snapshot import parse
from tests.unit.rehearse.fakes import SNAPSHOT, FakeHost, site_of

ADDRESSES = {"k8s-master1": "10.1.1.100", "k8s-node1": "10.1.1.120", "k8s-node2": "10.1.1.130"}
TOUCHED = SNAPSHOT.replace("20\t100.5\t100.5", "20\t200.0\t200.0")
HEAD = "NOT_BEFORE='1700000000'\nNOT_AFTER='1800000000'\n"
MANIFEST = "# bundler manifest 1\n# units etcd.service kubelet.service\n"
STARTS = (
    "ExecMainStartTimestampMonotonic=100\nActiveEnterTimestampMonotonic=110\nNRestarts=0\nId=etcd.service\n\n"
    "ExecMainStartTimestampMonotonic=200\nActiveEnterTimestampMonotonic=210\nNRestarts=0\nId=kubelet.service\n"
)
NODES = json.dumps(
    {
        "items": [
            {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            for name in ADDRESSES
        ]
    }
)


def refused(*reasons):
    return [Done(1, "", f"install.sh: {reason}; nothing was written") for reason in reasons]


def host(*answers, name="k8s-master1"):
    always = [
        ("== files", SNAPSHOT),
        (r"cat /var/lib/bundler/manifest", MANIFEST),
        (r"systemctl show", STARTS),
        (r"get nodes", NODES),
        (r"systemctl is-active", "active\nactive\n"),
        (r"head -n 60", HEAD),
        (r"date \+%s; cut", "1750000000\n100.0\n"),
        (r"--dry-run", Done(2, "would write /a\nwould write /b\nwould start c\n")),
        (r"install\.sh", "done: 1 written\n"),
    ]
    return FakeHost(name, ADDRESSES[name], [*answers, *always])


def fails(scenario, site, match):
    with pytest.raises(ScenarioError, match=match):
        scenario.run(site)


def test_install():
    cluster = [host(name=name) for name in ADDRESSES]
    site = site_of(*cluster)
    install.run(site)
    assert site.installed == set(ADDRESSES)
    assert set(site.board.stages().values()) == {"Ready"}


def test_install_that_fails_is_seen():
    bad = host((r"install\.sh --wait", Done(1, "", "not every unit is active")), name="k8s-node1")
    fails(install, site_of(host(), bad), "k8s-node1: install.sh exited with 1: not every unit")


def test_a_node_that_never_gets_ready_is_seen():
    two = json.dumps({"items": json.loads(NODES)["items"][:2]})
    others = [host(name=name) for name in list(ADDRESSES)[1:]]
    fails(install, site_of(host((r"get nodes", two)), *others), "nodes Ready: .*: not after")


def test_a_unit_that_does_not_come_up_is_named():
    answers = [(r"is-active etcd", "active\nfailed\n")]
    others = [host(name=name) for name in list(ADDRESSES)[1:]]
    fails(install, site_of(host(*answers), *others), "kubelet.service is failed")


def test_a_tree_that_is_not_as_manifest_says_is_seen():
    others = [host(name=name) for name in list(ADDRESSES)[1:]]
    fails(install, site_of(host(("sha256sum <", "/opt/etcd/etcd\n")), *others), "not as MANIFEST says: /opt/etcd/etcd")


@pytest.mark.parametrize(
    ("scenario", "reasons"),
    [
        (wrong_host, ["another host"]),
        (tamper, ["the bundle is damaged or was altered"]),
        (clock, ["[Clock] too early", "[Clock] too late"]),
    ],
)
def test_refusals(scenario, reasons):
    site = site_of(host((r"install\.sh --wait", refused(*reasons))))
    scenario.run(site)
    assert site.board.stages() == {"k8s-master1": "refused"}


@pytest.mark.parametrize("scenario", [wrong_host, tamper, clock, full_disk])
def test_what_is_not_refused_is_seen(scenario):
    fails(scenario, site_of(host()), "exited with 0 instead of 1")


@pytest.mark.parametrize("scenario", [wrong_host, tamper, clock, full_disk])
def test_a_refusal_for_another_reason_is_seen(scenario):
    fails(scenario, site_of(host((r"install\.sh --wait", refused("[Systemd]")))), "refused, but not for")


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [(wrong_host, "another host"), (tamper, "damaged or was altered"), (clock, "[Clock]"), (full_disk, "[Disk]")],
)
def test_a_refusal_that_wrote_something_is_seen(scenario, reason):
    spoilt = host((r"install\.sh --wait", refused(reason)), ("== files", [SNAPSHOT, TOUCHED]))
    fails(scenario, site_of(spoilt), "but touched /etc/hosts")


def test_tamper_and_clock_put_things_right_again():
    spoilt = host()
    with pytest.raises(ScenarioError):
        tamper.run(site_of(spoilt))
    flips = [command for command in spoilt.commands if "conv=notrunc" in command]
    assert len(flips) == 2
    spoilt = host()
    with pytest.raises(ScenarioError):
        clock.run(site_of(spoilt))
    assert "/proc/uptime" in spoilt.commands[-1]


def test_one_node_has_no_wrong_bundle():
    with pytest.raises(NotPlayedError):
        wrong_host.run(site_of(host(), sticks={"k8s-master1": {"bundle": ("k8s-master1", 1)}}))


def test_full_disk():
    full_disk.run(site_of(host((r"install\.sh --wait", [*refused("[Disk] no room"), Done(1, "", "no space")]))))


def test_a_half_written_file_is_seen():
    answers = [(r"install\.sh --wait", [*refused("[Disk]"), Done(1, "")]), ("bundler-new", "/opt/a.bundler-new\n")]
    fails(full_disk, site_of(host(*answers)), "half-written files were left: /opt/a")


def test_rerun():
    rerun.run(site_of(host((r"install\.sh --wait", "nothing to do: as wanted\n"))))


def nothing_to_do(*answers):
    return host((r"install\.sh --wait", "nothing to do: as wanted\n"), *answers)


def test_a_restart_without_need_is_seen():
    again = STARTS.replace("=200", "=900")
    fails(rerun, site_of(nothing_to_do((r"systemctl show", [STARTS, again]))), "restarted kubelet.service")


def test_a_unit_that_fell_over_by_itself_is_only_noted():
    again = STARTS.replace("=200", "=900").replace("NRestarts=0\nId=kubelet", "NRestarts=1\nId=kubelet")
    site = site_of(nothing_to_do((r"systemctl show", [STARTS, again])))
    rerun.run(site)
    assert site.notes == ["k8s-master1: kubelet.service failed meanwhile, and systemd restarted it"]


def test_a_file_written_without_need_is_seen():
    fails(rerun, site_of(nothing_to_do(("== files", [SNAPSHOT, TOUCHED]))), "touched /etc/hosts")


def test_a_second_run_with_changes_is_seen():
    fails(rerun, site_of(host()), "install.sh again: done: 1 written")


def pod_list(workers):
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    items = [
        {"spec": {"nodeName": name}, "status": {**ready, "podIP": f"172.7.{address.rpartition('.')[2]}.5"}}
        for name, address in workers.items()
    ]
    return json.dumps({"items": items})


def endpoints(names):
    addresses = [{"ip": f"172.7.{ADDRESSES[name].rpartition('.')[2]}.5"} for name in names]
    return json.dumps({"items": [{"subsets": [{"addresses": addresses}]}]})


def pod_site(spoil=lambda _host, _target, seen: seen, behind=tuple(ADDRESSES)):
    """Three workers whose pods are seen as they should be; `spoil` changes what the other end sees.

    `behind` are the workers whose pods the controller manager puts behind the Service, at the second look.
    """
    hosts = []
    for name, address in ADDRESSES.items():
        own = f"172.7.{address.rpartition('.')[2]}.5"

        def call(command, _text, name=name, address=address, own=own):
            target = command.split("/dev/tcp/")[1].split("/")[0]
            return spoil(name, target, address if target == "10.1.1.254" else own)

        gone = json.dumps({"items": []})
        answers = [
            ("/dev/tcp", call),
            ("get pods", [pod_list(ADDRESSES), gone]),
            ("get endpoints", [json.dumps({"items": []}), endpoints(behind)]),
            ("get services", json.dumps({"items": [{"spec": {"clusterIP": "10.96.7.7"}}]})),
        ]
        hosts.append(host(*answers, name=name))
    return site_of(*hosts, outside="10.1.1.254", outside_port=8099)


def test_pods():
    site = pod_site()
    pods.run(site)
    calls = [command for item in site.hosts.values() for command in item.commands if "/dev/tcp" in command]
    assert len(calls) == 3 * (2 + 1 + 4 + 1)


def test_a_lost_source_address_is_seen():
    """What happens when the rule of BUNDLER-POSTROUTING is gone: the CNI plugin masquerades."""

    def masqueraded(name, target, seen):
        return ADDRESSES[name] if target.startswith("172.7.") and name == "k8s-node1" else seen

    fails(pods, pod_site(masqueraded), "k8s-node1: 172.7.120.5 called 172.7.100.5, which saw 10.1.1.120")


def test_a_pod_that_is_not_masqueraded_outside_is_seen():
    def bare(_name, target, seen):
        return "172.7.100.5" if target == "10.1.1.254" else seen

    fails(pods, pod_site(bare), "called the outside, which saw 172.7.100.5")


def test_a_dead_service_is_seen():
    def dead(_name, target, seen):
        return Done(124, "", "") if target == "10.96.7.7" else seen

    fails(pods, pod_site(dead), "called the Service 10.96.7.7, which saw nothing")


def test_a_service_that_answers_late_is_waited_for():
    calls = []

    def late(_name, target, seen):
        if target != "10.96.7.7":
            return seen
        calls.append(target)
        return Done(1, "", "Connection refused") if len(calls) < 9 else seen

    pods.run(pod_site(late))


def test_a_pod_that_never_gets_behind_the_service_is_seen():
    fails(pods, pod_site(behind=["k8s-master1", "k8s-node1"]), "every pod behind the Service: not after")


def test_a_pod_may_see_its_own_bridge_when_it_calls_its_own_service():
    def hairpin(name, target, seen):
        return f"172.7.{ADDRESSES[name].rpartition('.')[2]}.1" if target == "10.96.7.7" else seen

    pods.run(pod_site(hairpin))


def test_pods_go_away_after_a_failure_too():
    site = pod_site(lambda *_: "1.2.3.4")
    fails(pods, site, "saw 1.2.3.4")
    assert any("delete pod,service" in command for command in site.hosts["k8s-master1"].commands)


@pytest.mark.parametrize("changes", [{"probe": False}, {"hosts": {}}])
def test_pods_need_an_image_and_an_api_server(changes):
    with pytest.raises(NotPlayedError):
        pods.run(site_of(host(), **changes))


ROUTES = "10.1.1.0/24 dev eth0\n172.7.120.0/24 via 10.1.1.120 dev eth0\n172.7.100.0/24 dev cni0 scope link\n"


def test_a_route_that_the_reboot_lost_is_seen():
    lost = ROUTES.replace("172.7.120.0/24 via 10.1.1.120 dev eth0\n", "")
    others = [host(name=name) for name in list(ADDRESSES)[1:]]
    fails(reboot, site_of(host(("ip -4 route", [ROUTES, lost])), *others), "the reboot lost: 172.7.120.0/24 via")


@pytest.mark.parametrize(
    ("after", "made", "why"),
    [
        ("FLANNEL_SUBNET=172.7.9.1/24\n", "10.5", "k8s-master1: /run/flannel/subnet.env is another one"),
        ("FLANNEL_SUBNET=172.7.100.1/24\n", "12.0", "was not there before flanneld: tmpfiles.d did not bring it back"),
    ],
)
def test_a_subnet_that_flanneld_had_to_find_by_itself_is_seen(after, made, why):
    flannel = [
        ("cat /run/flannel", ["FLANNEL_SUBNET=172.7.100.1/24\n", after]),
        ("stat -c", f"{made}\n"),
        ("flanneld.service", "11.0\n"),
    ]
    others = [host(name=name) for name in list(ADDRESSES)[1:]]
    fails(reboot, site_of(host(*flannel), *others), why)


def test_the_bridge_of_pods_may_come_later(monkeypatch):
    later = ROUTES.replace("172.7.100.0/24 dev cni0 scope link\n", "")
    played = []
    monkeypatch.setattr(pods, "run", played.append)
    hosts = [host(("ip -4 route", [ROUTES, later]), name=name) for name in ADDRESSES]
    reboot.run(site_of(*hosts))
    assert [item.deeds for item in hosts] == [["reboot"]] * 3
    assert len(played) == 1


def test_uninstall():
    site = site_of(host(("install.sh --uninstall", "done")))
    site.before["k8s-master1"] = parse(SNAPSHOT)
    uninstall.run(site)


def test_what_uninstall_leaves_is_seen():
    left = SNAPSHOT.replace("/opt\td", "/opt/kubernetes/x\tf\t644\t0:0\t1\t1.0\t1.0\t\n/opt\td")
    site = site_of(host(("install.sh --uninstall", "done"), ("== files", left)))
    site.before["k8s-master1"] = parse(SNAPSHOT)
    fails(uninstall, site, "not as before: new: /opt/kubernetes/x")


def test_data_of_programs_may_stay_but_is_noted():
    data = "/var/lib/etcd/member\tf\t600\t0:0\t1\t1.0\t1.0\t\n"
    site = site_of(
        host(
            ("install.sh --uninstall", "done"), ("== files", [SNAPSHOT.replace("/opt\td", f"{data}/opt\td"), SNAPSHOT])
        )
    )
    site.before["k8s-master1"] = parse(SNAPSHOT)
    uninstall.run(site)
    assert "1 paths" in site.notes[0]


def test_data_must_not_stay_where_it_was_purged():
    left = SNAPSHOT.replace("/opt\td", "/var/lib/etcd/member\tf\t600\t0:0\t1\t1.0\t1.0\t\n/opt\td")
    hosts = [
        host(name="k8s-master1"),
        host(("install.sh --uninstall --purge", "done"), ("== files", left), name="k8s-node1"),
    ]
    site = site_of(*hosts, before={item.name: parse(SNAPSHOT) for item in hosts})
    fails(uninstall, site, "k8s-node1: not as before, though it was purged: new: /var/lib/etcd/member")


def test_without_bundles_of_before_no_upgrade_is_played():
    site = site_of(host())
    (played,) = play(site, chosen(("upgrade",)), lambda _event: None)
    assert (played.result, played.message) == ("skipped", "there are no bundles of before: give their folder by --from")


def test_an_upgrade_takes_control_planes_first_and_the_last_host_goes_back(monkeypatch):
    done, way = [], [host(name=name) for name in ("k8s-node1", "k8s-node2", "k8s-master1")]
    for item in way:
        said = [lambda command, _text, name=item.name: done.append((name, command)) or ""]
        item.answers.insert(0, (r"install\.sh --wait", said))
    site = site_of(*way)
    for name in ADDRESSES:
        site.sticks[name]["earlier"] = (name, 1000)
    monkeypatch.setattr(upgrade, "wait_for_cluster", lambda _site: done.append("Ready"))
    upgrade.run(site)
    said = [item if item == "Ready" else (item[0], item[1].split("/")[3], item[1].split()[-1]) for item in done]
    assert sorted(said[:3]) == [(name, "earlier", "180") for name in sorted(ADDRESSES)]
    assert said[3:] == [
        "Ready",
        *(("k8s-master1", "bundle", "180"), "Ready"),
        *(("k8s-node1", "bundle", "180"), "Ready"),
        *(("k8s-node2", "bundle", "180"), "Ready"),
        *(("k8s-node2", "bundle", "--rollback"), "Ready"),
        *(("k8s-node2", "bundle", "180"), "Ready"),
    ]


def power_host(*answers):
    """A host whose install.sh says three lines, so that the plug can be pulled at each."""
    return host(*answers, (r"install\.sh --wait 0", "wrote /a\nwrote /b\nstarted c\n"))


def test_power_cut():
    cut = power_host()
    site = site_of(cut)
    power_cut.run(site)
    assert cut.deeds == ["power cut", "boot"] * 2
    assert site.installed == {"k8s-master1"}


def test_a_run_after_the_cut_that_fails_is_seen():
    answers = [(r"install\.sh --wait 900", Done(1, "", "broken state"))]
    fails(power_cut, site_of(power_host(*answers), patience=5), "after the power cuts exited with 1: broken state")


def test_a_tree_that_the_cut_spoilt_is_seen():
    fails(power_cut, site_of(power_host(("sha256sum <", "/opt/a\n"))), "after the power cuts not as MANIFEST says")


def test_scenarios_are_chosen_by_name_and_played_in_order():
    assert [scenario.name for scenario in chosen(())] == list(DEFAULT)
    assert chosen(("all",)) == list(ALL)
    assert [scenario.name for scenario in chosen(("pods", "wrong-host"))] == ["wrong-host", "pods"]
    with pytest.raises(BundlerError, match="no scenario is called nonsense; there are: all, "):
        chosen(("nonsense",))


def test_what_builds_on_a_failed_install_is_left_out_and_the_rest_is_played():
    site = site_of(host((r"install\.sh --wait", Done(1, "", "no"))))
    played = play(site, chosen(("install", "rerun", "tamper", "pods")), lambda _event: None)
    assert [(item.name, item.result) for item in played] == [
        ("tamper", "failed"),
        ("install", "failed"),
        ("rerun", "skipped"),
        ("pods", "skipped"),
    ]


def test_a_scenario_on_the_cluster_brings_it_up_first(monkeypatch):
    site = site_of(*[host(name=name) for name in ADDRESSES])
    play(site, chosen(("rerun",)), lambda _event: None)
    assert site.installed == set(ADDRESSES)


def test_a_used_host_is_made_fresh():
    used = host((r"install\.sh --wait", refused("another host")))
    site = site_of(used, installed={"k8s-master1"})
    assert [item.result for item in play(site, chosen(("wrong-host",)), lambda _event: None)] == ["passed"]
    assert used.deeds == ["renew"]


def test_a_host_that_a_failed_scenario_left_is_made_fresh():
    left = host()
    played = play(site_of(left), chosen(("wrong-host", "tamper")), lambda _event: None)
    assert [item.result for item in played] == ["failed", "failed"]
    assert left.deeds == ["renew"]
