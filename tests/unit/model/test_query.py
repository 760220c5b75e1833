"""Inventory query expressions."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.model.answers import Table, operands_of
from saltern.model.query import Query, QueryError, compile_query

EXPORTS: dict[tuple[str, ...], Any] = {("a",): 1, ("b",): "x", ("t",): True, ("n", "m"): 2.5}


def passes(text: str) -> bool:
    query = compile_query(text)
    exports = {keys: (keys in EXPORTS, EXPORTS.get(keys)) for keys in query.exports}
    passing: list[str] = Table(["n"], [exports]).answer(query, operands_of(query, {("v",): "x"}.get))
    return passing == ["n"]


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ("exports:a == 1", True),
        ("exports:a != 1", False),
        ("1 == exports:a", True),
        ("exports:b == self:v", True),
        ("exports:t == True", True),
        ("exports:n:m == 2.5", True),
        ("exports:a == x", False),
        ("exports:none == 1", False),
        ("exports:none != 1", False),
        ("exports:a == 2 or exports:b == x", True),
        ("exports:a == 1 and exports:b == y", False),
        ("exports:a == 1 OR exports:b == x AND exports:b == y", False),
    ],
)
def test_tests(test: str, result: bool) -> None:
    assert passes(f"if {test}") is result


def test_lists_and_dictionaries_are_compared_too() -> None:
    query = compile_query("exports:l if exports:l == self:v")
    rows: list[dict[tuple[str, ...], tuple[bool, Any]]] = [
        {("l",): (True, [1])}, {("l",): (True, {"a": 1})}, {("l",): (False, None)}, {("l",): (True, "x")}
    ]  # fmt: skip
    assert Table(list("abcd"), rows).answer(query, ([1],)) == {"a": [1]}
    other = compile_query("exports:l if exports:l != self:v")
    assert Table(list("abcd"), rows).answer(other, ({"a": 1},)) == {"a": [1], "d": "x"}


def test_shapes() -> None:
    assert compile_query(" exports:a:b ") == Query(("a", "b"))
    query = compile_query("+AllEnvs +ignoreerrors exports:a IF exports:b == 1")
    assert (query.export, query.all_environments, query.ignore_errors) == (("a",), True, True)
    assert query.exports == (("b",), ("a",))


@pytest.mark.parametrize(
    "text",
    ["", "+AllEnvs", "exports", "if exports == 1", "exports if exports:a == 1",
     "exports:a exports:b", "if exports:a", "if exports:a = 1", "if 1 == 2", "if exports:a == 1 xor x",
     "if exports:a == 1 and", "if exports:a == self:nothing"],
)  # fmt: skip
def test_wrong_expressions(text: str) -> None:
    with pytest.raises(QueryError):
        passes(text)
