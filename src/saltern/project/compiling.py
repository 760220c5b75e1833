"""Nodes → low state → phases → frozen build and bootstrap chunks, cached by everything that can change them."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, PhaseError, Problem, SalternError
from saltern.base.events import Event, State
from saltern.base.store import canonical, digest, in_json
from saltern.base.threads import side_by_side
from saltern.formulas.lowstate import LowState
from saltern.formulas.metadata import KINDS, Metadata, read_metadata, schemas_key
from saltern.formulas.worker import Context, Frozen, Worker
from saltern.model.membership import application_entries
from saltern.phases import Hints, Phase, Split, split
from saltern.project.context import Member, Project
from saltern.project.workers import Bases, BaseSite

STAGE = "compile"
MANY = 100
"""For so many nodes it is worth to start one more worker: its start takes as long as compiling them."""
MOST_WORKERS = 4


@dataclass(frozen=True)
class Compiled:
    """A node as phases. ``build`` and ``bootstrap`` need neither pillar nor templates any more."""

    member: Member
    site: BaseSite
    low: LowState
    metadata: Metadata
    split: Split
    build: Frozen
    before: Frozen
    after: Frozen
    key: str
    """Hash of all that compiling it depended on."""


def compile_members(
    project: Project, members: Sequence[Member] | None = None, bases: Bases | None = None
) -> tuple[Compiled, ...]:
    """Compile nodes (default: all). All problems of all nodes are raised together."""
    if bases is None:
        with Bases(project) as own:
            return compile_members(project, members, own)
    done, error = try_members(project, project.members if members is None else members, bases)
    if error is not None:
        raise error
    return done


def try_members(
    project: Project, members: Sequence[Member], bases: Bases
) -> tuple[tuple[Compiled, ...], SalternError | None]:
    """Compile what can be compiled, and the error of all that cannot."""
    outcomes: dict[int, Compiled | SalternError] = {}
    asked: dict[int, _Asked] = {}
    unknown = _unknown_applications(project, {name for member in members for name in member.node.applications})
    for number, member in enumerate(members):
        if problems := [_no_state_file(project, member, n) for n in member.node.applications if n in unknown]:
            outcomes[number] = FormulaError(problems)
        else:
            asked[number] = _asked(project, bases, member)
    for number, one in asked.items():
        if one.known is not None:
            outcomes[number] = _try(lambda one=one: _from_cache(one))  # type: ignore[misc]
    fresh = [number for number, one in asked.items() if one.known is None]
    outcomes |= zip(fresh, _compile_all(project, bases, [asked[number] for number in fresh]), strict=True)
    ordered = [outcomes[number] for number in range(len(members))]
    errors = [one for one in ordered if isinstance(one, SalternError)]
    kind = FormulaError if any(isinstance(error, FormulaError) for error in errors) else PhaseError
    told = [problem for error in errors for problem in error.problems]
    return tuple(one for one in ordered if isinstance(one, Compiled)), kind(told) if told else None


@dataclass(frozen=True)
class _Asked:
    """A node that is to be compiled; ``known`` is what the cache has of it."""

    member: Member
    site: BaseSite
    key: str
    known: Mapping[str, Any] | None


def _asked(project: Project, bases: Bases, member: Member) -> _Asked:
    site = bases.site(member.settings.base)
    grains, applications = canonical(member.settings.grains), canonical(member.node.applications)
    inputs = [site.identity, member.pillar_text, grains, applications, bases.fingerprints_text]
    key = digest(*inputs, canonical(KINDS), schemas_key())
    return _Asked(member, site, key, project.store.get_json("compiled", key))


def _try(act: Callable[[], Compiled]) -> Compiled | SalternError:
    try:
        return act()
    except (FormulaError, PhaseError) as error:
        return error


def _compile_all(project: Project, bases: Bases, asked: Sequence[_Asked]) -> list[Compiled | SalternError]:
    """Compile nodes by real Salt, many of them by several workers side by side."""
    count = max(1, min(len(os.sched_getaffinity(0)), MOST_WORKERS, len(asked) // MANY))
    if count == 1:
        return [_try(lambda one=one: _compile(project, bases, one)) for one in asked]  # type: ignore[misc]

    def work(one: _Asked, number: int) -> Compiled | SalternError:
        return _try(lambda: _compile(project, bases, one, number))

    return side_by_side(work, asked, count)


def _from_cache(asked: _Asked) -> Compiled:
    known: Mapping[str, Any] = asked.known or {}
    low = LowState.of(asked.member.node.name, known["low"], known["metadata"], *known["warnings"])
    metadata = read_metadata(asked.member.node.name, low.metadata, checked=True)
    frozen = (Frozen(tuple(chunks), files) for chunks, files in known["frozen"])
    return _compiled(asked, low, metadata, _split(asked.member, low, metadata), *frozen)


def _compile(project: Project, bases: Bases, asked: _Asked, number: int = 0) -> Compiled:
    begun = time.monotonic()
    member, applications = asked.member, asked.member.node.applications
    project.emit(Event(STAGE, member.name, State.STARTED, f"{len(applications)} applications"))
    worker, context = bases.worker(asked.site, number), bases.context(member)
    low = worker.compile(context, applications, KINDS)
    metadata = read_metadata(member.node.name, low.metadata)
    found = _split(member, low, metadata)
    frozen = freeze(worker, context, found)
    chunks = [dict(chunk.raw) for chunk in low.chunks]
    parts = [[list(f.chunks), dict(f.files)] for f in frozen]
    entry = {"low": chunks, "metadata": low.metadata, "warnings": low.warnings, "frozen": parts}
    project.store.put_json("compiled", asked.key, entry)
    project.emit(Event(STAGE, member.name, State.DONE, f"{len(low.chunks)} states", time.monotonic() - begun))
    return _compiled(asked, low, metadata, found, *frozen)


def _split(member: Member, low: LowState, metadata: Metadata) -> Split:
    return split(low, Hints(metadata.phases, tuple(v.path for v in metadata.volumes), member.secrets))


def _compiled(asked: _Asked, low: LowState, metadata: Metadata, found: Split, *frozen: Frozen) -> Compiled:
    build, before, after = frozen
    if problems := [*_secrets_in(asked.member, build)]:
        raise PhaseError(problems)
    return Compiled(asked.member, asked.site, low, metadata, found, build, before, after, asked.key)


def _unknown_applications(project: Project, names: Collection[str]) -> frozenset[str]:
    """Which of these no formula has."""
    roots = [formula.root for formula in project.formulas]
    return frozenset(n for n in names if not any((root / file).is_file() for root in roots for file in _state_files(n)))


def _state_files(application: str) -> tuple[str, str]:
    """Where Salt looks for it, below a root."""
    path = application.replace(".", "/")
    return f"{path}.sls", f"{path}/init.sls"


def _no_state_file(project: Project, member: Member, application: str) -> Problem:
    """With the places that ask for it."""
    first, second = _state_files(application)
    entries = application_entries(member.node.flat)
    close = difflib.get_close_matches(application, [formula.name for formula in project.formulas])
    return Problem(
        f"application {application!r}: there is no SLS of that name",
        tuple(entry.mark.place for entry in entries if entry.name == application and not entry.removes),
        details=f"No formula has {first} or {second}.",
        resolution=f"Did you mean {' or '.join(map(repr, close))}?" if close else "Add its formula in saltern.yml.",
        node=member.node.name,
    )


def freeze(worker: Worker, context: Context, found: Split) -> tuple[Frozen, Frozen, Frozen]:
    """What is built, and the two jobs, without pillar and templates."""
    parts = (
        found.of(Phase.BUILD),
        found.of(Phase.BOOTSTRAP, after=False),
        found.of(Phase.BOOTSTRAP, after=True),
    )
    build, before, after = (worker.freeze(context, part) if part else Frozen((), {}) for part in parts)
    return build, before, after


def _secrets_in(member: Member, build: Frozen) -> Iterator[Problem]:
    """Secrets that templates of build chunks show; those that chunks themselves hold were kept out by the split."""
    resolution = "give that state the phase config in the formula's meta/container.yml"
    uses = sorted(member.uses, key=lambda use: use.reference)
    written = [in_json(secret) for secret in member.secrets]
    for chunk in build.chunks:
        text = canonical(chunk)
        state = f"{chunk['state']}.{chunk['fun']} {chunk['__id__']!r}"
        found = [use for use in uses if use.reference.stand_in in text]
        if found:
            yield Problem(
                f"{state} is part of the image and shows the secret {found[0].reference}",
                found[0].places,
                node=member.node.name,
                resolution=resolution,
            )
        elif any(secret in text for secret in written):
            yield Problem(
                f"{state} is part of the image and shows a secret of the model",
                node=member.node.name,
                resolution=resolution,
            )


def warnings(compiled: Iterable[Compiled]) -> tuple[str, ...]:
    """What Salt warned of, once each."""
    return tuple(dict.fromkeys(text for one in compiled for text in one.low.warnings))
