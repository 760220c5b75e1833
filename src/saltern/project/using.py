"""``saltern uses``: what a line of the model, a path or a class reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any

from saltern.base.errors import Place, Problem, UsageError
from saltern.model import Inventory
from saltern.model.entity import Entity
from saltern.model.membership import Entry, Request, application_entries, class_requests
from saltern.model.paths import Kind, Subject
from saltern.model.terms import Branch, Mark, Sequence, Stack, Term
from saltern.model.uses import Target, Use, Uses
from saltern.project.context import Project
from saltern.project.explaining import read_subject

_FILE = re.compile(r"(?P<file>.+\.ya?ml)(:(?P<line>\d+)(:\d+)?)?")


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes in which the same values are reached."""

    nodes: tuple[str, ...]
    uses: tuple[Use, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        uses = [{"path": use.path, "exports": use.exports, "through": list(use.through)} for use in self.uses]
        return {"nodes": list(self.nodes), "uses": uses}


@dataclass(frozen=True, slots=True)
class Asked:
    """A place that asks for a class or an application, and the nodes in which it does."""

    name: str
    place: Place
    by: str
    """The class or node whose file it is; of a class mapping, the mapping."""
    nodes: tuple[str, ...]
    counts: tuple[str, ...]
    """The nodes in which it has an effect: the class came by this place, the application is (or stays away)."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "name": self.name,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "by": self.by,
            "nodes": list(self.nodes),
            "counts": list(self.counts),
        }


@dataclass(frozen=True)
class Used:
    """What something reaches."""

    subject: str
    nodes: tuple[str, ...]
    """All nodes that have it: the file, the path or the class."""
    groups: tuple[Group, ...] = ()
    classes: tuple[Asked, ...] = ()
    applications: tuple[Asked, ...] = ()

    @property
    def without_effect(self) -> tuple[str, ...]:
        """Nodes that have it although it reaches nothing in them: later classes overwrite it."""
        reached = {name for group in self.groups for name in group.nodes}
        asked = {name for one in (*self.classes, *self.applications) for name in one.nodes}
        return tuple(name for name in self.nodes if name not in reached and name not in asked)

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "subject": self.subject,
            "nodes": list(self.nodes),
            "without_effect": list(self.without_effect),
            "groups": [group.as_json() for group in self.groups],
            "classes": [asked.as_json() for asked in self.classes],
            "applications": [asked.as_json() for asked in self.applications],
        }


def uses(project: Project, what: str) -> Used:
    """What ``what`` reaches: a file, a line of one (``FILE:LINE``), a path, or a class. Raises UsageError."""
    inventory, delimiter = project.opened, project.location.options.delimiter
    if found := _FILE.fullmatch(what):
        return _of_file(inventory, found["file"], int(found["line"] or 0))
    _ = [node.flat for node in inventory.nodes.values()]  # only a node tells which environments' classes there are
    if what in inventory.class_names:
        return _of_class(inventory, what)
    subject = read_subject(what, delimiter)
    if subject.kind is Kind.CLASS and subject.path:
        return _of_class(inventory, delimiter.join(map(str, subject.path)))
    if subject.kind in (Kind.PARAMETERS, Kind.EXPORTS) and subject.path:
        return _of_path(inventory, subject, delimiter)
    resolution = "Give a file, a line of one (classes/a.yml:3), a path (a:b, exports:a) or a class."
    raise UsageError(Problem(f"{what!r} names nothing that is used", resolution=resolution))


def _of_path(inventory: Inventory, subject: Subject, delimiter: str) -> Used:
    found = _reached(inventory, Target(path=subject.path, exports=subject.kind is Kind.EXPORTS))
    having = tuple(name for name, used in found.items() if any(not use.through for use in used))
    if not having:
        brief = f"no node has {subject.shown(delimiter)}"
        raise UsageError(Problem(brief, resolution="saltern explain NODE shows what a node has."))
    return Used(subject.shown(delimiter), having, _grouped(found))


def _of_class(inventory: Inventory, name: str) -> Used:
    if name not in inventory.class_names:
        close = get_close_matches(name, inventory.class_names, 3)
        resolution = f"Did you mean {' or '.join(close)}?" if close else "saltern explain NODE classes lists a node's."
        raise UsageError(Problem(f"class {name!r} does not exist", resolution=resolution))
    having = tuple(node.name for node in inventory.nodes.values() if name in node.classes)
    asked = _asked(inventory, having, lambda request: request.name == name)
    return Used(Subject(Kind.CLASS, (name,)).shown(), having, classes=asked)


def _of_file(inventory: Inventory, given: str, line: int) -> Used:
    files: dict[str, Entity] = {}
    having: dict[str, list[str]] = {}
    for node in inventory.nodes.values():
        for entity in node.flat.entities:
            if not entity.definer:
                files.setdefault(entity.source.file, entity)
                having.setdefault(entity.source.file, []).append(node.name)
    file = _known_file(given, files, inventory)
    nodes = tuple(having.get(file, ()))
    if not line:
        return Used(file, nodes, _grouped(_reached(inventory, Target(file))))
    anchors = list(_anchors(files[file])) if file in files else []
    at = max((begin for begin, _ in anchors if begin <= line), default=0)
    values = frozenset(chain.from_iterable(lines for begin, lines in anchors if begin == at))
    return Used(
        f"{file}:{line}",
        nodes,
        groups=_grouped(_reached(inventory, Target(file, values))) if values else (),
        classes=_asked(inventory, nodes, lambda request: _stands(request.mark, file, at)),
        applications=_applied(inventory, nodes, lambda entry: _stands(entry.mark, file, at)),
    )


def _stands(mark: Mark, file: str, line: int) -> bool:
    return mark.source.file == file and mark.line == line


# ---- files and their lines


def _known_file(given: str, files: Mapping[str, Entity], inventory: Inventory) -> str:
    """The file's name as the model has it; the end of it is enough where only one ends so."""
    known = dict.fromkeys(files)
    if given not in known:  # classes that no node has
        entities = (inventory.class_(name) for name in inventory.class_names)
        known.update(dict.fromkeys(entity.source.file for entity in entities if entity is not None))
    if given in known:
        return given
    ends = sorted(file for file in known if file.endswith(f"/{given.removeprefix('./')}") or given.endswith(f"/{file}"))
    if len(ends) == 1:
        return ends[0]
    close = ends or get_close_matches(given, known, 3, 0.85)
    brief = f"{len(ends)} files of the model end in {given!r}" if ends else f"the model has no file {given!r}"
    resolution = f"Did you mean {' or '.join(close)}?" if close else "Give it as the model has it: classes/a/b.yml."
    raise UsageError(Problem(brief, resolution=resolution))


def _anchors(entity: Entity) -> Iterator[tuple[int, frozenset[int]]]:
    """The lines on which something begins, each with the lines of the values that belong to it."""
    for tree in (entity.parameters, entity.exports):
        for term in tree.entries.values():
            yield from _lines(term)
    marks = [include.mark for include in entity.includes] + [entry.mark for entry in entity.applications]
    for mark in marks:
        yield mark.line, frozenset()


def _lines(term: Term) -> Iterator[tuple[int, frozenset[int]]]:
    if isinstance(term, Stack):
        for layer in term.layers:
            yield from _lines(layer.term)
        return
    parts: Iterable[Term] = ()
    if isinstance(term, (Branch, Sequence)):
        parts = term.items if isinstance(term, Sequence) else term.entries.values()
    below = [anchor for part in parts for anchor in _lines(part)]
    yield from below
    yield term.mark.line, frozenset({term.mark.line}).union(*(lines for _, lines in below))


# ---- many nodes


def _reached(inventory: Inventory, target: Target) -> dict[str, tuple[Use, ...]]:
    found = Uses(target, inventory.nodes)
    return {node.name: found.of(node) for node in inventory.nodes.values()}


def _grouped(found: Mapping[str, tuple[Use, ...]]) -> tuple[Group, ...]:
    """Uses that the same nodes have stand together; what most nodes have comes first."""
    nodes: dict[Use, list[str]] = {}
    for name, used in found.items():
        for use in used:
            nodes.setdefault(use, []).append(name)
    groups: dict[tuple[str, ...], list[Use]] = {}
    for use, names in nodes.items():
        groups.setdefault(tuple(names), []).append(use)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[0]), item[0]))
    return tuple(Group(names, tuple(sorted(used))) for names, used in ordered)


