"""Nodes with the values of their secrets: compiled once more, in memory, when a rollout writes configuration or a job.

Phases, images and all that is shown come from the first compilation, where stand-ins take the values' places. The
second one must make the same states; only what they carry may differ, and nothing of what goes into an image. What
decides that a secret changed is a keyed digest: from one without a key a password could be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from saltern.base.errors import PhaseError, Place, Problem
from saltern.base.store import canonical, digest, write_atomically
from saltern.formulas.endpoints import without_secrets
from saltern.formulas.lowstate import Chunk, LowState
from saltern.formulas.metadata import KINDS, Check, Metadata, read_metadata
from saltern.formulas.worker import Frozen
from saltern.images.key import identities, identity
from saltern.model.secret_references import SecretReference
from saltern.phases import Split
from saltern.project.compiling import Compiled, freeze
from saltern.project.context import Member, Project
from saltern.project.secrets import values
from saltern.project.workers import Bases

KEY_FILE = "digest.key"
KIND = "revealed"
NO_CHUNK: Mapping[str, Any] = {}


class Revealer:
    """Of one run. All values are read when it is made: nothing has happened yet when one is missing."""

    def __init__(self, project: Project) -> None:
        """Raises SecretError."""
        self.values: Mapping[SecretReference, str] = values(project)
        self._project = project
        self._key = _key(project.state / KEY_FILE) if self.values else b""
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, bases: Bases, one: Compiled) -> Compiled:
        """The node with its secrets' values; itself where it has none. Raises FormulaError, PhaseError."""
        if not one.member.references:
            return one
        name = one.member.name
        if name not in self._compiled:
            self._compiled[name] = _compile(bases, one, replace(one.member, values=self.values))
        return self._compiled[name]

    def digest(self, member: Member, *parts: str) -> str:
        """A digest over parts that may hold secrets of the member."""
        plain = digest(*parts)
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest() if member.references else plain

    def digest_with_values(self, member: Member, *parts: str) -> str:
        """A digest over parts and the values of all secrets of the member."""
        if not member.references:
            return digest(*parts)
        own = {str(reference): self.values[reference] for reference in member.references}
        return self.digest(member, *parts, canonical(own))

    def acts(self, bases: Bases, one: Compiled, when: str) -> str:
        """What the bootstrap chunks ``before`` or ``after`` do, as text to be hashed: another value, another text."""
        if not one.member.references:
            return _acts(one, when)
        store, key = self._project.store, self.digest_with_values(one.member, one.key, when)
        known: str | None = store.get_json(KIND, key)
        if known is None:
            known = self.digest(one.member, _acts(self.compiled(bases, one), when))
            store.put_json(KIND, key, known)
        return known


def _acts(one: Compiled, when: str) -> str:
    return canonical(identities((one.before if when == "before" else one.after).chunks))


def _key(path: Path) -> bytes:
    """The key of this machine's digests of this cloud, made when it is first needed."""
    if not path.exists():
        write_atomically(path, secrets.token_bytes(32))
    return path.read_bytes()


def _compile(bases: Bases, one: Compiled, member: Member) -> Compiled:
    worker, context = bases.worker(one.site), bases.context(member)
    low = worker.compile(context, member.node.applications, KINDS)
    metadata = read_metadata(member.node.name, low.metadata)
    problems = [*_other_states(one, low), *_other_metadata(one, metadata)]
    if problems:
        raise PhaseError(replace(problem, node=member.node.name) for problem in problems)
    pairs = zip(one.split.assignments, low.chunks, strict=True)
    split = Split(one.split.node, tuple(replace(assignment, chunk=chunk) for assignment, chunk in pairs))
    build, before, after = freeze(worker, context, split)
    if problems := [*_in_image(one.build, build)]:
        raise PhaseError(replace(problem, node=member.node.name) for problem in problems)
    return replace(one, member=member, low=low, metadata=metadata, split=split, build=build, before=before, after=after)


def _other_states(one: Compiled, low: LowState) -> Iterator[Problem]:
    for first, second in zip_longest(one.low.chunks, low.chunks):
        chunk = first or second
        if chunk is not None and (first is None or second is None or _name(first) != _name(second)):
            yield Problem(
                "which states there are depends on the value of a secret",
                places=(Place(chunk.place),),
                details=f"{chunk.function} {chunk.id!r} is the first that is there only with, or without, the value",
                resolution="let the formula decide by a parameter of its own, and let states only carry the secret",
            )
            return


def _name(chunk: Chunk) -> tuple[str, str, str]:
    return chunk.sls, chunk.function, chunk.id


def _other_metadata(one: Compiled, metadata: Metadata) -> Iterator[Problem]:
    nothing: Mapping[str, Any] = {"checks": (), "endpoints": ()}
    if replace(one.metadata, **nothing) != replace(metadata, **nothing):
        yield Problem(
            "meta/container.yml of a formula shows a secret: what it says stands in the Compose file",
            resolution="take it out of environment, command and probe; have it in a file that the service reads",
        )
    if _without_environment(one.metadata.checks) != _without_environment(metadata.checks):
        yield Problem(
            "meta/verify.yml of a formula shows a secret: names and commands of checks stand in process lists and logs",
            resolution="hand it to the check by its environment",
        )
    if without_secrets(one.metadata.endpoints) != without_secrets(metadata.endpoints):
        yield Problem(
            "meta/verify.yml of a formula shows a secret: names and URLs of endpoints stand in journals and output",
            resolution="send it in a header or in the body",
        )


def _without_environment(checks: Iterable[Check]) -> list[Check]:
    return [replace(check, environment={}) for check in checks]


def _in_image(stand_ins: Frozen, real: Frozen) -> Iterator[Problem]:
    for first, second in zip_longest(stand_ins.chunks, real.chunks, fillvalue=NO_CHUNK):
        if identity(first) != identity(second):
            chunk = first or second
            yield Problem(
                f"{chunk['state']}.{chunk['fun']} {chunk['__id__']!r} is part of the image and is made from a secret",
                places=(Place(str(chunk.get("__file__", "")), int(chunk.get("__line__") or 0)),),
                resolution="give the state the phase config in meta/container.yml, or take the secret out of it",
            )
