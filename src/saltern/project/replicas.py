"""What a node must be like so that several of it can run side by side. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from saltern.base.errors import Problem
from saltern.formulas.metadata import Volume
from saltern.project.compiling import Compiled
from saltern.project.context import setting_places


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
