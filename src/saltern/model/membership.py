"""Who asked for the classes and applications of a node: every place that did, not only the one that came first. Pure.

The walk is made again, over the files that the node is made of: :mod:`.flatten` keeps only what it needs to merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from saltern.model.entity import Entity, Include
from saltern.model.flatten import Flat, automatic_parameters
from saltern.model.interpolate import Renderer, UnresolvedError
from saltern.model.mapping import mapped_classes
from saltern.model.merge import merge_branches
from saltern.model.options import Options
from saltern.model.terms import Branch, Mark, Text


@dataclass(frozen=True, slots=True)
class Request:
    """One place that asks for a class."""

    name: str
    written: str
    """The name as it is written, with its references."""
    mark: Mark
    chain: tuple[str, ...]
    """The node and the classes that led to the asking file, outermost first; the asking one is the last."""
    first: bool
    """Whether the class came into the node by this one; the others changed nothing."""
    mapping: str = ""
    """The entry of ``class_mappings`` that asked; then the mark is the option's, without a file when none gives it."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "name": self.name,
            "written": self.written,
            **_place(self.mark),
            "chain": list(self.chain),
            "first": self.first,
            "mapping": self.mapping,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One place that adds an application, or takes it away."""

    name: str
    mark: Mark
    removes: bool

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {"name": self.name, **_place(self.mark), "removes": self.removes}


def _place(mark: Mark) -> dict[str, Any]:
    return {"file": mark.source.file, "line": mark.line, "column": mark.column, "class": mark.source.name}


def class_requests(flat: Flat, options: Options) -> tuple[Request, ...]:
    """Every place that asks for a class of the node, in the order of the walk."""
    return tuple(_Walk(flat, options).run())


def application_entries(flat: Flat) -> tuple[Entry, ...]:
    """Every place that says something about applications, in the order of merging."""
    return tuple(
        Entry(entry.name.removeprefix("~"), entry.mark, entry.name.startswith("~"))
        for entity in flat.entities
        for entry in entity.applications
    )


class _Walk:
    def __init__(self, flat: Flat, options: Options) -> None:
        self._flat = flat
        self._options = options
        self._files = {entity.source.name: entity for entity in flat.entities if entity is not flat.entity}
        self._done: set[str] = set()
        self._pending: list[Branch] = []
        name = flat.entity.source.name
        self._merged = automatic_parameters(name, flat.environment)
        if not options.automatic_parameters:
            self._merged = Branch({}, self._merged.marks)

    def run(self) -> Iterator[Request]:
        node = self._flat.entity
        for mapping in self._options.class_mappings:
            includes, _ = mapped_classes(node, replace(self._options, class_mappings=(mapping,)))
            yield from self._includes(includes, (node.source.name,), mapping)
        yield from self._visit(node, ())

    def _visit(self, entity: Entity, chain: tuple[str, ...]) -> Iterator[Request]:
        yield from self._includes(entity.includes, (*chain, entity.source.name))
        self._pending.append(entity.parameters)

    def _includes(self, includes: Iterable[Include], chain: tuple[str, ...], mapping: str = "") -> Iterator[Request]:
        for include in includes:
            name = self._name(include)
            entity = None if name is None else self._files.get(name)
            if name is None or entity is None:  # the node's problems tell of it
                continue
            first = name not in self._done and name not in chain[1:]
            written = include.template.text if include.template else name
            yield Request(name, written, include.mark, chain, first, mapping)
            if first:
                yield from self._visit(entity, chain)
                self._done.add(name)

    def _name(self, include: Include) -> str | None:
        if include.template is None:
            return include.name
        for branch in self._pending:
            self._merged = merge_branches(self._merged, branch)
        self._pending.clear()
        try:
            return str(Renderer(self._merged, self._options).value(Text(include.template, include.mark)))
        except UnresolvedError:
            return None
