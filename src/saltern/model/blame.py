"""Which place is to blame for a difference of two states of a node. Pure.

The chains of the old and the new value are compared. What is only in the new one brought the change; else what is only
in the old one, by going away; else the same is asked of the values that the references lead to. A value that is gone
because something above it was overwritten is the overwriting line's doing. A file that came into the node (or left
it) as a class is not to blame itself: the line is that asks for the class, the outermost one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import Place
from saltern.model.differences import Difference
from saltern.model.flatten import Membership
from saltern.model.origins import Origin, OriginKind, Through
from saltern.model.paths import Kind
from saltern.model.tree import Node

Link = tuple[str, Origin]
"""An origin, and the other node whose it is ("" for the same node)."""
Rename = Callable[[str], str]
"""A file's name in one state as it is called in both."""


@dataclass(frozen=True, slots=True, order=True)
class Blamed:
    """The place, and whether it is one of the old state: it is gone in the new one."""

    place: Place
    is_old: bool = False


class State:
    """A node in one of the two states."""

    def __init__(self, node: Node, rename: Rename) -> None:
        self.node = node
        self._rename = rename
        self._tracer = node.tracer
        self._memberships: Mapping[str, Membership] = {one.name: one for one in node.memberships}

    def chain(self, path: Sequence[str | int]) -> list[Link]:
        """The chain of what stands at a path that begins with its kind."""
        kind, *rest = path
        return _links(self._tracer.chain(tuple(rest), exports=kind == Kind.EXPORTS))

    def place(self, place: Place) -> Place:
        """The place with the file's name as both states call it."""
        return Place(self._rename(place.file), place.line, place.column)

    def key(self, link: Link) -> tuple[str, ...]:
        """What makes two origins one, wherever in the file they stand."""
        node, origin = link
        value = json.dumps(origin.value, sort_keys=True, default=str)
        return (node, self._rename(origin.file), origin.class_, origin.path, value, str(origin.constant))

    def membership(self, name: str, other: State) -> Membership | None:
        """The outermost class on the way to ``name`` that the other state does not have."""
        own = self._memberships.get(name)
        if own is None or name in other._memberships:
            return None
        missing = next((above for above in own.chain[1:] if above not in other._memberships), name)
        return self._memberships.get(missing)


def blame(difference: Difference, old: State, new: State) -> Blamed | None:
    """Who is to blame; None when nobody is, as for what Saltern adds by itself."""
    kind = difference.path[0]
    if kind in (Kind.PARAMETERS, Kind.EXPORTS):
        return _of_value(difference, old, new)
    if kind == Kind.CLASSES:
        return _of_class(difference, old, new)
    if kind == Kind.APPLICATIONS:
        return _of_application(difference, old, new)
    return Blamed(new.place(new.node.place))


def _of_value(difference: Difference, old: State, new: State) -> Blamed | None:
    if not difference.new_path and (origin := _overwriting_above(difference.old_path, old, new)) is not None:
        return _blamed(origin, old, new, is_old=False)
    before = old.chain(difference.old_path) if difference.old_path else []
    after = new.chain(difference.new_path) if difference.new_path else []
    found = _changed(before, after, old, new)
    if found is None:  # nothing that a chain shows: the place that decides
        origin, is_old = (after or before)[-1][1] if after or before else None, not after
    else:
        origin, is_old = found
    return None if origin is None or not origin.file else _blamed(origin, old, new, is_old=is_old)


def _changed(before: Iterable[Link], after: Iterable[Link], old: State, new: State) -> tuple[Origin, bool] | None:
    """The last origin that only one of the chains has, and whether that is the old one."""
    known = {old.key(link): link[1] for link in before}
    fresh = {new.key(link): link[1] for link in after}
    for key in reversed(fresh):
        if key not in known:
            return fresh[key], False
    for key in reversed(known):
        if key not in fresh:
            return known[key], True
    for key in reversed(fresh):
        found = _changed(_through(known[key].references), _through(fresh[key].references), old, new)
        if found is not None:
            return found
    return None


def _overwriting_above(path: Sequence[str | int], old: State, new: State) -> Origin | None:
    """What took away all that stood below the nearest dictionary or list around a path."""
    for length in range(len(path) - 1, 1, -1):
        found = _overwriting(old.chain(path[:length]), new.chain(path[:length]), old, new)
        if found is not None and found.file:
            return found
    return None


def _overwriting(before: Sequence[Link], after: Sequence[Link], old: State, new: State) -> Origin | None:
    """The last origin that replaces what stood there, and did not do so in the old chain."""
    known = {old.key(link): link[1] for link in before}
    for link in reversed(after):
        was = known.get(new.key(link))
        if _replaces(link[1]) and (was is None or not _replaces(was)):
            return link[1]
    for link in reversed(after):
        was = known.get(new.key(link))
        if was is not None:
            found = _overwriting(_through(was.references), _through(link[1].references), old, new)
            if found is not None:
                return found
    return None


def _replaces(origin: Origin) -> bool:
    return origin.kind is OriginKind.OVERWROTE or origin.constant


def _links(origins: Iterable[Origin], node: str = "") -> list[Link]:
    return [(node, origin) for origin in origins if origin.kind is not OriginKind.IGNORED]


def _through(references: Iterable[Through]) -> list[Link]:
    return [link for through in references for link in _links(through.origins, through.node)]


def _blamed(origin: Origin, old: State, new: State, *, is_old: bool) -> Blamed:
    state, other = (old, new) if is_old else (new, old)
    membership = state.membership(origin.class_, other)
    if membership is not None and membership.mark.source.file:
        return Blamed(state.place(membership.mark.place), is_old)
    return Blamed(state.place(origin.place), is_old)


def _of_class(difference: Difference, old: State, new: State) -> Blamed | None:
    """The first of both ways: where a class came in, or where one that is gone was asked for."""
    for state, other, name, is_old in ((new, old, difference.new, False), (old, new, difference.old, True)):
        membership = state.membership(str(name), other)
        if membership is not None and membership.mark.source.file:
            return Blamed(state.place(membership.mark.place), is_old)
    return None


def _of_application(difference: Difference, old: State, new: State) -> Blamed | None:
    for state, other, name, is_old in ((new, old, difference.new, False), (old, new, difference.old, True)):
        for entity in state.node.flat.entities:
            for application in entity.applications:
                if application.name == name:
                    membership = state.membership(entity.source.name, other)
                    mark = membership.mark if membership is not None else application.mark
                    return Blamed(state.place(mark.place), is_old)
    return None


def rendered(node: Node) -> dict[str, Any]:
    """All that two states of a node are compared by, by kind."""
    return {
        Kind.CLASSES.value: list(node.classes),
        Kind.APPLICATIONS.value: list(node.applications),
        Kind.ENVIRONMENT.value: node.environment,
        Kind.PARAMETERS.value: node.parameters,
        Kind.EXPORTS.value: node.exports,
    }
