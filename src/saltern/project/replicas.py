"""What a node must be like so that several of it can run side by side. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from saltern.base.errors import Problem
from saltern.formulas.metadata import Volume
from saltern.project.compiling import Compiled
from saltern.project.context import setting_places


def misnamed(one: Compiled, targets: Collection[str]) -> Iterator[Problem]:
    """A problem where a cluster's members are not its node's pods, in their order: a restore acts on the first."""
    member = one.member
    named = one.metadata.members
    if member.settings.replicas == 1 or not named or "kubernetes" not in targets:
        return
    pods = [f"{member.name}-{number}" for number in range(member.settings.replicas)]
    if [host.partition(".")[0] for host in named[: len(pods)]] != pods:
        yield Problem(
            f"the members of the cluster {member.node.name} are not its replicas, in their order",
            setting_places(member.node, ("replicas",)),
            details=f"its pods are {', '.join(pods)}; the members are {', '.join(named)}",
            resolution=f"name the members {', '.join(f'{pod}.{member.name}-pods' for pod in pods)}",
            node=member.node.name,
        )


def unshared(one: Compiled, volumes: Iterable[Volume], targets: Collection[str]) -> Iterator[Problem]:
    """A problem for each volume with data of a replicated node that its replicas may not have in common.

    Members of a cluster have one each, where one of the ``targets`` can give them that.
    """
    member = one.member
    if member.settings.replicas == 1:
        return
    for volume in volumes:
        if volume.kind != "data" or volume.shared or (volume.each and "kubernetes" in targets):
            continue
        if volume.each:
            yield Problem(
                f"{member.node.name} is a cluster of replicas with {volume.path} for each, which only Kubernetes gives",
                setting_places(member.node, ("replicas",)),
                resolution="set `target: kubernetes` in saltern.yml, or make a node of each member",
                node=member.node.name,
            )
        else:
            yield Problem(
                f"{member.node.name} can have no replicas: each would need {volume.path} for itself",
                setting_places(member.node, ("replicas",)),
                details=f"no formula of it says in its meta/container.yml that the volume {volume.name!r} is `shared`",
                resolution="remove `replicas`, or set `shared: true` there if the service can share the folder",
                node=member.node.name,
            )
