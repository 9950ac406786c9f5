"""Upstream's own files, given in a folder of any layout or left in the store by a build that could fetch them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.fetch.store import Store, digest_of
from builder.model.recipe import Digest, Recipe
from builder.model.versions import numbers

KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")


class Given:
    """Finds a file by the digest that a recipe has of it; by its name where no recipe has one."""

    def __init__(self, folder: Path | None, store: Store) -> None:
        self._store = store
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
        self._by_digest = {digest: path for path in found for digest in _digests(path)}
        self._by_name = {path.name: path for path in found}
        self._unused = set(found)

    def file(self, artifact: Mapping[str, Any]) -> tuple[bytes, str] | None:
        """The file of an artifact of `bundler plan -o json`, and where it comes from in words."""
        path = self._find(artifact["digest"])
        if path:
            return path.read_bytes(), f"{artifact['component']} {artifact['version']}, given"
        name = artifact["url"].rpartition("/")[2]
        if artifact["digest"] or artifact["version"].removeprefix("v") not in name or name not in self._by_name:
            return None
        self._unused.discard(self._by_name[name])
        return self._by_name[name].read_bytes(), f"{name} as given, of which no recipe has a digest"

    def image(self, artifact: Mapping[str, Any], registry: Path) -> bool:
        """Put an image into a registry's folder, from an archive in OCI layout; False where it is not given."""
        path = self._find(artifact["digest"])
        if path is None:
            return False
        repository, _, tag = artifact["url"].removeprefix("docker://").rpartition(":")
        place = registry / "v2" / repository
        for kind in ("blobs", "manifests"):
            (place / kind).mkdir(parents=True, exist_ok=True)
        with tarfile.open(path) as archive:
            for item in archive:
                if item.isfile() and item.name.removeprefix("./").startswith("blobs/sha256/"):
                    content = archive.extractfile(item).read()  # type: ignore[union-attr] # it is a file
                    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
                    (place / "blobs" / digest).write_bytes(content)
                    if _is_manifest(content):
                        (place / "manifests" / digest).write_bytes(content)
        (place / "manifests" / tag).write_bytes((place / "manifests" / artifact["digest"]).read_bytes())
        return True

    def kubernetes(self, recipes: Mapping[str, Recipe], arch: str = "amd64") -> str:
        """The newest version of which all programs are given, or nothing. Raises ValueError for an incomplete one."""
        lacking: dict[str, list[str]] = {}
        for version in recipes["kubelet"].digests:
            digests = {name: recipes[name].digests.get(version, {}).get(arch) for name in KUBERNETES}
            lacking[version] = [name for name, digest in digests.items() if not self._has(digest)]
        whole = [version for version, names in lacking.items() if not names]
        if whole:
            return max(whole, key=numbers)
        for version, names in lacking.items():
            if len(names) < len(KUBERNETES) and self._by_name:
                raise ValueError(f"of Kubernetes {version} these are not given: {', '.join(names)}")
        return ""

    def names(self, recipe: Recipe, arch: str = "amd64") -> bool:
        """Whether the archive of the recipe's own version is given, by its name."""
        version = recipe.default_version or ""
        url = recipe.source.url if recipe.source else ""
        name = url.format(version=version, number=version.removeprefix("v"), arch=arch).rpartition("/")[2]
        return name in self._by_name

    def unused(self) -> list[str]:
        """The files of the folder that nothing asked for."""
        return sorted(str(path) for path in self._unused)

    def _has(self, digest: Digest | None) -> bool:
        return digest is not None and (str(digest) in self._by_digest or self._store.path_of(digest) is not None)

    def _find(self, digest: str | None) -> Path | None:
        if not digest:
            return None
        path = self._by_digest.get(digest)
        if path:
            self._unused.discard(path)
            return path
        algorithm, _, number = digest.partition(":")
        return self._store.path_of(Digest("sha512" if algorithm == "sha512" else "sha256", number))


def _digests(path: Path) -> Iterator[str]:
    """By what a recipe may know a file: its own digest, and of an archive in OCI layout that of its image."""
    yield f"sha256:{digest_of(path, 'sha256')}"
    if path.suffix == ".tar":
        with tarfile.open(path) as archive:
            for name in ("index.json", "./index.json"):
                if name in archive.getnames():
                    index = json.load(archive.extractfile(name))  # type: ignore[arg-type] # a file by its name
                    yield from (item["digest"] for item in index["manifests"])


def _is_manifest(content: bytes) -> bool:
    return content[:1] == b"{" and "mediaType" in (loaded := json.loads(content)) and "rootfs" not in loaded
