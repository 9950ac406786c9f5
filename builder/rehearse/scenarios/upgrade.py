"""upgrade: on hosts that have the bundles of before; the cluster comes through it, and one host can go back."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.site import BUNDLE, EARLIER, NotPlayedError, Site, want
from builder.rehearse.steps import install, wait_for_cluster
from builder.rehearse.tree import differences


def run(site: Site) -> None:
    """Control planes first, as Kubernetes asks (version skew), and the next host when all nodes are Ready again."""
    if not all(EARLIER in sticks for sticks in site.sticks.values()):
        raise NotPlayedError("there are no bundles of before: give their folder by --from")
    site.each(lambda host: install(site, host, EARLIER))
    settled(site)
    planes = site.having("control-plane")
    hosts = [*planes, *(host for host in site.hosts.values() if host not in planes)]
    for host in hosts:
        install(site, host)
        settled(site)
        as_manifest(host, BUNDLE)
    last = hosts[-1]
    # as somebody at the site would who is not content with the new one
    for words, stick in (("--rollback", EARLIER), ("", BUNDLE)):
        install(site, last, words=words)
        settled(site)
        as_manifest(last, stick)


def settled(site: Site) -> None:
    """All that are here; nothing is waited for where the rest of the cluster is not."""
    if site.whole:
        wait_for_cluster(site)


def as_manifest(host: Host, stick: str) -> None:
    """The tree is that of the bundle."""
    found = differences(host, stick)
    want(not found, f"{host.name}: not as the MANIFEST of its {stick} says: {', '.join(found[:10])}")
