"""From a node's file to everything that its classes say: the walk over the classes, in the reference's order. Pure.

Depth first; a class is merged after the classes that it includes, and only the first time. Nodes that ask for the same
classes share one walk, and merged dictionaries are shared between all nodes whose classes begin alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Protocol

from saltern.base.errors import Place, Problem
from saltern.model.entity import Application, Entity, Include, empty_branch
from saltern.model.interpolate import Renderer, UnresolvedError, lift
from saltern.model.kinds import WarningKind
from saltern.model.mapping import Mapped, mapped_classes
from saltern.model.merge import merge_branches
from saltern.model.options import Options
from saltern.model.terms import Branch, Layer, Mark, Scalar, Source, Stack, Term, Text

AUTOMATIC = Source("", "_reclass_")


@dataclass(frozen=True, slots=True)
class Membership:
    """One class of a node: its name, where it was asked for, and the classes that led there, outermost first."""

    name: str
    written: str
    mark: Mark
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """All that the classes of a node say, and the names that its file gives; nodes that ask for the same share it."""

    classes: tuple[str, ...]
    classes_as_written: tuple[str, ...]
    applications: tuple[str, ...]
    entered: tuple[Membership, ...]
    """Without the node: chains begin with its classes, and marks of what it asks for itself are those of one node."""
    entities: tuple[Entity, ...]
    parameters: Branch
    exports: Branch
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @cached_property
    def foreign(self) -> bool:
        """Whether a class has values of types that JSON lacks."""
        return any(entity.foreign for entity in self.entities)


@dataclass(frozen=True)
class Flat:
    """A node with its classes merged and nothing rendered."""

    entity: Entity
    environment: str
    lineage: Lineage
    applications: tuple[str, ...]
    parameters: Branch
    exports: Branch
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the reference's order, references in names rendered."""
        return self.lineage.classes

    @property
    def classes_as_written(self) -> tuple[str, ...]:
        """The same, references in names as they are written: what the reference prints."""
        return self.lineage.classes_as_written

    @property
    def entities(self) -> tuple[Entity, ...]:
        """Every file that the node is made of, in the order of merging; the node's own is the last."""
        return (*self.lineage.entities, self.entity)

    @cached_property
    def memberships(self) -> tuple[Membership, ...]:
        """The classes in the order they were entered."""
        name = self.entity.source.name
        marks = {_written(include): include.mark for include in reversed(self.entity.includes)}
        return tuple(
            replace(
                one,
                mark=one.mark if one.chain or isinstance(one.mark.source, Mapped) else marks[one.written],
                chain=(name, *one.chain),
            )
            for one in self.lineage.entered
        )


class Classes(Protocol):
    """Where classes come from."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """All names there are."""

    def class_(self, name: str) -> Entity | None:
        """One of them."""


class Merger:
    """Merges dictionaries and remembers the results: nodes that begin with the same classes share them."""

    def __init__(self) -> None:
        self._results: dict[tuple[int, int], tuple[Branch, Branch, Branch]] = {}

    def merge(self, below: Branch, above: Branch) -> Branch:
        """``above`` over ``below``."""
        if not above.entries:
            return below
        key = (id(below), id(above))
        found = self._results.get(key)
        if found is None:  # both are kept, so that their ids stay theirs
            found = self._results[key] = (below, above, merge_branches(below, above))
        return found[2]


class Flattener:
    """Flattens nodes of one model."""

    def __init__(self, classes: Classes, options: Options) -> None:
        self._classes = classes
        self._options = options
        self._merger = Merger()
        self._nothing = empty_branch(AUTOMATIC)
        self._ignored = re.compile("|".join(options.ignore_class_notfound_regexp))
        self._lineages: dict[tuple[tuple[str, ...], tuple[str, ...]], Lineage] = {}

    def flatten(self, entity: Entity) -> Flat:
        """All that the node's file and its classes say."""
        environment = entity.environment or self._options.default_environment
        automatic = self._nothing
        if self._options.automatic_parameters:
            automatic = automatic_parameters(entity.source.name, environment)
        mapped, problems = mapped_classes(entity, self._options)
        lineage = self._lineage(entity, mapped, automatic)
        return Flat(
            entity=entity,
            environment=environment,
            lineage=lineage,
            applications=applied(lineage.applications, entity.applications),
            parameters=above_automatic(merge_branches(lineage.parameters, entity.parameters), automatic),
            exports=merge_branches(lineage.exports, entity.exports),
            problems=(*problems, *lineage.problems, *entity.problems),
            warnings=lineage.warnings + entity.warnings,
        )

    def _lineage(self, entity: Entity, mapped: list[Include], automatic: Branch) -> Lineage:
        key = (tuple(map(_written, mapped)), tuple(map(_written, entity.includes)))
        found = self._lineages.get(key)
        if found is None:
            walk = _Walk(self._classes, self._options, self._merger, self._nothing, self._ignored)
            found = walk.run(entity, mapped, automatic)
            if walk.is_common:
                self._lineages[key] = found
        return found


