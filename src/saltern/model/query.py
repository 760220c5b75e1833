"""Inventory queries, ``$[ … ]``: compiled expressions over the exports of all nodes. Pure.

::

    $[ exports:a ]                                     {node: value of exports:a} of the nodes that have it
    $[ exports:a if exports:b == self:c ]              the same of the nodes that pass the test
    $[ if exports:b != 4 and exports:c == true ]       [node, …] that pass it; "and" and "or" bind alike, left to right
    $[ +AllEnvs +IgnoreErrors … ]                      nodes of all environments; nodes with broken exports left out
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from saltern.model.template import split_path

Keys = tuple[str, ...]


class QueryError(ValueError):
    """An expression that cannot be read, or compared."""


@dataclass(frozen=True, slots=True)
class Test:
    """``exports:<export> ==|!= operand``; the operand is a value, or a path below the asking node's parameters."""

    export: Keys
    equal: bool
    value: Any = None
    parameter: Keys | None = None
    joined_by: str = "and"
    """How its result is joined to that of the tests before it: ``and`` or ``or``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled query; ``export`` None asks for the names of the nodes that pass."""

    export: Keys | None
    tests: tuple[Test, ...] = ()
    all_environments: bool = False
    ignore_errors: bool = False

    @property
    def exports(self) -> tuple[Keys, ...]:
        """Every export that it looks at."""
        return tuple(test.export for test in self.tests) + ((self.export,) if self.export is not None else ())


@lru_cache(maxsize=4096)
def compile_query(text: str, delimiter: str = ":") -> Query:
    """Compile the text between the brackets. Raises QueryError."""
    tokens = text.split()
    options = set()
    while tokens and tokens[0].lower() in ("+allenvs", "+ignoreerrors"):
        options.add(tokens.pop(0).lower())
    if not tokens:
        raise QueryError("it is empty")
    export: Keys | None = None
    if tokens[0].lower() != "if" or len(tokens) == 1:
        export = _export(tokens.pop(0), delimiter)
        if tokens and tokens[0].lower() != "if":
            raise QueryError(f"'if' is expected before {tokens[0]!r}")
    tests = tuple(_tests(tokens[1:], delimiter)) if tokens else ()
    return Query(export, tests, "+allenvs" in options, "+ignoreerrors" in options)


def _tests(tokens: list[str], delimiter: str) -> list[Test]:
    tests = []
    joined_by = "and"
    while True:
        if len(tokens) < 3:
            raise QueryError("a test is incomplete: write 'exports:a == value'")
        tests.append(_test(tokens[:3], delimiter, joined_by))
        tokens = tokens[3:]
        if not tokens:
            return tests
        joined_by = tokens.pop(0).lower()
        if joined_by not in ("and", "or"):
            raise QueryError(f"'and' or 'or' is expected in place of {joined_by!r}")


def _test(tokens: list[str], delimiter: str, joined_by: str) -> Test:
    left, operator, right = tokens
    if operator not in ("==", "!="):
        raise QueryError(f"unknown operator {operator!r}: == and != are known")
    export: Keys | None = None
    parameter: Keys | None = None
    value: Any = None
    for token in (left, right):
        path = split_path(token, delimiter)
        if path[0].lower() == "exports":
            export = _export(token, delimiter)
        elif path[0].lower() == "self":
            parameter = path[1:]
        else:
            value = _literal(token)
    if export is None:
        raise QueryError(f"{' '.join(tokens)!r} compares no export")
    return Test(export, operator == "==", value, parameter, joined_by)


def _export(token: str, delimiter: str) -> Keys:
    """The path below the exports; what its first word is does not matter, as in the reference."""
    keys = split_path(token, delimiter)[1:]
    if not keys:
        raise QueryError(f"{token!r} names no export: write exports{delimiter}name")
    return keys


def _literal(token: str) -> Any:
    if token.lower() in ("true", "false"):
        return token.lower() == "true"
    if re.fullmatch(r"-?\d+", token):
        return int(token)
    if re.fullmatch(r"-?(\d+\.\d*|\.\d+)", token):
        return float(token)
    return token
