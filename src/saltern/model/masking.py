"""Hides secrets in values and in the chains that tell where they come from. Pure.

A secret is known by the keys of its path (:mod:`.secrets`), or because it is the value of such a key elsewhere in the
node. In its chain every literal is hidden, also what was overwritten; references stay readable, to values of the
model (``${…}``) as to secrets that are kept elsewhere (``?{…}``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from saltern.base.errors import Problem
from saltern.model.interpolate import Path, Renderer, UnresolvedError
from saltern.model.origins import Origin, Through
from saltern.model.paths import split_words
from saltern.model.query import QueryError, compile_query
from saltern.model.secret_references import is_reference
from saltern.model.secrets import is_secret_path, secret_values
from saltern.model.template import SYNTAX, QueryText, Syntax, Template, TemplateError, compile_text
from saltern.model.terms import Branch, Sequence, Stack, Term, Text

HIDDEN = "***"


def secrets_of(renderer: Renderer, *trees: Branch) -> frozenset[str]:
    """The secret texts in a node's trees, also those that its queries brought from other nodes."""
    found: set[str] = set()
    for tree in trees:
        problems: list[tuple[Path, Problem]] = []  # what has no value is no secret
        found |= secret_values(renderer.collect(tree, problems) or {})
        for query, term in _queries(tree):
            with suppress(UnresolvedError, QueryError):
                export = compile_query(query.text, renderer.options.delimiter).export
                if export is not None and is_secret_path(export):
                    found |= secret_values({"secret": list(renderer.ask(query, term).values())})
    return frozenset(found)


def _queries(term: Term) -> Iterator[tuple[QueryText, Text]]:
    if isinstance(term, Text):
        yield from ((part, term) for part in term.template.parts if isinstance(part, QueryText))
        return
    below: Iterable[Term] = ()
    if isinstance(term, Stack):
        below = (layer.term for layer in term.layers)
    elif isinstance(term, (Branch, Sequence)):
        below = term.entries.values() if isinstance(term, Branch) else term.items
    for one in below:
        yield from _queries(one)


class Mask:
    """Hides the secrets of one node."""

    def __init__(self, secrets: Iterable[str], syntax: Syntax = SYNTAX) -> None:
        self._secrets = sorted(secrets, key=lambda text: (-len(text), text))
        self._syntax = syntax

    def value(self, path: Path, value: Any) -> Any:
        """The value at ``path`` with its secrets hidden."""
        if isinstance(value, dict):
            return {key: self.value((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value((*path, index), item) for index, item in enumerate(value)]
        if value is None or isinstance(value, bool):
            return value
        if is_secret_path(path):
            return value if isinstance(value, str) and is_reference(value) else HIDDEN
        return self._without(value) if isinstance(value, str) else value

    def origins(self, path: Path, value: Any, origins: Iterable[Origin]) -> tuple[Origin, ...]:
        """The chain of the ``value`` at ``path`` with its secrets hidden."""
        return self._origins(origins, hide=is_secret_path(path) or value in self._secrets)

    def _origins(self, origins: Iterable[Origin], *, hide: bool) -> tuple[Origin, ...]:
        known = tuple(origins)
        hide = hide or any(origin.value in self._secrets for origin in known)
        leaky = any(isinstance(origin.value, str) and self._without(origin.value) != origin.value for origin in known)
        return tuple(self._origin(origin, hide=hide, leaky=leaky) for origin in known)

    def _origin(self, origin: Origin, *, hide: bool, leaky: bool) -> Origin:
        value = origin.value
        if hide or leaky:
            value = self._hidden(value)
        return replace(
            origin,
            value=value,
            references=tuple(self._through(through, hide=hide) for through in origin.references),
        )

    def _through(self, through: Through, *, hide: bool) -> Through:
        words = split_words(through.path, self._syntax.delimiter)
        return replace(through, origins=self._origins(through.origins, hide=hide or is_secret_path(words)))

    def _hidden(self, value: Any) -> Any:
        if value is None or isinstance(value, bool) or (isinstance(value, str) and is_reference(value)):
            return value
        try:
            template = compile_text(str(value), self._syntax)
        except TemplateError:
            return HIDDEN
        if not isinstance(template, Template):
            return HIDDEN
        return "".join(HIDDEN if isinstance(part, str) and part.strip() else str(part) for part in template.parts)

    def _without(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
