"""What a place in a file, or a path, reaches: which values of a node are made of it. Pure.

It is :mod:`.tracing` the other way round, and asks the tracer itself, so that both always say the same. What cannot be
reached is left out first: a literal by its mark, a part of the tree without references once for all nodes that share
it, and a reference whose value was traced before by its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from saltern.base.errors import ModelError, Problem
from saltern.model.interpolate import Path
from saltern.model.loops import Loops
from saltern.model.origins import Origin, effective
from saltern.model.paths import join_path, split_words
from saltern.model.query import Keys, QueryError, compile_query
from saltern.model.template import Part, Reference
from saltern.model.terms import Branch, Definition, Head, Mark, Scalar, Sequence, Stack, Term, Text
from saltern.model.tracing import Traceable, Tracer, Tracers, step

Trail = tuple[str, ...]
"""The paths that a value went through, the nearest first; empty when it is written at the place itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked for: the places of some lines of a file (all without ``lines``), or a path."""

    file: str = ""
    lines: frozenset[int] = frozenset()
    path: Path = ()
    exports: bool = False

    def marks(self, mark: Mark) -> bool:
        """Whether a term with this mark is written there."""
        return bool(self.file) and mark.source.file == self.file and (not self.lines or mark.line in self.lines)

    def is_place(self, origin: Origin) -> bool:
        """Whether this origin is it."""
        return bool(self.file) and origin.file == self.file and (not self.lines or origin.line in self.lines)

    def holds(self, path: Path, *, exports: bool) -> bool:
        """Whether the path is the looked-for one, or lies below it."""
        return bool(self.path) and exports == self.exports and tuple(map(str, path[: len(self.path)])) == self.path

    def touches(self, path: Path, *, exports: bool) -> bool:
        """Whether the path is the looked-for one, or lies above or below it."""
        both = zip(map(str, path), map(str, self.path), strict=False)
        return bool(self.path) and exports == self.exports and all(own == asked for own, asked in both)


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A value that is made of the target."""

    path: str
    exports: bool
    through: Trail


class Needs(NamedTuple):
    """What a part of the tree refers to."""

    paths: frozenset[Keys] = frozenset()
    always: bool = False
    """Whether it must be looked at in any case: it is the target, or its references are known only in a node."""


NOTHING, ALWAYS = Needs(), Needs(always=True)


def _joined(parts: Iterable[Needs]) -> Needs:
    known = [part for part in parts if part is not NOTHING]
    if not known:
        return NOTHING
    return Needs(frozenset().union(*(part.paths for part in known)), any(part.always for part in known))


class Uses:
    """Finds the uses of one target in many nodes."""

    def __init__(self, target: Target, nodes: Mapping[str, Traceable]) -> None:
        """``nodes`` are all that queries may ask."""
        self.target = target
        self._nodes = nodes
        self.loops = Loops()
        self._tracers = Tracers(nodes.__getitem__)
        self._needs: dict[int, tuple[Branch, Needs]] = {}
        self._queried: dict[Path, bool] = {}

    def of(self, node: Traceable) -> tuple[Use, ...]:
        """The node's values that are made of the target, by path. Raises ModelError when references go too deep."""
        found = _OfNode(self, node)
        try:
            return tuple(sorted((*found.uses(exports=False), *found.uses(exports=True))))
        except RecursionError:
            raise ModelError(
                Problem(
                    brief="references go too deep to tell what they reach",
                    places=(node.flat.parameters.mark.place,),
                    resolution="Let fewer references lead from one to the next.",
                    node=node.name,
                )
            ) from None

    def queried(self, export: Path) -> bool:
        """Whether an export of any node is made of the target."""
        known = self._queried.get(export)
        if known is not None:
            return known
        asked = self.loops.begin(export)
        if asked is None:  # an export that is a query on itself
            return False
        found = False
        try:
            found = any(_OfNode(self, node).reaches(export, exports=True) for node in self._nodes.values())
        finally:
            whole = self.loops.end(asked)
        if found or whole:
            self._queried[export] = found
        return found

    def tracer(self, node: Traceable) -> Tracer:
        """A tracer of one node, which shares those of the nodes that were asked by queries."""
        return Tracer(node, self._tracers)

    def needs(self, branch: Branch) -> Needs:
        """What the values below a dictionary refer to; nodes that share the dictionary share this."""
        known = self._needs.get(id(branch))
        if known is None:  # the dictionary is kept, so that its id stays its own
            known = self._needs[id(branch)] = (branch, _joined(map(self._needs_of, branch.entries.values())))
        return known[1]

    def _needs_of(self, term: Term) -> Needs:
        if isinstance(term, Branch):
            return self.needs(term) if term.entries else Needs(always=self.target.marks(term.mark))
        if isinstance(term, Stack):
            return _joined(self._needs_of(layer.term) for layer in term.layers)
        if self.is_written(term):
            return ALWAYS
        if isinstance(term, Sequence):
            return _joined(map(self._needs_of, term.items))
        if isinstance(term, Scalar):
            return NOTHING
        references = [part for part in term.template.parts if not isinstance(part, str)]
        paths = [part.path for part in references if isinstance(part, Reference) and part.path is not None]
        return Needs(frozenset(paths), always=len(paths) < len(references))

    def is_written(self, term: Scalar | Text | Sequence) -> bool:
        """Whether the term stands at the target, or was made from something that may."""
        return self.target.marks(term.mark) or isinstance(term.mark.source, Definition)


