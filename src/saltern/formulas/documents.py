"""``meta/sphinx.yml`` as frozen values: what a formula tells people about its service on a node. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.base.schema import check, load_schema

KIND = "sphinx"
"""Asked for only where pages are written: it may ask the machine, and nothing that runs depends on it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Where a service answers."""

    name: str
    type: str = ""
    address: str = ""
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that a reader wants to know; a list has several values."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """What a node has of a service."""

    name: str
    endpoints: tuple[Answers, ...] = ()
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A service on a node."""

    formula: str
    name: str
    description: str = ""
    roles: tuple[Role, ...] = ()


def read_documents(node: str, raw: Mapping[str, Mapping[str, Any]]) -> tuple[Document, ...]:
    """What the formulas of a node tell, from ``{formula: {kind: content}}``; raises FormulaError with all problems."""
    told = {formula: raw[formula][KIND] for formula in sorted(raw) if raw[formula].get(KIND)}
    if problems := [*_problems(node, told)]:
        raise FormulaError(problems)
    return tuple(_document(formula, one["doc"]) for formula, one in told.items() if one.get("doc"))


def _problems(node: str, told: Mapping[str, Any]) -> Iterator[Problem]:
    for formula, content in told.items():
        yield from check(content, load_schema("saltern.formulas", KIND), f"{formula}/meta/{KIND}.yml, rendered for {node}")


def _document(formula: str, raw: Mapping[str, Any]) -> Document:
    roles = tuple(_role(name, one or {}) for name, one in sorted((raw.get("role") or {}).items()))
    return Document(formula, raw["name"], " ".join(raw.get("description", "").split()), roles)


def _role(key: str, raw: Mapping[str, Any]) -> Role:
    endpoints = tuple(
        Answers(one.get("name", name), one.get("type", ""), one.get("address", ""), one.get("protocol", ""))
        for name, one in sorted((raw.get("endpoint") or {}).items())
    )
    settings = {one.get("name", name): tuple(_texts(one["value"])) for name, one in (raw.get("param") or {}).items()}
    told = tuple(Setting(name, values) for name, values in sorted(settings.items()) if values)
    return Role(raw.get("name", key), endpoints, told)


def _texts(value: object) -> Iterator[str]:
    """A value as texts; several lines of one are several."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, bool):
        yield str(value).lower()
    elif value is not None:
        yield from filter(None, (line.strip().removeprefix("* ") for line in str(value).splitlines()))
