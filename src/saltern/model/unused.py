"""Classes that no node includes, and entries of ``_param`` that nothing refers to, as warnings. Pure.

References are read from the files, not from the merged trees: a file is read once, however many nodes use it. Only a
reference with a reference in its path is asked for per node.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from saltern.base.errors import Place, Problem
from saltern.model.entity import Entity
from saltern.model.interpolate import UnresolvedError
from saltern.model.kinds import WarningKind
from saltern.model.leaves import leaves
from saltern.model.query import QueryError, compile_query
from saltern.model.template import Part, QueryText, Reference
from saltern.model.terms import Branch, Stack, Term, Text
from saltern.model.tree import Inventory, Node

PARAM = "_param"


def unused_classes(inventory: Inventory, classes: Iterable[Entity]) -> Iterator[Problem]:
    """Which of the ``classes`` no node includes: one warning per family (``a.b`` and all ``a.b.…``) that is unused."""
    used = {name for node in inventory.nodes.values() for name in node.classes}
    own = {entity.source.name: entity.source.file for entity in classes}
    living = {prefix for name in used for prefix in _prefixes(name)}
    families: dict[str, list[str]] = {}
    for name in sorted(own.keys() - used):
        family = next((prefix for prefix in _prefixes(name) if prefix not in living), name)
        families.setdefault(family, []).append(name)
    for family, names in families.items():
        yield _unused_family(family, names, [own[name] for name in names])


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _unused_family(family: str, names: list[str], files: list[str]) -> Problem:
    single = len(names) == 1
    what = f"class {names[0]!r}" if single else f"{len(names)} classes of {family!r}"
    return Problem(
        brief=f"no node uses the {what}",
        places=tuple(Place(file, 1) for file in files),
        resolution="Remove it, or include it somewhere." if single else "Remove them, or include them somewhere.",
        kind=WarningKind.UNUSED_CLASS,
    )


def unused_parameters(inventory: Inventory, files: Container[str]) -> Iterator[Problem]:
    """One warning per name that one of the ``files`` sets below ``_param``, and that nothing in any node's files means:
    no reference, no query, no class name.
    """
    entities: dict[int, Entity] = {}
    users: dict[int, list[Node]] = {}
    for node in inventory.nodes.values():
        for entity in node.flat.entities:
            entities[id(entity)] = entity
            users.setdefault(id(entity), []).append(node)
    used = _Used()
    for key, entity in entities.items():
        for text in _texts(entity):
            used.read(text.template.parts, text, users[key])
    if used.all:
        return
    places: dict[str, set[Place]] = {}
    for entity in entities.values():
        if entity.source.file in files:
            for name, place in _defined(entity.parameters.entries.get(PARAM)):
                places.setdefault(name, set()).add(place)
    for name in sorted(places.keys() - used.names):
        yield Problem(
            brief=f"nothing refers to {PARAM}:{name}",
            places=tuple(sorted(places[name])),
            resolution="Remove it; or allow this warning where a template reads it from the pillar.",
            kind=WarningKind.UNUSED_PARAMETER,
        )


class _Used:
    """The names below ``_param`` that were referred to; ``all`` when something refers to ``_param`` as a whole."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.all = False

    def read(self, parts: Iterable[Part], text: Text, nodes: list[Node]) -> None:
        for part in parts:
            if isinstance(part, Reference):
                self.read(part.parts, text, nodes)
                for path in {part.path} if part.path is not None else _rendered(part, text, nodes):
                    self._add(path)
            elif isinstance(part, QueryText):
                for path in _asked(part):
                    self._add(path)

    def _add(self, path: tuple[str, ...]) -> None:
        if path[:1] == (PARAM,):
            self.names.update(path[1:2])
            self.all = self.all or len(path) == 1


def _rendered(reference: Reference, text: Text, nodes: list[Node]) -> set[tuple[str, ...]]:
    found = set()
    for node in nodes:
        try:
            found.add(node.renderer.path_of(reference, text))
        except UnresolvedError:
            continue
    return found


def _asked(query: QueryText) -> Iterator[tuple[str, ...]]:
    try:
        compiled = compile_query(query.text)
    except QueryError:
        return
    for test in compiled.tests:
        if test.parameter is not None:
            yield test.parameter


def _texts(entity: Entity) -> Iterator[Text]:
    for include in entity.includes:
        if include.template is not None:
            yield Text(include.template, include.mark)
    for branch in (entity.parameters, entity.exports):
        for _, leaf in leaves(branch):
            if isinstance(leaf, Text):
                yield leaf


def _defined(term: Term | None) -> Iterator[tuple[str, Place]]:
    if isinstance(term, Branch):
        for name, below in term.entries.items():
            yield str(name), below.mark.place
    elif isinstance(term, Stack):
        for layer in term.layers:
            yield from _defined(layer.term)
