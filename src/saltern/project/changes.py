"""What differs between two revisions of a model, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saltern.base.errors import Place, Problem
from saltern.model.differences import ChangeKind
from saltern.project.authors import Commit


@dataclass(frozen=True, slots=True)
class Cause:
    """The line that brought a change, or that brought it by going away, and its commit."""

    place: Place
    is_old: bool
    """The line is gone; its number is that in the old revision."""
    commit: Commit | None
    """None where none of the commits between the revisions touched the line."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        place = {"file": self.place.file, "line": self.place.line, "column": self.place.column}
        return {**place, "gone": self.is_old, "commit": None if self.commit is None else self.commit.as_json()}


@dataclass(frozen=True, slots=True)
class Variant:
    """What some of the nodes had and have."""

    old: Any
    new: Any
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A leaf that changed in all nodes of a group, for one cause."""

    kind: ChangeKind
    path: str
    cause: Cause | None
    variants: tuple[Variant, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "kind": self.kind.value,
            "path": self.path,
            "cause": None if self.cause is None else self.cause.as_json(),
            "variants": [{"old": one.old, "new": one.new, "nodes": list(one.nodes)} for one in self.variants],
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that changed alike."""

    nodes: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Born:
    """A node that only one of the revisions has."""

    name: str
    cause: Cause | None


@dataclass(frozen=True)
class Diff:
    """All that differs. ``problems`` are of nodes that could not be compared: one revision of them is broken."""

    old: str
    new: str
    added: tuple[Born, ...]
    removed: tuple[Born, ...]
    groups: tuple[Group, ...]
    problems: tuple[Problem, ...]
    nodes: int
    """How many nodes were compared."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.groups)

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "old": self.old,
            "new": self.new,
            "nodes": self.nodes,
            "added": [_born_json(one) for one in self.added],
            "removed": [_born_json(one) for one in self.removed],
            "groups": [
                {"nodes": list(group.nodes), "changes": [change.as_json() for change in group.changes]}
                for group in self.groups
            ],
            "problems": [problem.as_json() for problem in self.problems],
        }


def _born_json(born: Born) -> dict[str, Any]:
    return {"name": born.name, "cause": None if born.cause is None else born.cause.as_json()}
