"""What a scenario works with: the hosts of the cluster, and what it may ask of each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from builder.errors import BundlerError
from builder.model.cluster import Cluster, Node
from builder.rehearse.commands import Done
from builder.rehearse.host import Host
from builder.rehearse.progress import Board
from builder.rehearse.snapshot import Snapshot

FOLDER = "/root/rehearsal"
"""Where bundles lie on a host, and what a rehearsal keeps there; snapshots leave it out."""

KUBECTL = (
    "/opt/kubernetes/bin/kubectl --kubeconfig /opt/kubernetes/cfg/admin.kubeconfig --request-timeout=60s "
    f"--cache-dir={FOLDER}/kubectl"
)
BUNDLE, OTHER, EARLIER = "bundle", "other", "earlier"
"""The sticks of a host: its own tarball, one of another node, and the one that the real host has now."""

T = TypeVar("T")


class ScenarioError(BundlerError):
    """A scenario saw what must not be."""


class NotPlayedError(BundlerError):
    """A scenario cannot be played with this cluster; the message says why. That is no failure."""


@dataclass(frozen=True)
class Site:
    """The hosts by node name, and what is around them.

    `sticks` says of each host's disks whose bundle it is and its size in bytes. `outside` is an address beside the
    hosts that is no node's, with a web server on `outside_port` that answers with the caller's address; `probe`
    says whether the pods' image is at hand. `power_cuts` is how often each host's power fails in the scenario of that
    name. `before` are snapshots from before the first install, `installed` the hosts that a bundle is on, `spoilt`
    those that a scenario left in the middle. `patience` is how many times slower than a real machine these may be.
    """

    cluster: Cluster
    hosts: Mapping[str, Host]
    sticks: Mapping[str, Mapping[str, tuple[str, int]]]
    board: Board
    patience: float = 1
    probe: bool = False
    outside: str = ""
    outside_port: int = 0
    power_cuts: int = 2
    notes: list[str] = field(default_factory=list)
    installed: set[str] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    before: dict[str, Snapshot] = field(default_factory=dict)
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def node(self, host: Host) -> Node:
        """What cluster.yaml says of it."""
        return next(node for node in self.cluster.nodes if node.name == host.name)

    def having(self, role: str) -> list[Host]:
        """The hosts that are here with that role."""
        return [self.hosts[node.name] for node in self.cluster.nodes if role in node.roles and node.name in self.hosts]

    @property
    def whole(self) -> bool:
        """Whether every node is here."""
        return len(self.hosts) == len(self.cluster.nodes)

    def note(self, text: str) -> None:
        """Something that the reader of the report should know."""
        self.notes.append(text)

    def each(self, task: Callable[[Host], T], hosts: Iterable[Host] | None = None) -> dict[str, T]:
        """The task on every host at once. Raises ScenarioError with what went wrong on each."""
        results: dict[str, T] = {}
        errors: dict[str, Exception] = {}

        def one(host: Host) -> None:
            try:
                results[host.name] = task(host)
            except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
                errors[host.name] = error

        chosen = list(self.hosts.values()) if hosts is None else list(hosts)
        # daemons: a Ctrl-C must not wait for them
        threads = [threading.Thread(target=one, args=(host,), daemon=True) for host in chosen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in errors.values():
            if not isinstance(error, BundlerError):
                raise error
        if errors:
            raise ScenarioError("; ".join(str(errors[name]) for name in sorted(errors)))
        return results

    def until(self, what: str, seconds: float, good: Callable[[], bool], *, every: float = 2) -> None:
        """Wait until it is good. Raises ScenarioError saying what never came, after `seconds` of a real machine.

        `every` is the time between two looks, of a real machine as well: looking would keep a slow one from its work.
        """
        limit = self.clock() + seconds * self.patience
        while not good():
            if self.clock() > limit:
                raise ScenarioError(f"{what}: not after {seconds * self.patience:.0f} s")
            self.pause(every * self.patience)

    def kubectl(self, words: str, *, text: str | None = None, check: bool = True) -> Done:
        """kubectl on the first control-plane host, with the operator's rights."""
        return self.having("control-plane")[0].run(f"{KUBECTL} {words}", text=text, check=check)

    def objects(self, words: str) -> list[dict[str, Any]]:
        """The items that `kubectl get` lists, or none while the API server does not answer."""
        done = self.kubectl(f"get {words} -o json", check=False)
        if done.code:
            return []
        found: list[dict[str, Any]] = json.loads(done.out)["items"]
        return found


def want(fact: object, message: str) -> None:
    """Raises ScenarioError with the message unless it is so."""
    if not fact:
        raise ScenarioError(message)
