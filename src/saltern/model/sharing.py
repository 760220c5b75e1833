"""Rendered values that nodes share: what many nodes have in common is rendered once. Pure.

Terms are shared by all nodes whose classes begin alike, and the value of a term is a function of the term and of what
its references find. So a value is kept under the term and tokens of what they found, and the next node that finds the
same gets the same object. A node that finds something else gets a copy in which only that is made anew. Whatever is
not plain (a loop, something missing, layers that cannot be merged) is left to :class:`~.interpolate.Renderer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, compress
from operator import itemgetter, ne
from typing import Any

from saltern.model.flatten import AUTOMATIC
from saltern.model.interpolate import Renderer, UnresolvedError
from saltern.model.template import Part, QueryText, Reference
from saltern.model.terms import Branch, Scalar, Sequence, Stack, Term, Text

StaticPath = tuple[str, ...]
Need = StaticPath | tuple[Reference | QueryText, Text]
"""What a value depends on: a path, or a reference or query with the text that it stands in."""
Tokens = tuple[Any, ...]
Container = Branch | Sequence | Stack
_MISSING = object()


class Facts:
    """What is known about a dictionary, list or stack wherever it is rendered."""

    __slots__ = ("last", "needs", "term", "tokens", "users", "values")

    def __init__(self, term: Container, needs: tuple[int, ...], users: tuple[tuple[Any, ...], ...]) -> None:
        self.term = term
        self.needs = needs
        """Numbers of what its value depends on, each once."""
        self.users = users
        """Per need: the keys of the items that have it."""
        self.tokens = _getter(needs)
        self.values: dict[Tokens, Any] = {}
        self.last: tuple[Tokens, Any] | None = None


class Pool:
    """The shared values of one inventory."""

    def __init__(self) -> None:
        self.needs: list[Need] = []
        """By number."""
        self.foreign = False
        """Whether a node that was made so far has values of types that JSON lacks."""
        self._numbers: dict[Need, int] = {}
        self._facts: dict[int, Facts] = {}
        self._texts: dict[int, tuple[Text, tuple[int, ...], tuple[str | int, ...]]] = {}
        self._owned: dict[int, Any] = {}

    def facts(self, term: Container) -> Facts:
        """About a term, which is kept, so that its id stays its."""
        return self._facts.get(id(term)) or self._learn(term)

    def pieces(self, text: Text) -> tuple[str | int, ...]:
        """Of what a text is joined: literal parts, and the numbers of needs."""
        return self._text(text)[2]

    def own(self, value: Any) -> None:
        """Keep a dictionary or list that nobody changes, so that its id can stand for it."""
        if isinstance(value, (dict, list)):
            self._owned[id(value)] = value

    def token(self, value: Any) -> Any:
        """What stands for a value where values are compared; None when nothing can."""
        if type(value) is str:
            return value
        if isinstance(value, (dict, list)):
            return id(value) if id(value) in self._owned else None
        return (type(value), value if value is None or isinstance(value, int) else repr(value))

    def _learn(self, term: Container) -> Facts:
        users: dict[int, list[Any]] = {}
        for key, item in _items(term):
            for need in self._needs(item):
                users.setdefault(need, []).append(key)
        found = self._facts[id(term)] = Facts(term, tuple(users), tuple(map(tuple, users.values())))
        return found

    def _needs(self, term: Term) -> tuple[int, ...]:
        if isinstance(term, Scalar):
            return ()
        return self._text(term)[1] if isinstance(term, Text) else self.facts(term).needs

    def _text(self, text: Text) -> tuple[Text, tuple[int, ...], tuple[str | int, ...]]:
        found = self._texts.get(id(text))
        if found is None:
            parts = text.template.parts
            needs = tuple([self._number(need) for need in dict.fromkeys(_needs_of(parts, text))])
            pieces = [part if isinstance(part, str) else self._number(_need(part, text)) for part in parts]
            found = self._texts[id(text)] = (text, needs, tuple(pieces))
        return found

    def _number(self, need: Need) -> int:
        number = self._numbers.get(need)
        if number is None:
            number = self._numbers[need] = len(self.needs)
            self.needs.append(need)
        return number


def _items(term: Container) -> Iterable[tuple[Any, Term]]:
    if isinstance(term, Branch):
        return term.entries.items()
    if isinstance(term, Sequence):
        return enumerate(term.items)
    return enumerate(layer.term for layer in term.layers)


def _needs_of(parts: Iterable[Part], term: Text) -> Iterator[Need]:
    for part in parts:
        if isinstance(part, Reference) and part.path is None:
            yield from _needs_of(part.parts, term)  # they make the path
        if not isinstance(part, str):
            yield _need(part, term)


def _need(part: Reference | QueryText, term: Text) -> Need:
    return part.path if isinstance(part, Reference) and part.path is not None else (part, term)


def _getter(needs: tuple[int, ...]) -> Callable[[dict[int, Any]], Tokens]:
    if len(needs) > 1:
        return itemgetter(*needs)
    return lambda tokens: tuple([tokens[need] for need in needs])


class _UnsharedError(Exception):
    """Something has no token, or is what is being rendered right now."""


class _Values(dict[int, Any]):
    """What one node's needs find, by number, each when it is first asked for. Raises UnresolvedError."""

    def __init__(self, find: Callable[[int], Any]) -> None:
        super().__init__()
        self._find = find
        self._without: dict[int, UnresolvedError | None] = {}

    def __missing__(self, number: int) -> Any:
        if number in self._without:
            raise self._without[number] or _UnsharedError
        self._without[number] = None
        try:
            value = self[number] = self._find(number)
        except UnresolvedError as error:
            self._without[number] = error
            raise
        del self._without[number]
        return value


