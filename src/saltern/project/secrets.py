"""The secrets of a model: what is wrong with its references, and their values when a rollout needs them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, SalternError, SecretError
from saltern.base.store import in_json
from saltern.model.secret_references import SecretReference, SecretUse
from saltern.model.secrets import MIN_LENGTH
from saltern.project.context import HIDDEN_LENGTH, Member, Project
from saltern.secrets import resolve
from saltern.secrets.environment import EnvironmentStore
from saltern.secrets.files import FileStore
from saltern.secrets.store import Store
from saltern.secrets.vault import VaultStore

HIDDEN = "***"
"""In the place of a secret that stands in the model itself."""


def stores(project: Project) -> dict[str, Store]:
    """All stores by the word that a reference begins with."""
    return {
        "age": project.safe,
        "env": EnvironmentStore(os.environ),
        "file": FileStore(project.root),
        "vault": VaultStore(os.environ, Path.home()),
    }


def uses(project: Project) -> tuple[SecretUse, ...]:
    """All references of the nodes that become containers."""
    return tuple(use for member in project.members for use in member.uses)


def check(project: Project, members: Iterable[Member]) -> tuple[Problem, ...]:
    """What is wrong with the members' references as far as can be told without an identity, a token or a network."""
    found = tuple(use for member in members for use in member.uses)
    return (*_misplaced(found), *resolve.check(found, stores(project)))


def values(project: Project) -> dict[SecretReference, str]:
    """The values of all secrets that a rollout of the model needs. Raises SecretError with all problems."""
    found = uses(project)
    if problems := tuple(_misplaced(found)):
        raise SecretError(problems)
    return resolve.resolve(found, stores(project)) if found else {}


def _misplaced(found: Iterable[SecretUse]) -> Iterator[Problem]:
    for use in found:
        if use.path[0] == "saltern":
            yield Problem(
                f"{use.reference} stands in parameters:saltern, whose values are no secrets",
                use.places,
                "they stand in image keys, in the Compose file and in names",
                "write the value itself",
                use.node,
            )


@contextmanager
def hidden(known: Mapping[SecretReference, str]) -> Iterator[None]:
    """Errors that pass do not show these values; where one was, its reference is."""
    try:
        yield
    except SalternError as error:
        if not known:
            raise
        raise type(error)(map(_Hiding(known).problem, error.problems)) from None


def without_values(text: str, known: Mapping[SecretReference, str]) -> str:
    """The text with references in the places of their values."""
    return _Hiding(known).text(text)


def readable(text: str, references: Iterable[SecretReference]) -> str:
    """The text with references in the places of their stand-ins."""
    return _Hiding({reference: reference.stand_in for reference in references}).text(text)


def shown(member: Member, value: Any) -> Any:
    """A value without secrets: stand-ins become their references, plain ones are hidden."""
    if isinstance(value, Mapping):
        return {key: shown(member, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(member, item) for item in value]
    if not isinstance(value, str):
        return value
    text = readable(value, member.references)
    for secret in sorted(member.secrets, key=lambda secret: (-len(secret), secret)):
        text = text.replace(secret, HIDDEN)
    return text


class _Hiding:
    """Longer values first: one may be a part of another."""

    def __init__(self, known: Mapping[SecretReference, str]) -> None:
        texts = {reference.stand_in: str(reference) for reference in known}
        texts |= {value: str(reference) for reference, value in known.items() if len(value) >= HIDDEN_LENGTH}
        self._texts = sorted(texts.items(), key=lambda item: (-len(item[0]), item))

    def problem(self, problem: Problem) -> Problem:
        brief, details = self.text(problem.brief), self.text(problem.details)
        return replace(problem, brief=brief, details=details, resolution=self.text(problem.resolution))

    def text(self, text: str) -> str:
        for value, reference in self._texts:
            text = text.replace(value, reference)
        return text


def held(text: str, known: Mapping[SecretReference, str]) -> tuple[SecretReference, ...]:
    """The secrets that a JSON text shows: their stand-ins, or values that are too long to be there by chance."""
    return tuple(
        sorted(
            reference
            for reference, value in known.items()
            if reference.stand_in in text or (len(value) >= MIN_LENGTH and in_json(value) in text)
        )
    )
