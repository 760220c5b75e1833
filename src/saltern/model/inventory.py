"""A model's folder in, an :class:`~saltern.model.tree.Inventory` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from saltern.base.errors import ModelError, Place, Problem
from saltern.model.allow import Allowance
from saltern.model.answers import Answers
from saltern.model.entity import Entity, OwnFile
from saltern.model.flatten import Flattener
from saltern.model.generated import Generated, defines_nodes, generate
from saltern.model.interpolate import Renderer
from saltern.model.kinds import WarningKind
from saltern.model.load import ClassLibrary, Library
from saltern.model.options import Options
from saltern.model.sharing import Pool
from saltern.model.storage import Storage, folder_storage
from saltern.model.tree import Inventory, Node

NO_PATHS: Mapping[str, Path] = MappingProxyType({})
DEFAULTS = Options()


def open_inventory(
    root: Path,
    *,
    class_paths: Mapping[str, Path] = NO_PATHS,
    allowed: tuple[Allowance, ...] = (),
    options: Options = DEFAULTS,
    storage: Storage | None = None,
) -> Inventory:
    """The inventory of a model without looking at any node yet. Raises ModelError when the folders are wrong.

    Its files are in ``nodes`` and ``classes`` below ``root`` when no ``storage`` says otherwise. ``allowed`` are
    warnings that it does not tell; ``class_paths`` as in :func:`load_inventory`.
    """
    library = Library(storage or folder_storage(root.absolute()), class_paths, options)
    return Inventory(_Forest(library, options), allowed)


def load_inventory(
    root: Path,
    *,
    class_paths: Mapping[str, Path] = NO_PATHS,
    strict: bool = False,
    allowed: tuple[Allowance, ...] = (),
    options: Options = DEFAULTS,
) -> Inventory:
    """The inventory of a model, every node rendered and checked.

    ``class_paths`` maps a prefix of class names to a folder with further classes (``service.keystone`` → the formula's
    ``metadata/service``); the model's own classes win. With ``strict`` warnings are problems, but for the ``allowed``
    ones. Raises ModelError with all problems of all nodes.
    """
    inventory = open_inventory(root, class_paths=class_paths, allowed=allowed, options=options)
    refuse_problems(inventory, strict=strict)
    return inventory


def refuse_problems(inventory: Inventory, names: Iterable[str] | None = None, *, strict: bool = False) -> None:
    """Raises ModelError with all problems of the nodes of these names (default: all nodes and their definitions)."""
    nodes = inventory.nodes.values() if names is None else [inventory.node(name) for name in names]
    problems = [problem for node in nodes for problem in node.problems]
    if names is None:
        problems += inventory.definition_problems
    found = merged_problems(problems)
    warnings = inventory.warnings if strict else ()
    if found or warnings:
        raise ModelError(found + warnings)


def merged_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """One problem per thing that is wrong: what many nodes share is told once, with their names."""
    found: dict[tuple[Any, ...], Problem] = {}
    nodes: dict[tuple[Any, ...], list[str]] = {}
    for problem in problems:
        key = (problem.brief, problem.places)
        found.setdefault(key, problem)
        names = nodes.setdefault(key, [])
        if problem.node and problem.node not in names:
            names.append(problem.node)
    return tuple(_shared(problem, nodes[key][1:]) for key, problem in found.items())


def _shared(problem: Problem, others: list[str]) -> Problem:
    if not others:
        return problem
    shown = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
    more = f"The same in {len(others)} other node{'s' if len(others) > 1 else ''}: {shown}."
    return replace(problem, details=f"{problem.details} {more}".strip())


def _two_definitions(first: Entity, second: Entity) -> Problem:
    marks = [entity.parameters.mark.place for entity in (first, second)]
    return Problem(
        brief=f"the generated node {first.source.name!r} is defined twice",
        places=tuple(marks),
        details=f"By reclass:storage:node of {first.definer} and of {second.definer}; the first one is used.",
        resolution="Give one of them another name or domain.",
        kind=WarningKind.DUPLICATE_NODE,
    )


class _Files:
    """The nodes that have files: the queries in definitions of nodes see no others, whatever was asked for first."""

    def __init__(self, library: Library, node: Callable[[str], Node]) -> None:
        self._library = library
        self.node = node

    @property
    def names(self) -> tuple[str, ...]:
        return self._library.node_names


class _Forest:
    """The nodes of a library, made when they are asked for; answers their queries."""

    def __init__(self, library: Library, options: Options) -> None:
        self._library = library
        self._options = options
        self._flatteners: dict[ClassLibrary, Flattener] = {}
        self._pool = Pool()
        self._answers = Answers(self, options, self._pool)
        self._answers_to_definitions = Answers(_Files(library, self.node), options, self._pool)
        self._nodes: dict[str, Node] = {}
        self.definition_problems: tuple[Problem, ...] = ()
        """What is wrong with definitions of generated nodes; known after :attr:`names` was asked for."""
        self._definition_warnings: tuple[Problem, ...] = ()
        self._definitions: dict[str, Generated] = {}

    def refreshed(self) -> _Forest:
        """The same with the files as they are now. A node stays when all its files do, and so do its values unless it
        asks queries, which look at other nodes.
        """
        library = self._library.refreshed()
        new = _Forest(library, self._options)
        if library.class_files != self._library.class_files:  # a class name may mean another file now
            return new
        new._pool.foreign = self._pool.foreign
        kept = set(map(id, library.entities))
        for name, node in self._nodes.items():
            if not node.definer and kept.issuperset(map(id, node.flat.entities)):
                new._keep(node, self)
                if name in self._definitions and name not in self._answers_to_definitions.asked:
                    new._definitions[name] = self._definitions[name]
        for node in [node for node in self._nodes.values() if node.definer]:
            if new._entity(node.name) is node.flat.entity and kept.issuperset(map(id, node.flat.lineage.entities)):
                new._keep(node, self)
        return new

    def _keep(self, node: Node, old: _Forest) -> None:
        self._flattener(node.flat.entity)  # its classes are looked at
        new = Node(node.flat, self._options, self._answers.answer, self.node, self._pool)
        if node.name not in old._answers.asked:
            new.take_values(node)
        self._nodes[node.name] = new

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._library.node_names, *self._generated}))

    def node(self, name: str) -> Node:
        node = self._nodes.get(name)
        if node is None:
            entity = self._entity(name)
            if entity is None:
                raise self._no_node(name)
            flat = self._flattener(entity).flatten(entity)
            self._pool.foreign = self._pool.foreign or flat.lineage.foreign or entity.foreign
            node = self._nodes[name] = Node(flat, self._options, self._answers.answer, self.node, self._pool)
        return node

    def _entity(self, name: str) -> Entity | None:
        return self._library.node(name) or self._generated.get(name)

    def _flattener(self, entity: Entity) -> Flattener:
        classes = self._library.classes(entity.environment or self._options.default_environment)
        found = self._flatteners.get(classes)
        if found is None:
            found = self._flatteners[classes] = Flattener(classes, self._options)
        return found

    @cached_property
    def _generated(self) -> Mapping[str, Entity]:
        """Nodes that only definitions make; a file of the same name wins."""
        found: dict[str, Entity] = {}
        problems: list[Problem] = []
        warnings: list[Problem] = []
        for name in self._library.node_names if self._options.generated_nodes else ():
            node = self.node(name)
            if node.flat.problems or not defines_nodes(node.flat.parameters):
                continue
            generated = self._definitions.get(name) or self._generate(node)
            self._definitions[name] = generated
            problems += generated.problems
            for entity in generated.entities:
                first = found.setdefault(entity.source.name, entity)
                if first is not entity:
                    warnings.append(_two_definitions(first, entity))
        files = set(self._library.node_names)
        self.definition_problems, self._definition_warnings = tuple(problems), tuple(warnings)
        return {name: entity for name, entity in found.items() if name not in files}

    def _generate(self, node: Node) -> Generated:
        """With a renderer of its own: the node's may be the one that asks which nodes there are."""
        answer = partial(self._answers_to_definitions.answer, node)
        return generate(Renderer(node.flat.parameters, self._options, answer), node.name)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({name for classes in self._class_libraries for name in classes.class_names}))

    def class_(self, name: str) -> Entity | None:
        found = (classes.class_(name) for classes in self._class_libraries)
        return next((entity for entity in found if entity is not None), None)

    @property
    def _class_libraries(self) -> tuple[ClassLibrary, ...]:
        """Of the environments of the nodes that were looked at, or of the default one."""
        return tuple(self._flatteners) or (self._library.classes(self._options.default_environment),)

    def own_files(self) -> Iterator[OwnFile]:
        return self._library.own_files()

    def warnings(self) -> tuple[Problem, ...]:
        """Warnings of all nodes that were looked at, each once."""
        warnings = [warning for node in tuple(self._nodes.values()) for warning in node.warnings]
        return merged_problems([*self._library.warnings, *warnings, *self._definition_warnings])

    def _no_node(self, name: str) -> ModelError:
        close = get_close_matches(name, self.names, 3)
        resolution = f"Did you mean {' or '.join(close)}?" if close else f"The model has {len(self.names)} nodes."
        return ModelError(Problem(f"node {name!r} does not exist", (Place("nodes/"),), resolution=resolution))
