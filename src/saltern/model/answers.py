"""Answers inventory queries: the exports of all nodes are looked up once and indexed by value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce
from typing import Any, Protocol

from saltern.base.errors import Problem
from saltern.model.interpolate import Renderer, UnresolvedError
from saltern.model.options import Options
from saltern.model.query import Keys, Query, QueryError, Test, compile_query
from saltern.model.sharing import Pool
from saltern.model.template import QueryText
from saltern.model.terms import Text
from saltern.model.tree import Export, Node


class Peers(Protocol):
    """The nodes that queries look at."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""

    def node(self, name: str) -> Node:
        """One of them."""


class _Column:
    """One export of many nodes: rows that have it, by value."""

    def __init__(self, values: Iterable[tuple[bool, Any]]) -> None:
        self.values = {row: value for row, (exists, value) in enumerate(values) if exists}
        self._rows: dict[Any, set[int]] = {}
        self._unhashable: list[tuple[int, Any]] = []
        for row, value in self.values.items():
            try:
                self._rows.setdefault(value, set()).add(row)
            except TypeError:
                self._unhashable.append((row, value))

    def rows(self, test: Test, operand: Any) -> set[int]:
        """The rows that pass a test."""
        try:
            equal = self._rows.get(operand, set())
        except TypeError:
            equal = {row for row, value in self._unhashable if value == operand}
        return equal if test.equal else self.values.keys() - equal


class Table:
    """The exports of the nodes that queries of one kind see: per node, (exists, value) of each."""

    def __init__(self, names: list[str], exports: list[dict[Keys, tuple[bool, Any]]]) -> None:
        self.names = names
        self._exports = exports
        self._columns: dict[Keys, _Column] = {}
        self.answers: dict[tuple[Query, tuple[Any, ...]], Any] = {}
        """Given so far, by tokens of what the query compares with."""

    def answer(self, query: Query, operands: tuple[Any, ...]) -> Any:
        """Names, or values by name, of the nodes that pass."""
        found = sorted(self._passing(query, operands)) if query.tests else range(len(self.names))
        if query.export is None:
            return [self.names[row] for row in found]
        values = self._column(query.export).values
        return {self.names[row]: values[row] for row in found if row in values}

    def _passing(self, query: Query, operands: tuple[Any, ...]) -> set[int]:
        tests = [
            (test, self._column(test.export).rows(test, operand))
            for test, operand in zip(query.tests, operands, strict=True)
        ]
        return reduce(
            lambda passed, next_: passed & next_[1] if next_[0].joined_by == "and" else passed | next_[1],
            tests[1:],
            tests[0][1],
        )

    def _column(self, keys: Keys) -> _Column:
        if keys not in self._columns:
            self._columns[keys] = _Column(exports[keys] for exports in self._exports)
        return self._columns[keys]


class Answers:
    """The answers to the queries of an inventory's nodes; give :meth:`answer` to the nodes."""

    def __init__(self, peers: Peers, options: Options, pool: Pool) -> None:
        self._peers = peers
        self._options = options
        self._pool = pool
        self.asked: set[str] = set()
        """The nodes that asked something so far."""
        self._tables: dict[tuple[str | None, tuple[Keys, ...], bool], Table] = {}
        self._exports: dict[tuple[str, Keys], Export] = {}

    def answer(self, asking: Node, renderer: Renderer, query: QueryText, term: Text) -> Any:
        """The answer as plain Python values that nobody may change. Raises UnresolvedError."""
        self.asked.add(asking.name)
        try:
            compiled = compile_query(query.text, self._options.delimiter)
            return self._answer(asking, renderer, compiled, term)
        except QueryError as error:
            problem = Problem(
                brief=f"the inventory query {query} is wrong: {error}",
                places=(term.mark.place,),
                resolution="Write \\$[ for literal text that is no query.",
            )
            raise UnresolvedError(problem) from error

    def _answer(self, asking: Node, renderer: Renderer, query: Query, term: Text) -> Any:
        table = self._table(None if query.all_environments else asking.environment, query, term)
        if not table.names:
            return [] if query.export is None else {}
        operands = operands_of(query, lambda keys: renderer.value(renderer.find(keys, term)))
        tokens = tuple([self._pool.token(operand) for operand in operands])
        if None in tokens:  # it compares with a dictionary or list of the node's own
            return table.answer(query, operands)
        answer = table.answers.get((query, tokens))
        if answer is None:
            answer = table.answers[query, tokens] = table.answer(query, operands)
            self._pool.own(answer)
        return answer

    def _table(self, environment: str | None, query: Query, term: Text) -> Table:
        key = (environment, query.exports, query.ignore_errors)
        table = self._tables.get(key)
        if table is None:
            names, rows = [], []
            for name in self._peers.names:
                node = self._peers.node(name)
                if environment is not None and node.environment != environment:
                    continue
                exports = self._visible(node, query, term)
                if exports is not None:
                    names.append(name)
                    rows.append(exports)
            table = self._tables[key] = Table(names, rows)
        return table

    def _visible(self, node: Node, query: Query, term: Text) -> dict[Keys, tuple[bool, Any]] | None:
        """The exports that the query looks at; None when they are broken and the query ignores that."""
        if node.flat.problems:
            if self._options.inventory_ignore_failed_node:
                return None
            problem = node.flat.problems[0]
            raise UnresolvedError(replace(problem, brief=f"a query needs {node.name}, but there {problem.brief}"))
        ignoring = query.ignore_errors or self._options.inventory_ignore_failed_render
        found: dict[Keys, tuple[bool, Any]] = {}
        for keys in query.exports:
            export = self._export(node, keys)
            if export.problem is not None and not ignoring:
                raise UnresolvedError(
                    replace(
                        export.problem,
                        brief=f"a query needs an export of {node.name} that is wrong: {export.problem.brief}",
                        places=(*export.problem.places, term.mark.place),
                    )
                )
            found[keys] = (export.exists, export.value)
        return found

    def _export(self, node: Node, keys: Keys) -> Export:
        key = (node.name, keys)
        if key not in self._exports:
            self._exports[key] = node.export(keys)
        return self._exports[key]


def operands_of(query: Query, parameter: Callable[[Keys], Any]) -> tuple[Any, ...]:
    """What its tests compare with; ``parameter`` finds the asking node's. Raises QueryError."""
    operands = tuple([test.value if test.parameter is None else parameter(test.parameter) for test in query.tests])
    if None in operands:
        raise QueryError("it compares with null")
    return operands
