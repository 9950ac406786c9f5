"""What several scenarios do: carry a bundle over, run install.sh, wait for the cluster."""

from __future__ import annotations

import re

from builder.rehearse.commands import Done
from builder.rehearse.host import Host
from builder.rehearse.progress import COPYING, INSTALLED, INSTALLING, PREFLIGHT, READY, SERVICES
from builder.rehearse.site import BUNDLE, FOLDER, ScenarioError, Site, want

_WAIT = 180
_INSTALL_LIMIT = 600  # seconds of a real machine


def unpack(site: Site, host: Host, stick: str = BUNDLE) -> str:
    """The stick's bundle, unpacked as README says; returns its folder. What is there already is used again."""
    node, size = site.sticks[host.name][stick]
    folder = f"{FOLDER}/{stick}/{node}"
    if host.run(f"test -e {folder}/install.sh", check=False).code == 0:
        return folder
    site.board.enter(host.name, COPYING)
    host.run(
        f"mkdir -p {FOLDER}/{stick} && cd {FOLDER}/{stick} && "
        f"head -c {size} /dev/disk/by-id/virtio-{stick} >{node}.tar.gz && tar xzf {node}.tar.gz && rm {node}.tar.gz",
        timeout=_INSTALL_LIMIT,
    )
    return folder


def run_installer(site: Site, host: Host, folder: str, words: str = "") -> Done:
    """install.sh as a person runs it; the board follows what it says."""

    def follow(line: str) -> None:
        site.board.say(host.name, line)
        if line.startswith(("wrote ", "made ", "linked ")):
            site.board.enter(host.name, INSTALLING)
        elif line.startswith(("started ", "restarted ")):
            site.board.enter(host.name, SERVICES)

    wait = f"--wait {int(_WAIT * site.patience)}"
    return host.run(f"cd {folder} && ./install.sh {wait} {words}", check=False, timeout=_INSTALL_LIMIT, listener=follow)


def install(site: Site, host: Host, stick: str = BUNDLE, words: str = "") -> None:
    """From the stick to running units; `words` for install.sh. Raises ScenarioError with what that said."""
    folder = unpack(site, host, stick)
    site.board.enter(host.name, PREFLIGHT)
    done = run_installer(site, host, folder, words)
    command = f"install.sh {words}".strip()
    want(done.code == 0, f"{host.name}: {command} exited with {done.code}: {said(done)}")
    site.installed.add(host.name)
    site.board.enter(host.name, INSTALLED)


def said(done: Done) -> str:
    """The end of what a command said, in a line."""
    lines = [*done.out.strip().splitlines()[-3:], *done.err.strip().splitlines()[-5:]]
    return " / ".join(lines) or "nothing"


def units(host: Host) -> list[str]:
    """The units that the bundle there runs."""
    found = re.search(r"^# units (.*)$", host.run("cat /var/lib/bundler/manifest").out, re.MULTILINE)
    want(found, f"{host.name}: /var/lib/bundler/manifest names no units")
    return found.group(1).split() if found else []


def not_active(host: Host, names: list[str]) -> list[str]:
    """The units that are not active, each with its state. The exit code of is-active would say whether any is."""
    states = host.run(f"systemctl is-active {' '.join(names)}", check=False).out.split()
    states += ["unknown"] * (len(names) - len(states))
    return [f"{name} is {state}" for name, state in zip(names, states, strict=False) if state != "active"]


def wait_for_units(site: Site, host: Host) -> None:
    """Every unit of the bundle is active."""
    names = units(host)
    try:
        site.until(f"{host.name}: all units active", 180, lambda: not not_active(host, names))
    except ScenarioError as error:
        raise ScenarioError(f"{error.message}: {', '.join(not_active(host, names)) or 'it came too late'}") from error


def wait_for_cluster(site: Site) -> None:
    """Units active; where a control plane is here: the API server ready, and every worker that is here Ready."""
    site.each(lambda host: wait_for_units(site, host))
    if not site.having("control-plane"):
        site.note("the control plane is not among these hosts: that nodes become Ready was not seen")
        return
    site.until("API server ready", 180, lambda: site.kubectl("get --raw /readyz", check=False).code == 0)
    # until it is there no pod can be made, though nodes may be Ready
    account = "get serviceaccount default --namespace default"
    site.until("the default service account", 120, lambda: site.kubectl(account, check=False).code == 0)
    wanted = {host.name for host in site.having("worker")}
    site.until(f"nodes Ready: {', '.join(sorted(wanted))}", 300, lambda: ready_nodes(site) >= wanted)
    for name in wanted:
        site.board.enter(name, READY)


def ready_nodes(site: Site) -> set[str]:
    """The nodes that the API server calls Ready."""
    return {
        node["metadata"]["name"]
        for node in site.objects("nodes")
        if any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"].get("conditions", []))
    }
