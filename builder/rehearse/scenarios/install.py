"""install: every bundle is installed, in an order that nobody chose; the nodes become Ready."""

from __future__ import annotations

from builder.rehearse.site import Site, want
from builder.rehearse.steps import install, wait_for_cluster
from builder.rehearse.tree import differences


def run(site: Site) -> None:
    """All hosts at once: each comes to each step when it comes, and what waits for another has to wait."""
    site.each(lambda host: install(site, host))
    if site.whole:
        wait_for_cluster(site)
    else:
        site.note("not every node is here: units that wait for another host may still wait")
    for name, found in site.each(differences).items():
        want(not found, f"{name}: not as MANIFEST says: {', '.join(found[:10])}")
