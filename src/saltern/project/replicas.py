"""What a node must be like so that several of it can run side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saltern.base.errors import Problem
from saltern.formulas.metadata import Volume
from saltern.project.compiling import Compiled
from saltern.project.context import setting_places


def unshared(one: Compiled, volumes: Iterable[Volume]) -> Iterator[Problem]:
    """A problem for each volume with data of a replicated node that its replicas may not have in common."""
    member = one.member
    if member.settings.replicas == 1:
        return
    for volume in volumes:
        if volume.kind == "data" and not volume.shared:
            yield Problem(
                f"{member.node.name} can have no replicas: each would need {volume.path} for itself",
                setting_places(member.node, ("replicas",)),
                details=f"no formula of it says in its meta/container.yml that the volume {volume.name!r} is `shared`",
                resolution="remove `replicas`, or set `shared: true` there if the service can share the folder",
                node=member.node.name,
            )
