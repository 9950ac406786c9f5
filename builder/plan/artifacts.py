"""Which artifact a recipe means: its version for this cluster, its URL for this arch, its digest."""

from __future__ import annotations

from builder.errors import PlanError
from builder.model.cluster import Cluster
from builder.model.recipe import Artifact, Checksum, Recipe
from builder.model.versions import MINORS, minor_of


def version_of(recipe: Recipe, cluster: Cluster) -> str:
    """The component's version: what cluster.yaml says, else what it follows, else the recipe's default."""
    if recipe.follows == "kubernetes":
        return cluster.kubernetes
    if recipe.follows == "coredns" and recipe.name not in cluster.versions:
        return MINORS[minor_of(cluster.kubernetes)].coredns
    if recipe.follows == "pause-image":
        return cluster.pause_image.rpartition(":")[2]
    if recipe.name in cluster.versions:
        return cluster.versions[recipe.name]
    return recipe.default_version or ""


def words_of(recipe: Recipe, cluster: Cluster, arch: str) -> dict[str, str]:
    """What a recipe's {placeholders} stand for."""
    version = version_of(recipe, cluster)
    return {
        "version": version,
        "number": version.removeprefix("v"),
        "arch": arch,
        "pause_image": cluster.pause_image,
    }


def artifact_of(recipe: Recipe, cluster: Cluster, arch: str) -> Artifact | None:
    """The download that the recipe stands for, or None for a recipe that is an overlay only.

    Raises PlanError when neither cluster.yaml nor the recipe says which version.
    """
    source = recipe.source
    if source is None:
        return None
    version = version_of(recipe, cluster)
    if not version:
        raise PlanError(
            f"{recipe.origin}: recipe {recipe.name} has no version",
            f"give it [version] default, or set spec.components.{recipe.name}",
        )
    words = words_of(recipe, cluster, arch)
    url = source.url.format(**words)
    checksum = None
    if source.checksum_url:
        checksum = Checksum(source.checksum_url.format(url=url, **words), source.checksum_format)
    return Artifact(
        component=recipe.name,
        version=version,
        arch=arch,
        url=url,
        kind=source.kind,
        digest=recipe.digests.get(version, {}).get(arch),
        checksum=checksum,
        members=tuple(file.member.format(**words) for file in recipe.files if file.member is not None),
        recipe=recipe.origin,
        notice=recipe.notice,
    )
