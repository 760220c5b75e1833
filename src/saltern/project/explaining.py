"""``saltern explain``: what a node has at a path, and every place that had a part in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from saltern.base.errors import ModelError, Problem, UsageError
from saltern.model import Inventory, Node
from saltern.model.membership import Entry, Request, application_entries, class_requests
from saltern.model.origins import Origin, OriginKind
from saltern.model.paths import Kind, Subject, parse_subject
from saltern.model.tree import jsonable
from saltern.project.context import Project
from saltern.project.values import Leaf, Values


@dataclass(frozen=True)
class Explained:
    """What a node has at a path."""

    node: str
    subject: str
    value: Any
    origins: tuple[Origin, ...] = ()
    """The chain of the value itself; of a dictionary or list, the places that merged it."""
    leaves: tuple[Leaf, ...] = ()
    """Of a dictionary or list: all values in it."""
    requests: tuple[Request, ...] = ()
    """Of classes: every place that asks for them."""
    entries: tuple[Entry, ...] = ()
    """Of applications: every place that adds or removes them."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the node's classes; values may be missing then."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "node": self.node,
            "subject": self.subject,
            "value": jsonable(self.value),
            "origins": [origin.as_json() for origin in self.origins],
            "leaves": [leaf.as_json() for leaf in self.leaves],
            "requests": [request.as_json() for request in self.requests],
            "entries": [entry.as_json() for entry in self.entries],
            "problems": [problem.as_json() for problem in self.problems],
        }


def explain(project: Project, name: str, path: str, depth: int = 0) -> Explained:
    """What the node has at ``path``; values more than ``depth`` levels below it (0: no limit) are only counted.

    Raises UsageError when there is nothing, and ModelError when the value cannot be rendered.
    """
    node = find_node(project.opened, name)
    subject = read_subject(path, node.renderer.options.delimiter)
    if subject.kind in (Kind.PARAMETERS, Kind.EXPORTS):
        return _value(node, subject, depth)
    return _NAMES[subject.kind](node, subject)


def read_subject(text: str, delimiter: str = ":") -> Subject:
    """What a path is about. Raises UsageError."""
    try:
        return parse_subject(text, delimiter)
    except ValueError as error:
        resolution = f'Write a{delimiter}b, and quote a key that holds {delimiter!r}: a{delimiter}"b{delimiter}c".'
        raise UsageError(Problem(f"the path {text!r} cannot be read: {error}", resolution=resolution)) from error


def find_node(inventory: Inventory, name: str) -> Node:
    """The node of that name or, if only one has it, short name. Raises ModelError or UsageError."""
    try:
        return inventory.node(name)
    except ModelError:
        names = [full for full in inventory.nodes if full.split(".", 1)[0] == name]
        if len(names) == 1:
            return inventory.node(names[0])
        if names:
            brief = f"{len(names)} nodes have the short name {name!r}"
            raise UsageError(Problem(brief, resolution=f"Give the full name: {' or '.join(names)}.")) from None
        raise


def _value(node: Node, subject: Subject, depth: int) -> Explained:
    values = Values(node, exports=subject.kind is Kind.EXPORTS)
    return _explained(
        node,
        subject,
        values.value(subject.path),
        origins=values.origins(subject.path),
        leaves=tuple(values.leaves(subject.path, depth)),
    )


def _classes(node: Node, subject: Subject) -> Explained:
    requests = class_requests(node.flat, node.renderer.options)
    return _explained(node, subject, list(node.classes), requests=requests)


def _class(node: Node, subject: Subject) -> Explained:
    requests = class_requests(node.flat, node.renderer.options)
    name = node.renderer.options.delimiter.join(map(str, subject.path))
    own = tuple(request for request in requests if request.name == name)
    if not own:
        raise _nothing(node, f"class {name!r}" if name else "class without a name", name, node.classes)
    return _explained(node, Subject(Kind.CLASS, (name,)), name, requests=own)


def _applications(node: Node, subject: Subject) -> Explained:
    entries = application_entries(node.flat)
    if not subject.path:
        return _explained(node, subject, list(node.applications), entries=entries)
    name = node.renderer.options.delimiter.join(map(str, subject.path))
    own = tuple(entry for entry in entries if entry.name == name)
    if not own:
        raise _nothing(node, f"application {name!r}", name, node.applications)
    return _explained(node, subject, name if name in node.applications else None, entries=own)


def _environment(node: Node, subject: Subject) -> Explained:
    return _explained(node, subject, node.environment, origins=tuple(_environments(node)))


def _environments(node: Node) -> Iterator[Origin]:
    for entity in node.flat.entities:
        if entity.environment_mark is not None:
            kind = OriginKind.SET if entity is node.flat.entity else OriginKind.IGNORED
            source, line, column = entity.environment_mark
            yield Origin(kind, source.file, line, column, source.name, "environment", entity.environment)


_NAMES = {
    Kind.CLASS: _class,
    Kind.CLASSES: _classes,
    Kind.APPLICATIONS: _applications,
    Kind.ENVIRONMENT: _environment,
}


def _explained(node: Node, subject: Subject, value: Any, **parts: Any) -> Explained:
    shown = subject.shown(node.renderer.options.delimiter)
    return Explained(node.name, shown, value, problems=node.flat.problems, **parts)


def _nothing(node: Node, what: str, name: str, known: tuple[str, ...]) -> UsageError:
    close = get_close_matches(name, known, 3)
    resolution = f"Did you mean {' or '.join(close)}?" if close else f"It has: {', '.join(known) or 'none'}."
    return UsageError(Problem(f"node {node.name} has no {what}", resolution=resolution))
