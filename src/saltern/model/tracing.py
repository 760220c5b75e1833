"""Finds where a value comes from: every place that set, merged, overwrote or interpolated it, in order. Pure.

Nothing is recorded while merging: the merged terms still hold every layer with its place, so the chain is read from
them when somebody asks. What a tracer found once it remembers: references that many values share are traced once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from saltern.base.errors import ModelError, Problem
from saltern.model.flatten import Flat
from saltern.model.interpolate import Path, Renderer, UnresolvedError
from saltern.model.loops import Loops
from saltern.model.origins import Origin, OriginKind, Through
from saltern.model.paths import join_path
from saltern.model.query import Keys, compile_query
from saltern.model.template import Part, QueryText, Reference
from saltern.model.terms import Branch, Definition, Head, Mark, Marks, Scalar, Sequence, Stack, Term, Text

NOTHING = range(0)


class _Said(NamedTuple):
    """What one layer of a stack says, at the path ``skip`` below a term."""

    term: Term
    at: Path
    skip: Path = ()
    overwrite: bool = False
    constant: bool = False
    marked: bool = False
    """Whether a constant holds it."""
    ignored: bool = False


class Traceable(Protocol):
    """What a tracer needs of a node."""

    @property
    def name(self) -> str:
        """Its full name."""

    @property
    def flat(self) -> Flat:
        """What its classes say."""

    @property
    def renderer(self) -> Renderer:
        """Renders its terms."""


class Tracers:
    """The tracers of the nodes that queries and definitions lead to, and the loops between them."""

    def __init__(self, peer: Callable[[str], Traceable]) -> None:
        self.loops = Loops()
        self._peer = peer
        self._known: dict[str, Tracer] = {}

    def of(self, name: str) -> Tracer:
        """The tracer of the node with this name."""
        if name not in self._known:
            self._known[name] = Tracer(self._peer(name), self)
        return self._known[name]


class Tracer:
    """Traces values of one node, and of the nodes that they were taken from."""

    def __init__(self, node: Traceable, others: Tracers) -> None:
        """``others`` are those of other nodes; many tracers may share them."""
        self._node = node
        self._renderer = node.renderer
        self._delimiter = node.renderer.options.delimiter
        self._others = others
        self._loops = others.loops
        self._known: dict[tuple[bool, Path], tuple[Origin, ...]] = {}
        self._answers: dict[int, tuple[QueryText, dict[Any, Any] | list[Any]]] = {}

    def chain(self, path: Path, *, exports: bool = False) -> tuple[Origin, ...]:
        """The chain of the value at ``path`` of the parameters (or exports); empty when there is none.

        Raises ModelError when it goes too deep.
        """
        key = (exports, path)
        found = self._known.get(key)
        if found is not None:
            return found
        asked = self._loops.begin((self._node.name, *key))
        if asked is None:  # an overwritten reference to itself
            return ()
        whole = False
        root = self._node.flat.exports if exports else self._renderer.root
        try:
            found = tuple(self._chain(root, path, ()))
        except RecursionError:
            raise ModelError(self._too_deep(root, path)) from None
        finally:
            whole = self._loops.end(asked)
        if whole:  # what a loop cut short is whole when it is asked for elsewhere
            self._known[key] = found
        return found

    def _too_deep(self, root: Branch, path: Path) -> Problem:
        term: Term = root
        for key in path:
            below = step(term, key) if isinstance(term, Branch) else None
            if below is None:
                break
            term = below
        return Problem(
            brief=f"references go too deep to tell where {self._joined(path)} comes from",
            places=(term.mark.place,),
            resolution="Let fewer references lead from one to the next.",
            node=self._node.name,
        )

    def _chain(self, term: Term, rest: Path, at: Path) -> list[Origin]:
        while rest and not isinstance(term, (Stack, Text)):
            found = step(term, rest[0])
            if found is None:
                return []
            term, rest, at = found, rest[1:], (*at, rest[0])
        if isinstance(term, Stack):
            return self._stack(term, rest, at)
        if isinstance(term, Text):
            return self._text(term, rest, at)
        if isinstance(term, Branch):
            return [
                self._origin(mark, at, kind=OriginKind.MERGED if n else OriginKind.SET)
                for n, mark in enumerate(_in_order(term.marks))
            ]
        return [self._origin(term.mark, at, term.value if isinstance(term, Scalar) else None)]

    def _origin(self, mark: Mark, at: Path, value: Any = None, *, kind: OriginKind = OriginKind.SET) -> Origin:
        source = mark.source
        made_from = tuple(self._defined(source)) if isinstance(source, Definition) else ()
        return Origin(
            kind, source.file, mark.line, mark.column, source.name, self._joined(at), value, references=made_from
        )

    def _joined(self, path: Path) -> str:
        return join_path(path, self._delimiter)

    # --- references, queries and definitions ------------------------------------------------------------------------

    def _text(self, term: Text, rest: Path, at: Path) -> list[Origin]:
        whole = term.template.whole
        parts = term.template.parts
        throughs = self._throughs(parts, term, rest if whole is not None else ())
        references = tuple({(one.node, one.exports, one.path): one for one in throughs}.values())
        if rest and not references:
            return []
        origin = self._origin(term.mark, at, term.template.text)
        return [replace(origin, references=origin.references + references)]

    def _throughs(self, parts: tuple[Part, ...], term: Text, rest: Path) -> Iterator[Through]:
        for part in parts:
            if isinstance(part, QueryText):
                yield from self._answered(part, term, rest)
            elif isinstance(part, Reference):
                yield from self._throughs(part.parts, term, ())
                try:
                    path: Path = (*self._renderer.path_of(part, term), *rest)
                except UnresolvedError:
                    continue
                if not self._exists(path):  # a reference into its own, overwritten layer would go on for ever
                    continue
                for known in (path,) if part is term.template.whole else (path, *self._paths(path, frozenset())):
                    if origins := self.chain(known):
                        yield Through(self._joined(known), origins)

    def _exists(self, path: Path) -> bool:
        head = self.shape(self._renderer.root, path[:-1])
        return head is not None and step(head, path[-1]) is not None

    def _paths(self, path: Path, inside: frozenset[int]) -> Iterator[Path]:
        """Of a dictionary or list that stands inside text, everything in it."""
        head = self.shape(self._renderer.root, path)
        if head is None or isinstance(head, Scalar) or id(head) in inside:
            return
        keys: list[Any] = list(head.entries) if isinstance(head, Branch) else list(range(len(head.items)))
        for key in keys:
            yield (*path, key)
            yield from self._paths((*path, key), inside | {id(head)})

    def _answered(self, part: QueryText, term: Text, rest: Path) -> Iterator[Through]:
        """The exports that a query saw, node by node; of one node when ``rest`` leads into the answer."""
        answer = self._answer(part, term)
        if not answer:  # or the query is wrong
            return
        names = list(answer)
        if rest and isinstance(answer, dict):
            names = [rest[0]] if rest[0] in answer else []
        elif rest:
            names = names[int(rest[0]) : int(rest[0]) + 1] if _is_index(rest[0]) else []
        below = rest[1:]
        query = compile_query(part.text, self._delimiter)
        for name in names:
            if query.export is not None:
                yield from self._exported(name, (*query.export, *below))
            for test in query.tests:
                yield from self._exported(name, test.export)
        own: dict[Keys, None] = {test.parameter: None for test in query.tests if test.parameter is not None}
        for path in own:
            yield Through(self._joined(path), self.chain(path))

    def _answer(self, part: QueryText, term: Text) -> dict[Any, Any] | list[Any]:
        known = self._answers.get(id(part))
        if known is None:
            try:
                answer = self._renderer.ask(part, term)
            except UnresolvedError:
                answer = []
            known = self._answers[id(part)] = (part, answer)  # kept, so that its id stays its own
        return known[1]

    def _exported(self, name: str, path: Path) -> Iterator[Through]:
        if origins := self._other(name).chain(path, exports=True):
            yield Through(self._joined(path), origins, name, exports=True)

    def _defined(self, source: Definition) -> Iterator[Through]:
        for path in source.paths:
            if origins := self._other(source.definer).chain(path):
                yield Through(self._joined(path), origins, source.definer)

    def _other(self, name: str) -> Tracer:
        return self if name == self._node.name else self._others.of(name)

    # --- stacks -----------------------------------------------------------------------------------------------------

    def _stack(self, stack: Stack, rest: Path, at: Path) -> list[Origin]:
        """As the renderer folds the layers: what each one says at ``rest``, and what it does to the ones before."""
        parts = _said(stack, at)
        above: Path = ()
        while rest and isinstance(self.shape(stack, above), Branch):
            parts, above, rest = self._below(parts, rest[0]), (*above, rest[0]), rest[1:]
        found: list[Origin] = []
        shape: Head | None = None
        constant = False
        spans = self._spans(parts, rest, self.shape(stack, above))
        for n, part in enumerate(parts):
            own = self._of_part(part, rest, None if spans is None else spans[n])
            new = self.shape(part.term, part.skip + (rest if spans is None else ()))
            if constant or part.ignored:
                found += [replace(origin, kind=OriginKind.IGNORED) for origin in own]
                continue
            constant = part.constant
            if not own:
                if part.overwrite or not isinstance(self.shape(part.term, part.skip), (Branch, Sequence)):
                    found, shape = [], None
                continue
            if found and spans is None:
                kind = OriginKind.MERGED if not part.overwrite and _joins(shape, new) else OriginKind.OVERWROTE
                own[0] = replace(own[0], kind=kind)
            if part.marked:
                own = [replace(origin, constant=True) for origin in own]
            found += own
            shape = new
        return found

    def _below(self, parts: list[_Said], key: str | int) -> list[_Said]:
        """What the parts of a dictionary say of one key, with the prefixes that stand there."""
        found: list[_Said] = []
        shape: Head | None = None
        constant = False
        for part in parts:
            new = self.shape(part.term, part.skip)
            ignored = constant or part.ignored
            own = [one._replace(ignored=ignored, marked=one.marked or part.marked) for one in self._entries(part, key)]
            if not ignored:
                constant = part.constant
                if part.overwrite or not (isinstance(shape, Branch) and isinstance(new, Branch)):  # it replaces
                    own[:1] = [one._replace(overwrite=True) for one in own[:1]]
                    found = found if own else []
                shape = new
            found += own
        return found

    def _entries(self, part: _Said, key: str | int) -> list[_Said]:
        if part.skip or not isinstance(part.term, Branch):  # a reference brings finished values
            exists = self.shape(part.term, (*part.skip, key)) is not None
            return [_Said(part.term, part.at, (*part.skip, key))] if exists else []
        term, at = step(part.term, key), (*part.at, key)
        if isinstance(term, Stack):
            return _said(term, at)
        return [] if term is None else [_Said(term, at)]

    def _of_part(self, part: _Said, rest: Path, span: range | None) -> list[Origin]:
        if span is None:
            return self._chain(part.term, part.skip + rest, part.at)
        index = int(rest[0])
        if index not in span:
            return []
        if isinstance(self.shape(part.term, part.skip), Sequence):
            return self._chain(part.term, (*part.skip, span.index(index), *rest[1:]), part.at)
        return self._chain(part.term, part.skip + rest[1:], (*part.at, 0))

    def _spans(self, parts: list[_Said], rest: Path, shape: Head | None) -> list[range] | None:
        """Which items of the list each part brought; None when ``rest`` leads to no item of a list."""
        if not rest or not _is_index(rest[0]) or not isinstance(shape, Sequence):
            return None
        spans: list[range] = []
        for part in parts:
            if part.ignored:
                spans.append(NOTHING)
                continue
            head = self.shape(part.term, part.skip)
            joins = isinstance(head, Sequence) and not part.overwrite
            if not joins:
                spans = [NOTHING] * len(spans)
            start = max((span.stop for span in spans), default=0)
            size = 0
            if isinstance(head, Sequence):
                size = len(head.items)
            elif isinstance(head, Scalar) and head.value is not None:
                size = 1
            spans.append(range(start, start + size))
            if part.constant:
                return spans + [NOTHING] * (len(parts) - len(spans))
        return spans

    def shape(self, term: Term, rest: Path) -> Head | None:
        """The outermost shape of what stands at ``rest`` below a term; None when nothing does, or it has no value."""
        try:
            head = self._renderer.head(term)
            for key in rest:
                found = step(head, key)
                if found is None:
                    return None
                head = self._renderer.head(found)
        except UnresolvedError:
            return None
        return head


def step(head: Head, key: str | int) -> Term | None:
    """The entry or item of that key; a key that is no text may be given as text."""
    if isinstance(head, Branch):
        found = head.entries.get(key)
        if found is None:
            found = next((term for name, term in head.entries.items() if str(name) == str(key)), None)
        return found
    if isinstance(head, Sequence) and _is_index(key) and int(key) < len(head.items):
        return head.items[int(key)]
    return None


def _said(stack: Stack, at: Path) -> list[_Said]:
    return [_Said(one.term, at, (), one.overwrite, one.constant, one.constant) for one in stack.layers]


def _joins(below: Head | None, above: Head | None) -> bool:
    """Whether a value is merged with the one below it, and does not replace it."""
    if isinstance(above, Branch):
        return isinstance(below, Branch)
    if isinstance(above, Sequence):
        return isinstance(below, Sequence) or (isinstance(below, Scalar) and below.value is not None)
    return False


def _in_order(marks: Marks) -> list[Mark]:
    found = []
    link: Marks | None = marks
    while link is not None:
        found.append(link[0])
        link = link[1]
    return found[::-1]


def _is_index(key: str | int) -> bool:
    return key >= 0 if isinstance(key, int) else key.isdecimal()