class _Walk:
    """The state of one walk over the classes that a node asks for."""

    def __init__(
        self, classes: Classes, options: Options, merger: Merger, nothing: Branch, ignored: re.Pattern[str]
    ) -> None:
        self.is_common = True
        """Whether other nodes that ask for the same classes get the same: nothing told of the node so far."""
        self._library = classes
        self._options = options
        self._merger = merger
        self._ignored = ignored
        self._parameters = nothing
        self._exports = nothing
        self._automatic = nothing
        self._classes: dict[str, None] = {}
        self._written: dict[str, None] = {}
        self._applications: tuple[str, ...] = ()
        self._entered: list[Membership] = []
        self._entities: list[Entity] = []
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._done: set[str] = set()
        self._chain: list[str] = []

    def run(self, entity: Entity, mapped: list[Include], automatic: Branch) -> Lineage:
        self._automatic = automatic
        self._chain.append(entity.source.name)
        self._include(mapped)
        self._merge_names(mapped)
        self._merge_names(self._include(entity.includes))
        self.is_common = self.is_common and not self._problems and not self._warnings
        return Lineage(
            classes=tuple(self._classes),
            classes_as_written=tuple(self._written),
            applications=self._applications,
            entered=tuple(self._entered),
            entities=tuple(self._entities),
            parameters=self._parameters,
            exports=self._exports,
            problems=tuple(self._problems),
            warnings=tuple(self._warnings),
        )

    def _visit(self, entity: Entity) -> None:
        """The classes that it includes, then itself."""
        names = self._include(entity.includes)
        self._parameters = self._merger.merge(self._parameters, entity.parameters)
        self._exports = self._merger.merge(self._exports, entity.exports)
        self._merge_names(names)
        self._applications = applied(self._applications, entity.applications)
        self._entities.append(entity)
        self._problems += entity.problems
        self._warnings += entity.warnings

    def _include(self, includes: Iterable[Include]) -> list[Include]:
        """Visit classes; returns them with references in their names rendered (``template`` tells what was written)."""
        rendered = []
        for include in includes:
            resolved = self._resolved(include)
            if resolved is None:
                continue
            rendered.append(resolved)
            if resolved.name not in self._done:
                self._enter(resolved)
        return rendered

    def _enter(self, include: Include) -> None:
        name = include.name
        if name in self._chain[1:]:
            self._problems.append(self._class_loop(include))
            return
        entity = self._library.class_(name)
        if entity is None:
            self._unknown(include)
            return
        self._entered.append(Membership(name, _written(include), include.mark, tuple(self._chain[1:])))
        self._chain.append(name)
        self._visit(entity)
        self._chain.pop()
        self._done.add(name)

    def _resolved(self, include: Include) -> Include | None:
        if include.template is None:
            return include
        text = Text(include.template, include.mark)
        watched = {key: Stack((Layer(term),)) for key, term in self._automatic.entries.items()}
        root = above_automatic(self._parameters, self._automatic)
        if not self._parameters.entries.keys() & watched.keys():
            root = Branch({**root.entries, **watched}, root.marks)
        renderer = Renderer(root, self._options)
        try:
            name = str(renderer.value(text))
        except UnresolvedError as error:
            self._problems.append(
                Problem(
                    brief=f"the class name {include.name!r} cannot be rendered: {error.problem.brief}",
                    places=(*_places(include), *error.problem.places[1:]),
                    details=error.problem.details + " A class name sees only what was merged before it." + _by(include),
                    resolution=error.problem.resolution,
                    chain=tuple(self._chain),
                )
            )
            return None
        self.is_common = self.is_common and not any(
            key in self._parameters.entries or renderer.has_seen(term) for key, term in watched.items()
        )
        return replace(include, name=name)

    def _merge_names(self, includes: Iterable[Include]) -> None:
        for include in includes:
            self._classes.setdefault(include.name)
            self._written.setdefault(_written(include))

    def _unknown(self, include: Include) -> None:
        if self._options.ignore_class_notfound and self._ignored.match(include.name):
            if self._options.ignore_class_notfound_warning:
                problem = Problem(
                    brief=f"class {include.name!r} does not exist and is skipped",
                    places=_places(include),
                    details=_by(include).strip(),
                    chain=tuple(self._chain),
                    kind=WarningKind.MISSING_CLASS,
                )
                self._warnings.append(problem)
            return
        close = get_close_matches(include.name, self._library.class_names, 3, 0.75)
        written = f" (written {include.template.text!r})" if include.template else ""
        self._problems.append(
            Problem(
                brief=f"class {include.name!r} does not exist{written}",
                places=_places(include),
                details="Asked for by " + " → ".join(self._chain) + "." + _by(include),
                resolution=f"Did you mean {' or '.join(repr(name) for name in close)}?"
                if close
                else f"Write classes/{include.name.replace('.', '/')}.yml, or add the formula that brings the class.",
                chain=tuple(self._chain),
            )
        )

    def _class_loop(self, include: Include) -> Problem:
        start = self._chain.index(include.name, 1)
        loop = " → ".join([*self._chain[start:], include.name])
        return Problem(
            brief=f"class {include.name!r} includes itself",
            places=(include.mark.place,),
            details=loop,
            resolution="Remove one of these includes.",
            chain=tuple(self._chain),
        )