class _OfNode:
    def __init__(self, uses: Uses, node: Traceable) -> None:
        self._all = uses
        self._target = uses.target
        self._node = node
        self._renderer = node.renderer
        self._syntax = node.renderer.options.syntax
        self._tracer = uses.tracer(node)
        self._trails: dict[int, tuple[tuple[Origin, ...], Trail | None]] = {}
        self._reached: dict[tuple[bool, Path], bool] = {}

    def uses(self, *, exports: bool) -> Iterator[Use]:
        root = self._node.flat.exports if exports else self._node.flat.parameters
        reached = frozenset(path for path in self._all.needs(root).paths if self.reaches(path))
        for path, term in self._worth_tracing(root, (), reached):
            if not self._target.holds(path, exports=exports):
                yield from self._below(term, path, exports=exports)
        if self._target.path and exports == self._target.exports:
            for path in self._leaves(self._target.path, exports=exports, inside=frozenset()):
                yield Use(self._shown(path), exports, ())

    def reaches(self, path: Path, *, exports: bool = False) -> bool:
        """Whether what stands at a path, or anything in it, is made of the target."""
        key = (exports, path)
        known = self._reached.get(key)
        if known is not None:
            return known
        asked = self._all.loops.begin((id(self), key))
        if asked is None:  # an overwritten reference to itself
            return False
        found = False
        try:
            found = self._target.touches(path, exports=exports) or self._reaches(path, exports=exports)
        finally:
            whole = self._all.loops.end(asked)
        if found or whole:
            self._reached[key] = found
        return found

    def _reaches(self, path: Path, *, exports: bool) -> bool:
        term: Term = self._node.flat.exports if exports else self._node.flat.parameters
        for key in path:
            if not isinstance(term, Branch):
                break
            below = step(term, key)
            if below is None:
                return False
            term = below
        if not self._may_reach(term):
            return False
        leaves = self._leaves(path, exports=exports, inside=frozenset())
        return any(self._trail_at(leaf, exports=exports) is not None for leaf in leaves)

    def _worth_tracing(self, branch: Branch, at: Path, reached: frozenset[Path]) -> Iterator[tuple[Path, Term]]:
        for key, term in branch.entries.items():
            if isinstance(term, Branch) and term.entries:
                needs = self._all.needs(term)
                if needs.always or not needs.paths.isdisjoint(reached):
                    yield from self._worth_tracing(term, (*at, key), reached)
            elif self._may_reach(term):
                yield (*at, key), term

    def _below(self, term: Term, path: Path, *, exports: bool) -> Iterator[Use]:
        for leaf in self._leaves(path, exports=exports, inside=frozenset(), term=term):
            trail = self._trail_at(leaf, exports=exports)
            if trail is not None and not self._target.holds(leaf, exports=exports):
                yield Use(self._shown(leaf), exports, trail)

    def _leaves(self, path: Path, *, exports: bool, inside: frozenset[int], term: Term | None = None) -> Iterator[Path]:
        root = self._node.flat.exports if exports else self._node.flat.parameters
        head = self._tracer.shape(root, path) if term is None else self._tracer.shape(term, ())
        if head is None or id(head) in inside:
            return
        entries = _entries(head)
        if not entries:
            yield path
        for key, below in entries:
            yield from self._leaves((*path, key), exports=exports, inside=inside | {id(head)}, term=below)

    # --- whether a term is worth tracing ----------------------------------------------------------------------------

    def _may_reach(self, term: Term) -> bool:
        if isinstance(term, Text):
            return self._all.is_written(term) or any(self._part_may(part) for part in term.template.parts)
        if isinstance(term, Stack):
            return any(self._may_reach(layer.term) for layer in term.layers)
        if isinstance(term, Sequence):
            return self._all.is_written(term) or any(self._may_reach(item) for item in term.items)
        if isinstance(term, Scalar):
            return self._all.is_written(term)
        if not term.entries:
            return self._target.marks(term.mark)
        reached = frozenset(filter(self.reaches, self._all.needs(term).paths))
        return any(True for _ in self._worth_tracing(term, (), reached))

    def _part_may(self, part: Part) -> bool:
        if isinstance(part, str):
            return False
        if isinstance(part, Reference):
            return part.path is None or self.reaches(part.path)
        try:
            query = compile_query(part.text, self._syntax.delimiter)
        except QueryError:  # a problem of the node
            return False
        own = [test.parameter for test in query.tests if test.parameter is not None]
        return any(map(self._all.queried, query.exports)) or any(map(self.reaches, own))

    # --- how a value got there --------------------------------------------------------------------------------------

    def _trail_at(self, path: Path, *, exports: bool) -> Trail | None:
        return self._trail(self._tracer.chain(path, exports=exports))

    def _trail(self, origins: tuple[Origin, ...]) -> Trail | None:
        known = self._trails.get(id(origins))
        if known is None:
            known = self._trails[id(origins)] = (origins, self._found(origins))  # kept, so that its id stays its own
        return known[1]

    def _found(self, origins: tuple[Origin, ...]) -> Trail | None:
        counting = effective(origins)
        if any(self._target.is_place(origin) for origin in counting):
            return ()
        for origin in counting:
            for through in origin.references:
                if self._target.holds(_words(through.path, self._syntax.delimiter), exports=through.exports):
                    return (str(through),)
                trail = self._trail(through.origins)
                if trail is not None:
                    return (str(through), *trail)
        return None

    def _shown(self, path: Path) -> str:
        return join_path(path, self._syntax.delimiter)


_words = lru_cache(maxsize=65536)(split_words)


def _entries(head: Head) -> list[tuple[str | int, Term]]:
    if isinstance(head, Scalar):
        return []
    return list(head.entries.items()) if isinstance(head, Branch) else list(enumerate(head.items))