def _asked(inventory: Inventory, names: Iterable[str], wanted: Callable[[Request], bool]) -> tuple[Asked, ...]:
    found: dict[tuple[str, Place, str], dict[str, bool]] = {}
    for name in names:
        node = inventory.node(name)
        for request in class_requests(node.flat, node.renderer.options):
            if wanted(request):
                key = (request.name, request.mark.place, request.mapping or request.mark.source.name)
                nodes = found.setdefault(key, {})
                nodes[name] = nodes.get(name, False) or request.first
    return _as_asked(found)


def _applied(inventory: Inventory, names: Iterable[str], wanted: Callable[[Entry], bool]) -> tuple[Asked, ...]:
    found: dict[tuple[str, Place, str], dict[str, bool]] = {}
    for name in names:
        node = inventory.node(name)
        for entry in application_entries(node.flat):
            if wanted(entry):
                written = f"~{entry.name}" if entry.removes else entry.name
                nodes = found.setdefault((written, entry.mark.place, entry.mark.source.name), {})
                nodes[name] = (entry.name in node.applications) is not entry.removes
    return _as_asked(found)


def _as_asked(found: Mapping[tuple[str, Place, str], Mapping[str, bool]]) -> tuple[Asked, ...]:
    return tuple(
        Asked(name, place, by, tuple(nodes), tuple(node for node, counts in nodes.items() if counts))
        for (name, place, by), nodes in sorted(found.items(), key=lambda item: item[0])
    )