def applied(before: tuple[str, ...], applications: Iterable[Application]) -> tuple[str, ...]:
    """The applications with those of one more file; as the reference, within the file first, then over ``before``."""
    own: list[str] = []
    for application in applications:
        if application.name.startswith("~"):
            removed = application.name[1:]
            own = [name for name in own if name != removed]
            before = tuple([name for name in before if name != removed])
        elif application.name not in own:
            own.append(application.name)
    return before + tuple([name for name in own if name not in before]) if own else before


def above_automatic(parameters: Branch, automatic: Branch) -> Branch:
    """Parameters with the automatic ones below them, and first."""
    if not automatic.entries:
        return parameters
    key, term = next(iter(automatic.entries.items()))
    own = parameters.entries.get(key)
    entries: dict[str, Term] = {key: term, **parameters.entries}
    if own is not None:
        entries[key] = merge_branches(automatic, Branch({key: own}, parameters.marks)).entries[key]
    return Branch(entries, parameters.marks)


def _places(include: Include) -> tuple[Place, ...]:
    return (include.mark.place,) if include.mark.source.file else ()


def _by(include: Include) -> str:
    return f" By the class mapping {include.mapping!r}." if include.mapping else ""


def _written(include: Include) -> str:
    return include.template.text if include.template else include.name


def automatic_parameters(name: str, environment: str) -> Branch:
    """``_reclass_``, as the reference makes it; ``short`` is the last part of the name there, not the first."""
    mark = Mark(AUTOMATIC, 0, 0)
    parts = name.split(".")

    def scalar(value: str) -> Term:
        return Scalar(value, mark)

    def branch(**entries: Term) -> Branch:
        return Branch(entries, (mark, None))

    names = branch(
        full=scalar(name), short=scalar(parts[-1]), path=scalar("/".join(parts)), parts=lift(list(parts), mark)
    )
    return branch(_reclass_=branch(name=names, environment=scalar(environment)))
