"""pods: a pod on every worker reaches all others, a Service and the outside, each with the right address."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from builder.rehearse.host import Host
from builder.rehearse.probe import IMAGE, PATH, PORT
from builder.rehearse.site import NotPlayedError, ScenarioError, Site, want
from builder.rehearse.steps import said

_NAME = "rehearsal"
_LABELS = {"app": _NAME}
_SERVICE_PORT = 80
_NOTHING = "nothing"
_TRIES = 4  # calls of the Service by each pod: kube-proxy takes a pod by lot

# request ADDRESS PORT: from the pod's namespace, by the shell alone, as a host has no HTTP client for certain
_CALL = r"""
for ns in $(ip netns list | awk '{ print $1 }'); do
    ip -n "$ns" -4 -o addr show | grep -qF ' {pod}/' && break
    ns=
done
[ -n "$ns" ] || { echo "no namespace has {pod}" >&2; exit 1; }
ip netns exec "$ns" timeout {limit} bash -c '
    exec 3<>/dev/tcp/{address}/{port} && printf "GET {path} HTTP/1.0\r\n\r\n" >&3 && cat <&3' | tr -d '\r' | tail -n 1
"""


@dataclass(frozen=True)
class Pod:
    """A pod of ours: on which host, and its address."""

    host: Host
    address: str


def run(site: Site) -> None:
    """Start them, call, and take them away again."""
    if not site.having("control-plane"):
        raise NotPlayedError("the control plane is not among these hosts, so no pod can be started")
    if not site.probe:
        raise NotPlayedError(
            "there is no static busybox for the pods' image: on Debian, apt-get install busybox-static"
        )
    workers = site.having("worker")
    site.each(import_image, workers)
    try:
        pods = start(site, workers)
        service = start_service(site, pods)
        problems = [
            problem
            for found in site.each(lambda host: calls(site, host, pods, service), workers).values()
            for problem in found
        ]
        problems += names(site, pods)
        want(not problems, "; ".join(problems))
    finally:
        site.kubectl(f"delete pod,service --selector app={_NAME} --grace-period=5 --wait=false", check=False)
    site.until("the pods gone again", 120, lambda: not site.objects(f"pods --selector app={_NAME}"))


def import_image(host: Host) -> None:
    """The pods' image lies on a stick of its own: it is no part of the bundle."""
    host.run("/opt/containerd/bin/ctr --namespace k8s.io images import /dev/disk/by-id/virtio-probe")


def start(site: Site, workers: list[Host]) -> list[Pod]:
    """One pod a worker, placed by name, so that neither scheduler nor taints have a say."""
    site.kubectl("apply --filename -", text=json.dumps(manifest([host.name for host in workers])))
    found: dict[str, str] = {}

    def all_run() -> bool:
        for pod in site.objects(f"pods --selector app={_NAME}"):
            status = pod["status"]
            if any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", [])):
                found[pod["spec"]["nodeName"]] = status["podIP"]
        return len(found) == len(workers)

    try:
        site.until("a pod running on every worker", 180, all_run)
    except ScenarioError as error:
        events = site.kubectl("get events --sort-by=.lastTimestamp", check=False)
        raise ScenarioError(f"{error.message}; events: {said(events)}") from error
    return [Pod(host, found[host.name]) for host in workers]


def start_service(site: Site, pods: list[Pod]) -> str:
    """The Service's address, once it has all the pods."""
    wanted = {pod.address for pod in pods}
    site.until("every pod behind the Service", 120, lambda: behind(site) >= wanted)
    service = next(iter(site.objects(f"services --selector app={_NAME}")), None)
    want(service, "the Service was not made")
    address: str = service["spec"]["clusterIP"] if service else ""
    return address


def behind(site: Site) -> set[str]:
    """The addresses that the controller manager put behind the Service."""
    return {
        item["ip"]
        for endpoints in site.objects(f"endpoints --selector app={_NAME}")
        for subset in endpoints.get("subsets", [])
        for item in subset.get("addresses", [])
    }


def manifest(nodes: list[str]) -> dict[str, Any]:
    """The pods and their Service."""
    pods: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{_NAME}-{node}", "labels": _LABELS},
            "spec": {
                "nodeName": node,
                "tolerations": [{"operator": "Exists"}],
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 5,
                "containers": [{"name": "echo", "image": IMAGE, "imagePullPolicy": "Never"}],
            },
        }
        for node in nodes
    ]
    ports = [{"port": _SERVICE_PORT, "targetPort": PORT}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _NAME, "labels": _LABELS},
        "spec": {"selector": _LABELS, "ports": ports},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [*pods, service]}


def calls(site: Site, host: Host, pods: list[Pod], service: str) -> list[str]:
    """Every call of this host's pod that went wrong."""
    own = next(pod for pod in pods if pod.host.name == host.name)
    problems = []
    for other in pods:
        if other is own:
            continue
        seen = call(site, own, other.address, PORT)
        if seen != own.address:
            problems.append(f"{host.name}: {own.address} called {other.address}, which saw {seen}")
    bridge = own.address.rpartition(".")[0]
    with suppress(ScenarioError):  # kube-proxy writes its rules when it comes to it; if it never does, the calls say so
        site.until("the Service answers", 60, lambda: not call(site, own, service, _SERVICE_PORT).startswith(_NOTHING))
    for _ in range(_TRIES):
        seen = call(site, own, service, _SERVICE_PORT)
        # a pod that calls its own Service and gets itself sees its node's bridge
        if seen != own.address and not (seen.rpartition(".")[0] == bridge and seen.endswith(".1")):
            problems.append(f"{host.name}: {own.address} called the Service {service}, which saw {seen}")
    if site.outside:
        seen = call(site, own, site.outside, site.outside_port)
        if seen != str(host.address):
            problems.append(
                f"{host.name}: {own.address} called the outside, which saw {seen} and not the host, {host.address}"
            )
    return problems


def call(site: Site, pod: Pod, address: str, port: int) -> str:
    """What the other end says the caller's address is; or what went wrong, in words."""
    words = {"pod": pod.address, "address": address, "port": port, "path": PATH, "limit": int(10 * site.patience)}
    script = _CALL
    for name, value in words.items():
        script = script.replace(f"{{{name}}}", str(value))
    done = pod.host.run(script, check=False, timeout=60)
    return done.out.strip() or f"{_NOTHING} ({said(done)})"


def names(site: Site, pods: list[Pod]) -> list[str]:
    """Where CoreDNS is, a pod finds the API server's Service by name."""
    if not site.cluster.network.coredns:
        return []
    name = f"kubernetes.default.svc.{site.cluster.network.dns_domain}"
    done = site.kubectl(f"exec {_NAME}-{pods[0].host.name} -- /busybox nslookup {name}", check=False)
    return [f"{pods[0].host.name}: {name} is not found: {said(done)}"] if done.code else []
