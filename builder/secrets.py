"""Brings pki and the state folder together: every key and certificate of a build, kept or made anew."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from builder.errors import PkiError
from builder.events import Sink, Step, Warned
from builder.model.cluster import GivenCA, Pki
from builder.model.plan import CLUSTER_CA_KEY, SERVICE_ACCOUNT, CertSpec, KeyPair, NodePlan
from builder.pki.ca import Authority, load_ca, make_ca
from builder.pki.issue import Policy, issue, why_anew
from builder.pki.keys import key_pem, make_key, public_pem
from builder.state.folder import StateFolder

_ENCRYPTION_KEY_BYTES = 32
"""secretbox takes just so many (Kubernetes: apiserver.config.k8s.io/v1, EncryptionConfiguration)."""


@dataclass(frozen=True)
class Secrets:
    """The CAs' certificates (PEM, by `cluster`, `etcd` and `front-proxy`), every pair by its spec's id, and the rest.

    `shared` holds what only the control plane has: service-account (PEM pair), encryption-key (32 bytes in
    base64) and cluster-ca-key (PEM), the last only where hosts are to have it.
    """

    authorities: Mapping[str, str]
    pairs: Mapping[str, KeyPair] = field(repr=False)
    shared: Mapping[str, KeyPair] = field(default_factory=dict, repr=False)

    def of_node(self, plan: NodePlan) -> dict[str, KeyPair]:
        """This node's pairs, by the part of the id after the slash: what its overlays call them."""
        return {spec.id.rpartition("/")[2]: self.pairs[spec.id] for spec in plan.certificates}

    def shared_of(self, plan: NodePlan) -> dict[str, KeyPair]:
        """What the plan says that this node gets beside its certificates, by name."""
        return {name: self.shared[name] for name in plan.shared_secrets}


def given_authorities(pki: Pki, environ: Mapping[str, str], now: datetime) -> dict[str, Authority]:
    """The CAs that the user brings, read and checked; before anything is fetched.

    Raises PkiError when one cannot be used, or both are the same without allowSharedCA: with one CA for
    all, any kubelet's certificate opens the whole of etcd (facts: cluster-facts.md, pitfall 20).
    """
    wanted = {"cluster": pki.cluster_ca, "etcd": pki.etcd_ca}
    found = {name: _of_field(name, given, environ, now) for name, given in wanted.items() if given is not None}
    if len(found) == len(wanted) and found["cluster"].pem == found["etcd"].pem and not pki.allow_shared_ca:
        raise PkiError(
            "clusterCA and etcdCA are the same, so any kubelet could read and write all of etcd",
            "give etcd a CA of its own, or set spec.pki.allowSharedCA: true to accept that",
            "spec.pki.etcdCA",
        )
    return found


def gather(
    plans: Iterable[NodePlan],
    state: StateFolder,
    given: Mapping[str, Authority],
    now: datetime,
    sink: Sink,
    more: Iterable[CertSpec] = (),
) -> Secrets:
    """Every secret that the plans want, and `more` certificates: kept where they still serve, else made and said."""
    plans = tuple(plans)
    cluster = plans[0].cluster
    pki = cluster.pki
    specs = {spec.id: spec for spec in (*(spec for plan in plans for spec in plan.certificates), *more)}
    wanted = dict.fromkeys(("cluster", "etcd", *(spec.ca for spec in specs.values())))
    authorities: dict[str, Authority] = {
        name: given.get(name) or _own_authority(name, cluster.name, pki, state, now, sink) for name in wanted
    }
    _warn_of_late_ca(authorities, pki, now, sink)
    policy = Policy(pki.key_algorithm, pki.leaf_validity, pki.renew_before)
    pairs = {spec.id: _keep_or_issue(spec, authorities[spec.ca], policy, state, now, sink) for spec in specs.values()}
    names = dict.fromkeys(name for plan in plans for name in plan.shared_secrets)
    shared = {name: _shared(name, authorities["cluster"], policy, state, sink) for name in names}
    return Secrets({name: authority.pem for name, authority in authorities.items()}, pairs, shared)


