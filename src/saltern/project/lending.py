"""Volumes that a node has of another one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saltern.base.errors import Problem
from saltern.formulas.metadata import Connection
from saltern.project.compiling import Compiled


def borrowed_from(one: Compiled) -> list[Connection]:
    """The hosts whose volumes a node borrows."""
    return [Connection(volume.of) for volume in one.metadata.volumes if volume.kind == "borrowed"]


def unlent(compiled: Iterable[Compiled]) -> Iterator[Problem]:
    """A problem for each borrowed volume that no node of the cloud has and shares."""
    nodes = list(compiled)
    lent = {(one.member.name, v.name) for one in nodes for v in one.metadata.volumes if v.kind == "data" and v.shared}
    for one in nodes:
        for volume in one.metadata.volumes:
            if volume.kind == "borrowed" and (volume.of, volume.name) not in lent:
                yield Problem(
                    f"{one.member.node.name} cannot borrow the volume {volume.name!r} of {volume.of}",
                    details=f"no node called {volume.of!r} has a data volume of that name which is `shared`",
                    resolution=f"name in the model another node whose {volume.name!r} becomes {volume.path} here",
                    node=one.member.node.name,
                )
