"""A node's parameters or exports as people ask for them: one value, those below it, their chains; secrets hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from saltern.base.errors import ModelError, Problem, UsageError
from saltern.model import Node
from saltern.model.interpolate import Path, UnresolvedError
from saltern.model.masking import Mask, secrets_of
from saltern.model.origins import Origin
from saltern.model.paths import Kind, Subject, join_path
from saltern.model.terms import Branch, Head, Scalar, Term
from saltern.model.tracing import step
from saltern.model.tree import jsonable

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value below the asked one."""

    path: str
    value: Any
    """None where ``below`` or ``problem`` says more."""
    origins: tuple[Origin, ...]
    below: int = 0
    """How many entries a dictionary or list has that lies deeper than was asked for."""
    problem: str = ""
    """Why there is no value."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "path": self.path,
            "value": jsonable(self.value),
            "below": self.below,
            "problem": self.problem,
            "origins": [origin.as_json() for origin in self.origins],
        }


class Values:
    """The rendered parameters (or exports) of one node."""

    def __init__(self, node: Node, *, exports: bool = False) -> None:
        self._node = node
        self._kind = Kind.EXPORTS if exports else Kind.PARAMETERS
        self._root = node.flat.exports if exports else node.flat.parameters
        self._renderer = node.renderer
        self._delimiter = node.renderer.options.delimiter
        self._tracer = node.tracer

    def value(self, path: Path) -> Any:
        """The value at a path. Raises UsageError when there is none, ModelError when it cannot be rendered."""
        term = self._find(path)
        problems: list[tuple[Path, Problem]] = []
        value = self._renderer.collect(term, problems)
        if problems and not problems[0][0]:
            raise self._broken(problems[0][1])
        return self._mask.value(path, value)

    def origins(self, path: Path) -> tuple[Origin, ...]:
        """The chain of the value at a path."""
        head = self._renderer.head(self._find(path))
        return self._chain(path, head)

    def leaves(self, path: Path, depth: int = 0) -> Iterator[Leaf]:
        """All values below a path; those more than ``depth`` levels below it (0: no limit) are only counted."""
        head = self._renderer.head(self._find(path))
        if not isinstance(head, Scalar):
            yield from self._below(head, path, depth or MAX_DEPTH, {id(head)})

    def _below(self, head: Head, path: Path, depth: int, inside: set[int]) -> Iterator[Leaf]:
        for key, term in _entries(head):
            at = (*path, key)
            try:
                own = self._renderer.head(term)
            except UnresolvedError as error:
                yield Leaf(self._shown(at), None, self._chain(at, None), problem=error.problem.brief)
                continue
            entries = len(_entries(own))
            if not entries:
                value = own.value if isinstance(own, Scalar) else {} if isinstance(own, Branch) else []
                yield Leaf(self._shown(at), self._mask.value(at, value), self._chain(at, own))
            elif depth == 1 or id(own) in inside:
                yield Leaf(self._shown(at), None, self._chain(at, own), below=entries)
            else:
                yield from self._below(own, at, depth - 1, inside | {id(own)})

    def _chain(self, path: Path, head: Head | None) -> tuple[Origin, ...]:
        value = head.value if isinstance(head, Scalar) else None
        return self._mask.origins(path, value, self._tracer.chain(path, exports=self._kind is Kind.EXPORTS))

    @cached_property
    def _mask(self) -> Mask:
        secrets = secrets_of(self._renderer, self._node.flat.parameters, self._node.flat.exports)
        return Mask(secrets, self._renderer.options.syntax)

    def _shown(self, path: Path) -> str:
        return Subject(self._kind, path).shown(self._delimiter)

    # --- what there is, and what not --------------------------------------------------------------------------------

    def _find(self, path: Path) -> Term:
        found: Term = self._root
        for n, key in enumerate(path):
            try:
                term = step(self._renderer.head(found), key)
            except UnresolvedError as error:
                raise self._broken(error.problem) from error
            if term is None:
                raise self._missing(path, n, self._renderer.head(found))
            found = term
        try:
            self._renderer.head(found)
        except UnresolvedError as error:
            raise self._broken(error.problem) from error
        return found

    def _broken(self, problem: Problem) -> ModelError:
        return ModelError(replace(problem, node=self._node.name))

    def _missing(self, path: Path, depth: int, head: Head) -> ModelError | UsageError:
        if self._node.flat.problems:
            return ModelError(replace(problem, node=self._node.name) for problem in self._node.flat.problems)
        parent, key = self._shown(path[:depth]), path[depth]
        details = f"{parent} has no key {key!r}."
        if not isinstance(head, Branch):
            entries = len(_entries(head))
            details = f"{parent} is {f'a list of {entries}' if entries else 'no dictionary'}; {key!r} leads nowhere."
        close = self._close(path)
        brief = f"node {self._node.name} has no {self._shown(path)}"
        resolution = f"Did you mean {' or '.join(close)}?" if close else f"Ask for {parent} to see what there is."
        return UsageError(Problem(brief, details=details, resolution=resolution))

    def _close(self, path: Path) -> list[str]:
        """Paths of the node that look like the asked one, the nearest first."""
        matcher = SequenceMatcher(b=join_path(path, self._delimiter))
        ranked: list[tuple[float, str]] = []
        for known in self._paths(self._root, (), len(path) + 1, set()):
            matcher.set_seq1(join_path(known, self._delimiter))
            bonus = SAME_KEY if known[-1] == path[-1] else 0.0
            needed = CLOSE - bonus
            if matcher.real_quick_ratio() > needed and matcher.quick_ratio() > needed and matcher.ratio() > needed:
                ranked.append((-matcher.ratio() - bonus, self._shown(known)))
        return [shown for _, shown in sorted(ranked)[:3]]

    def _paths(self, term: Term, at: Path, depth: int, inside: set[int]) -> Iterator[Path]:
        try:
            head = self._renderer.head(term)
        except UnresolvedError:
            return
        if not depth or id(head) in inside:
            return
        for key, item in _entries(head):
            yield (*at, key)
            yield from self._paths(item, (*at, key), depth - 1, inside | {id(head)})


CLOSE = 0.75
"""How alike (0 to 1) two paths must be for one to be meant by the other."""
SAME_KEY = 0.3
"""What the same last key is worth."""


def _entries(head: Head) -> list[tuple[Any, Term]]:
    """What a dictionary or list holds, by key or index."""
    if isinstance(head, Scalar):
        return []
    return list(head.entries.items()) if isinstance(head, Branch) else list(enumerate(head.items))
