"""Renders a single overlay for a cluster of any roles: only what the overlays of these tests read is there."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

from builder.render.templates import environment
from tests.kit import HOSTS, ROOT

TEMPLATES = environment([ROOT / "overlays"])
EVERYTHING = ("control-plane", "etcd", "worker")
SUBNETS = {name: f"172.7.{address.rpartition('.')[2]}.0/24" for name, address in HOSTS.items()}


@dataclass(frozen=True)
class Fixed:
    """A cluster as cluster.yaml would say it: roles by node's name, the backend, the ports."""

    roles: dict
    backend: str = "static"
    proxy_mode: str = "iptables"
    port: int = 6443
    proxy_port: int = 7443
    haproxy: str = "2.8.29-alpine"

    def peer(self, name):
        subnet = IPv4Network(SUBNETS[name]) if "worker" in self.roles[name] else None
        address = IPv4Address(HOSTS[name])
        return SimpleNamespace(name=name, address=address, roles=self.roles[name], pod_subnet=subnet)

    def render(self, name, overlay):
        """The overlay (its path below overlays/) as the node `name` gets it."""
        peers = tuple(self.peer(each) for each in self.roles)
        network = SimpleNamespace(
            pod_cidr=IPv4Network("172.7.0.0/16"), backend=self.backend, mtu=1500, proxy_mode=self.proxy_mode
        )
        plan = SimpleNamespace(
            peers=peers,
            control_planes=tuple(peer for peer in peers if "control-plane" in peer.roles),
            pod_subnet=self.peer(name).pod_subnet,
            sources=tuple(HOSTS[each] for each in self.roles),
            gateway=SUBNETS[name].replace(".0/", ".1/"),
            flannel=SimpleNamespace(mtu=1450 if self.backend == "flannel-vxlan" else 1500),
            versions={"haproxy": self.haproxy},
        )
        cluster = SimpleNamespace(network=network, api=SimpleNamespace(port=self.port, proxy_port=self.proxy_port))
        template = TEMPLATES.from_string((ROOT / "overlays" / overlay).read_text())
        return template.render(cluster=cluster, node=self.peer(name), plan=plan, ca={}, certs={})


def workers(**settings):
    """The seed's three hosts, all of them workers and nothing else."""
    return Fixed(dict.fromkeys(HOSTS, ("worker",)), **settings)
