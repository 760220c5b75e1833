"""The inventory: nodes by name, each rendered when it is first looked at."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

from saltern.base.errors import ModelError, Place, Problem
from saltern.model.allow import Allowance, without_allowed
from saltern.model.entity import Entity, OwnFile
from saltern.model.flatten import Flat, Membership
from saltern.model.interpolate import Path, Renderer, UnresolvedError
from saltern.model.options import Options
from saltern.model.origins import Origin
from saltern.model.query import Keys
from saltern.model.sharing import Pool, SharedRenderer
from saltern.model.template import QueryText
from saltern.model.terms import Branch, Term, Text
from saltern.model.tracing import Tracer, Tracers

Answer = Callable[["Node", Renderer, QueryText, Text], Any]
"""Answers an inventory query of a node with plain Python values."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export for a query. With a ``problem`` ``value`` lacks the parts that have no value."""

    exists: bool
    value: Any = None
    problem: Problem | None = None


class Node:
    """One node of the inventory. ``flat`` is what its classes say; everything else is rendered when it is asked for."""

    def __init__(self, flat: Flat, options: Options, answer: Answer, peer: Callable[[str], Node], pool: Pool) -> None:
        """``answer`` answers the node's inventory queries; ``peer`` finds other nodes by name; ``pool`` has the values
        that nodes share.
        """
        self.flat = flat
        self._options = options
        self._answer = answer
        self._peer = peer
        self._pool = pool

    @property
    def name(self) -> str:
        """The full name: the file's name without its extension (and its folders, with ``compose_node_name``)."""
        return self.flat.entity.source.name

    @property
    def short(self) -> str:
        """The name up to its first dot: the host name. (``_reclass_:name:short`` is the reference's, the last part.)"""
        return self.name.split(".", 1)[0]

    @property
    def uri(self) -> str:
        """``yaml_fs://…`` as the reference prints it."""
        return self.flat.entity.uri

    @property
    def place(self) -> Place:
        """The node's file."""
        return Place(self.flat.entity.source.file)

    @property
    def definer(self) -> str:
        """The node whose ``reclass:storage:node`` defines this one; "" when it has a file of its own."""
        return self.flat.entity.definer

    @property
    def environment(self) -> str:
        """The node's own, or the default one: a class's ``environment`` has no effect, as in the reference."""
        return self.flat.environment

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes in the reference's order, references in names rendered."""
        return self.flat.classes

    @property
    def applications(self) -> tuple[str, ...]:
        """What the node applies, in order."""
        return self.flat.applications

    @property
    def memberships(self) -> tuple[Membership, ...]:
        """The classes in the order they were entered, each with the place and the chain that asked for it."""
        return self.flat.memberships

    @property
    def parameters(self) -> dict[str, Any]:
        """The rendered parameters, JSON types only. Nodes share parts: do not change them. Raises ModelError."""
        return self._as_json(self.native_parameters)

    @property
    def native_parameters(self) -> dict[str, Any]:
        """The rendered parameters with YAML's types (dates, integer keys in lists). Nodes share parts of them: do not
        change them. Raises ModelError.
        """
        value, problems = self._parameters
        if problems:
            raise ModelError(problems)
        return value

    @property
    def exports(self) -> dict[str, Any]:
        """As :attr:`parameters`, for exports."""
        return self._as_json(self.native_exports)

    @property
    def native_exports(self) -> dict[str, Any]:
        """As :attr:`native_parameters`, for exports."""
        value, problems = self._exports
        if problems:
            raise ModelError(problems)
        return value

    @cached_property
    def renderer(self) -> Renderer:
        """Renders the node's terms; references are looked up in its parameters."""
        return Renderer(self.flat.parameters, self._options, partial(self._answer, self))

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong with the node; a node whose classes are wrong is not rendered."""
        if self.flat.problems:
            return tuple(self._named(self.flat.problems))
        return self._parameters[1] + self._exports[1]

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is strange but has a meaning; asks for rendering."""
        if self.flat.problems:
            return self.flat.warnings
        _ = self._parameters, self._exports
        return self.flat.warnings + tuple(self._named(self.renderer.ignored.values()))

    def origin(self, path: str | Path) -> tuple[Origin, ...]:
        """Who set, merged and overwrote the parameter at ``path`` (``a:b:c`` or a tuple), in order; empty if none.

        Raises ModelError when its references go too deep.
        """
        return self.tracer.chain(self._path(path))

    def export_origin(self, path: str | Path) -> tuple[Origin, ...]:
        """As :meth:`origin`, for exports."""
        return self.tracer.chain(self._path(path), exports=True)

    @property
    def tracer(self) -> Tracer:
        """Tells where values come from, and remembers what it traced; take one for many questions."""
        return Tracer(self, Tracers(self._peer))

    def export(self, keys: Keys) -> Export:
        """One export as other nodes' queries see it."""
        try:
            term = self._export_term(keys)
        except UnresolvedError as error:
            return Export(exists=False, problem=error.problem)
        if term is None:
            return Export(exists=False)
        problems: list[tuple[Path, Problem]] = []
        value = self._export_renderer.collect(term, problems)
        if not problems:
            return Export(exists=True, value=value)
        exists = all(path for path, _ in problems)
        if exists:
            for path, _ in reversed(problems):
                _remove(value, path)
        return Export(exists, value if exists else None, problems[0][1])

    def as_json(self) -> dict[str, Any]:
        """Everything about the node as JSON types."""
        return {
            "name": self.name,
            "short": self.short,
            "file": self.place.file,
            "uri": self.uri,
            "definer": self.definer,
            "environment": self.environment,
            "classes": list(self.classes),
            "applications": list(self.applications),
            "parameters": self.parameters,
            "exports": self.exports,
        }

    def take_values(self, same: Node) -> None:
        """Take over what was rendered for the same node, so that it is not rendered again."""
        for name in ("_parameters", "_exports"):
            if name in vars(same):
                vars(self)[name] = vars(same)[name]
        self.renderer.ignored.update(same.renderer.ignored)

    @cached_property
    def _parameters(self) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        return self._rendered(self.flat.parameters, self.flat.lineage.parameters, self.flat.entity.parameters)

    @cached_property
    def _exports(self) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        return self._rendered(self.flat.exports, self.flat.lineage.exports, self.flat.entity.exports)

    @cached_property
    def _export_renderer(self) -> Renderer:
        """For other nodes' queries: it answers none itself, so that queries cannot run in circles."""
        return Renderer(self.flat.parameters, self._options)

    def _export_term(self, keys: Keys) -> Term | None:
        found: Term | None = self.flat.exports if keys else None
        for key in keys:
            head = None if found is None else self._export_renderer.head(found)
            found = head.entries.get(key) if isinstance(head, Branch) else None
        return found

    @cached_property
    def _shared_renderer(self) -> SharedRenderer:
        return SharedRenderer(self.renderer, self.flat.lineage.parameters, self._pool)

    def _rendered(self, branch: Branch, common: Branch, own: Branch) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        if self.flat.problems:
            return {}, tuple(self._named(self.flat.problems))
        try:
            return self._shared_renderer.value(branch, common, own), ()
        except (UnresolvedError, RecursionError):  # once more, to find all that is wrong
            return self._collected(branch)

    def _collected(self, branch: Branch) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        problems: list[tuple[Path, Problem]] = []
        value = self.renderer.collect(branch, problems)
        delimiter = self._options.delimiter
        found = []
        for path, problem in problems:
            where = delimiter.join(str(step) for step in path)
            found.append(_with(problem, details=f"{problem.details} Needed by {where}.".strip() if where else ""))
        return value, tuple(self._named(found))

    def _as_json(self, value: dict[str, Any]) -> dict[str, Any]:
        if not self._pool.foreign:  # nothing to change
            return value
        result: dict[str, Any] = jsonable(value)
        return result

    def _named(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        return (_with(problem, node=self.name) for problem in problems)

    def _path(self, path: str | Path) -> Path:
        return tuple(path.split(self._options.delimiter)) if isinstance(path, str) else path


class NodeSource(Protocol):
    """Where an inventory gets its nodes: each is made when it is asked for."""

    @property
    def names(self) -> tuple[str, ...]:
        """All nodes, sorted."""

    @property
    def definition_problems(self) -> tuple[Problem, ...]:
        """What is wrong with definitions of nodes; known after :attr:`names` was asked for."""

    def node(self, name: str) -> Node:
        """One of them. Raises ModelError."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes, used or not, sorted."""

    def class_(self, name: str) -> Entity | None:
        """One of them; None when there is none of that name."""

    def own_files(self) -> Iterator[OwnFile]:
        """The model's own files, used or not."""

    def warnings(self) -> tuple[Problem, ...]:
        """Warnings of all nodes that were looked at, each once."""

    def refreshed(self) -> NodeSource:
        """The same with the files as they are now. Raises ModelError."""


class Inventory:
    """All nodes of a model."""

    def __init__(self, source: NodeSource, allowed: tuple[Allowance, ...] = ()) -> None:
        self._source = source
        self._allowed = allowed

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """Nodes by name, sorted; a node is rendered when it is looked at."""
        return _Nodes(self._source)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is strange in the files and nodes that were looked at, but for what is allowed."""
        return without_allowed(self._source.warnings(), self._allowed)

    @property
    def definition_problems(self) -> tuple[Problem, ...]:
        """What is wrong with the definitions of generated nodes."""
        _ = self._source.names
        return self._source.definition_problems

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes, used or not, sorted."""
        return self._source.class_names

    def class_(self, name: str) -> Entity | None:
        """What a class's file says; None when there is none of that name."""
        return self._source.class_(name)

    def own_files(self) -> Iterator[OwnFile]:
        """The model's own files, no formula's: nodes, then the classes of the nodes' environments, used or not."""
        _ = [node.flat for node in self.nodes.values()]  # only a node tells which environments there are
        return self._source.own_files()

    def node(self, name: str) -> Node:
        """One node, without rendering any other (but for inventory queries). Raises ModelError."""
        return self.nodes[name]

    def refreshed(self) -> Inventory:
        """The inventory with the files as they are now; what no change touches is not read or rendered again.

        Files are watched by their time and size, then by content. Options stay, and so do branches of git. Raises
        ModelError.
        """
        return Inventory(self._source.refreshed(), self._allowed)


class _Nodes(Mapping[str, Node]):
    def __init__(self, source: NodeSource) -> None:
        self._source = source

    def __getitem__(self, name: str) -> Node:
        return self._source.node(name)

    def __contains__(self, name: object) -> bool:
        return name in self._source.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.names)

    def __len__(self) -> int:
        return len(self._source.names)


def jsonable(value: Any) -> Any:
    """YAML's types as JSON's: dates as ISO text, binary as base64, sets as lists, keys as text."""
    if isinstance(value, str) or value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((jsonable(item) for item in value), key=str)
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else _text(value)


def _remove(value: Any, path: Path) -> None:
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _key(key: Any) -> str:
    """As json.dumps writes keys."""
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(jsonable(key))


def _with(problem: Problem, **changes: Any) -> Problem:
    fields = {name: getattr(problem, name) for name in Problem.__dataclass_fields__}
    return Problem(**{**fields, **changes})
