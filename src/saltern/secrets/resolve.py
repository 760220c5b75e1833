"""All secrets of a model at once: the values, or all problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from saltern.base.errors import Place, Problem, SecretError
from saltern.model.secret_references import SecretReference, SecretUse
from saltern.secrets.store import Store


def check(uses: Iterable[SecretUse], stores: Mapping[str, Store]) -> tuple[Problem, ...]:
    """What is wrong with references as far as can be told without reading a secret."""
    problems = _Problems()
    for reference, written in _by_reference(uses).items():
        if problem := wrong(reference, stores):
            problems.add(problem, written)
    return problems.found()


def resolve(uses: Iterable[SecretUse], stores: Mapping[str, Store]) -> dict[SecretReference, str]:
    """The value of each reference. Raises SecretError with a problem per cause, with the places of all references."""
    values: dict[SecretReference, str] = {}
    problems = _Problems()
    for reference, written in _by_reference(uses).items():
        if problem := wrong(reference, stores):
            problems.add(problem, written)
            continue
        try:
            value = stores[reference.store].read(reference.name)
            if not value:
                raise SecretError(Problem(f"{reference} is empty", resolution="give it a value"))
            values[reference] = value
        except SecretError as error:
            for problem in error.problems:
                problems.add(problem, written)
    if found := problems.found():
        raise SecretError(found)
    return values


def wrong(reference: SecretReference, stores: Mapping[str, Store]) -> Problem | None:
    """What is wrong with one reference, as far as can be told without reading a secret."""
    if reference.store not in stores:
        return Problem(
            f"{reference}: there is no store {reference.store!r} of secrets",
            resolution=f"use one of {', '.join(sorted(stores))}; write \\?{{ for literal text",
        )
    return stores[reference.store].wrong(reference.name)


def _by_reference(uses: Iterable[SecretUse]) -> dict[SecretReference, list[SecretUse]]:
    found: dict[SecretReference, list[SecretUse]] = {}
    for use in uses:
        found.setdefault(use.reference, []).append(use)
    return dict(sorted(found.items()))


class _Problems:
    """One per cause, e.g. a missing identity, with every place that needs it."""

    def __init__(self) -> None:
        self._places: dict[Problem, dict[Place, None]] = {}
        self._nodes: dict[Problem, dict[str, None]] = {}

    def add(self, problem: Problem, uses: Iterable[SecretUse]) -> None:
        for use in uses:
            self._places.setdefault(problem, {}).update(dict.fromkeys(use.places))
            self._nodes.setdefault(problem, {})[use.node] = None

    def found(self) -> tuple[Problem, ...]:
        return tuple(
            replace(problem, places=(*sorted(places), *problem.places), node=", ".join(sorted(self._nodes[problem])))
            for problem, places in self._places.items()
        )