class _Tokens(dict[int, Any]):
    """Their tokens. Raises what the values raise, or _UnsharedError."""

    def __init__(self, values: _Values, pool: Pool) -> None:
        super().__init__()
        self._values = values
        self._pool = pool

    def __missing__(self, number: int) -> Any:
        token = self._pool.token(self._values[number])
        if token is None:
            raise _UnsharedError
        self[number] = token
        return token


class SharedRenderer:
    """Renders one node's terms with the values of other nodes where they are the same."""

    def __init__(self, renderer: Renderer, common: Branch, pool: Pool) -> None:
        """``common`` is what the node's classes say: the part of ``renderer.root`` that is shared with other nodes."""
        self._renderer = renderer
        self._common = common
        self._pool = pool
        self._values = _Values(self._needed)
        self._tokens = _Tokens(self._values, pool)
        self._warned = 0

    def value(self, merged: Branch, common: Branch, own: Branch) -> dict[Any, Any]:
        """``merged`` as plain Python values: what is ``common`` to nodes with the same classes, under what the node's
        file itself says (``own``), and what neither has. Raises UnresolvedError.
        """
        found = common.entries.get, own.entries.get
        return {
            key: self._renderer.value(term) if key == AUTOMATIC.name else self._part(term, found[0](key), found[1](key))
            for key, term in merged.entries.items()
        }

    def _part(self, merged: Term, common: Term | None, own: Term | None) -> Any:
        if merged is common:
            return self._shared(merged)
        if isinstance(merged, Branch) and isinstance(common, Branch) and isinstance(own, Branch):
            return self._overlaid(merged, common, own)
        return self._renderer.value(merged)

    def _overlaid(self, merged: Branch, common: Branch, own: Branch) -> dict[Any, Any]:
        try:
            value = dict(self._shared(common))
        except UnresolvedError:  # the node's file may have replaced what is wrong
            return self.value(merged, common, own)
        for key, term in own.entries.items():
            value[key] = self._part(merged.entries[key], common.entries.get(key), term)
        return value

    def _shared(self, term: Term) -> Any:
        if isinstance(term, Scalar):
            return term.value
        return self._text(term) if isinstance(term, Text) else self._container(term)

    def _text(self, term: Text) -> Any:
        pieces = self._pool.pieces(term)
        try:
            if term.template.whole is not None:
                return self._values[pieces[0]]  # type: ignore[index]
            return "".join([piece if isinstance(piece, str) else str(self._values[piece]) for piece in pieces])
        except _UnsharedError:  # a loop: the renderer says which
            return self._renderer.value(term)

    def _container(self, term: Container) -> Any:
        facts = self._pool.facts(term)
        try:
            tokens = facts.tokens(self._tokens)
        except (_UnsharedError, UnresolvedError):
            return self._made(term)
        value = facts.values.get(tokens, _MISSING)
        if value is not _MISSING:
            return value
        warned = self._warned
        value = self._made(term) if facts.last is None else self._remade(facts, tokens, *facts.last)
        if self._warned == warned:  # else the next node would not warn
            facts.values[tokens] = value
            self._pool.own(value)
            if not isinstance(term, Stack):
                facts.last = tokens, value
        return value

    def _made(self, term: Container) -> Any:
        if isinstance(term, Branch):
            return {key: self._shared(item) for key, item in term.entries.items()}
        if isinstance(term, Sequence):
            return [self._shared(item) for item in term.items]
        fresh = self._renderer.fresh()  # it has the warnings of this stack, however often it is rendered
        value = fresh.value(term)
        if fresh.ignored:
            self._warned += 1
            self._renderer.ignored.update(fresh.ignored)
        return value

    def _remade(self, facts: Facts, tokens: Tokens, last_tokens: Tokens, last: Any) -> Any:
        """The value made last with the items made anew that depend on what is different now."""
        value = last.copy()
        items: Any = facts.term.entries if isinstance(facts.term, Branch) else facts.term.items  # type: ignore[union-attr]
        for key in dict.fromkeys(chain.from_iterable(compress(facts.users, map(ne, tokens, last_tokens)))):
            value[key] = self._shared(items[key])
        return value

    def _needed(self, number: int) -> Any:
        need = self._pool.needs[number]
        part = need[0]
        if isinstance(part, str):
            return self._at(need)  # type: ignore[arg-type]
        text: Text = need[1]  # type: ignore[assignment]
        if isinstance(part, QueryText):
            return self._renderer.ask(part, text)
        return self._at(self._renderer.path_of(part, text))

    def _at(self, path: StaticPath) -> Any:
        """The value at a path of the node's parameters."""
        merged: Term = self._renderer.root
        common: Term | None = self._common
        for key in path:
            if not isinstance(merged, Branch) or key not in merged.entries:
                return self._renderer.value(self._renderer.find(path))
            merged = merged.entries[key]
            common = common.entries.get(key) if isinstance(common, Branch) else None
        return self._shared(merged) if merged is common else self._renderer.value(merged)