def _shared(name: str, cluster_ca: Authority, policy: Policy, state: StateFolder, sink: Sink) -> KeyPair:
    """What no certificate vouches for. A given CA's key is passed on, never kept in the state folder."""
    if name == CLUSTER_CA_KEY:
        return KeyPair(cluster_ca.pem, key_pem(cluster_ca.key))
    kept = state.pair(name)
    if kept is None:
        if name == SERVICE_ACCOUNT:
            key = make_key(policy.algorithm)
            kept = KeyPair(public_pem(key), key_pem(key))
        else:
            kept = KeyPair(f"{name}\n", base64.b64encode(os.urandom(_ENCRYPTION_KEY_BYTES)).decode("ascii"))
        state.keep_pair(name, kept)
        sink(Step(f"made the {name.replace('-', ' ')}{' key' if name == SERVICE_ACCOUNT else ''} of the cluster"))
    return kept


def _keep_or_issue(
    spec: CertSpec, authority: Authority, policy: Policy, state: StateFolder, now: datetime, sink: Sink
) -> KeyPair:
    kept = state.pair(spec.id)
    reason = "" if kept is None else why_anew(spec, kept, authority, policy, now)
    if kept is not None and reason is None:
        return kept
    made = issue(spec, authority, policy, now)
    state.keep_pair(spec.id, made)
    sink(Step(f"issued certificate {spec.id}" + (f": {reason}" if reason else "")))
    return made


def _own_authority(name: str, cluster: str, pki: Pki, state: StateFolder, now: datetime, sink: Sink) -> Authority:
    """The CA in the state folder, made on the first build."""
    kept = state.pair(f"{name}-ca")
    if kept is None:
        common_name = "kubernetes" if name == "cluster" else f"{name}-ca"
        kept = make_ca(common_name, pki.key_algorithm, pki.ca_validity, now)
        state.keep_pair(f"{name}-ca", kept)
        sink(Step(f"made the {name} CA of {cluster}; its key stays in {state.root}"))
    return load_ca(kept, f"{state.root}/pki/{name}-ca.pem", now)


def _warn_of_late_ca(authorities: Mapping[str, Authority], pki: Pki, now: datetime, sink: Sink) -> None:
    for name, authority in authorities.items():
        left = authority.certificate.not_valid_after_utc - now
        if left < pki.leaf_validity:
            sink(Warned(f"the {name} CA ends in {left.days} days; no certificate can outlive it", "renew the CA"))


def _of_field(name: str, given: GivenCA, environ: Mapping[str, str], now: datetime) -> Authority:
    try:
        return _read(given, environ, now)
    except PkiError as error:
        raise PkiError(error.message, error.remedy, f"spec.pki.{name}CA") from error


def _read(given: GivenCA, environ: Mapping[str, str], now: datetime) -> Authority:
    pair = KeyPair(_text(given.certificate), _text(given.key))
    return load_ca(pair, str(given.certificate), now, _passphrase(given, environ))


def _passphrase(given: GivenCA, environ: Mapping[str, str]) -> str | None:
    """The key's passphrase: from the variable, or the first line of the file."""
    if given.passphrase_env is not None:
        if given.passphrase_env not in environ:
            raise PkiError(f"passphraseEnv: {given.passphrase_env} is not set", "export it")
        return environ[given.passphrase_env]
    if given.passphrase_file is not None:
        return _text(given.passphrase_file).split("\n", 1)[0].rstrip("\r")
    return None


def _text(path: object) -> str:
    try:
        return Path(str(path)).read_text(encoding="utf-8")
    except OSError as error:
        raise PkiError(f"{path}: {error.strerror}", "give the path of a file that can be read") from error
    except UnicodeDecodeError as error:
        raise PkiError(f"{path}: not a text file", "give a PEM file") from error
