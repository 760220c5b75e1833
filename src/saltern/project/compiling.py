"""Nodes → low state → phases → frozen build and bootstrap chunks, cached by everything that can change them."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, PhaseError, Problem, SalternError
from saltern.base.events import Event, State
from saltern.base.store import canonical, digest, in_json
from saltern.formulas.lowstate import LowState
from saltern.formulas.metadata import KINDS, Metadata, read_metadata
from saltern.formulas.worker import Context, Frozen, Worker
from saltern.model.membership import application_entries
from saltern.phases import Hints, Phase, Split, split
from saltern.project.context import Member, Project
from saltern.project.workers import Bases, BaseSite

STAGE = "compile"


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
    done: list[Compiled] = []
    problems: list[Problem] = []
    kind: type[SalternError] = PhaseError
    for member in members:
        try:
            done.append(_compile_one(project, bases, member))
        except (FormulaError, PhaseError) as error:
            problems += error.problems
            kind = FormulaError if isinstance(error, FormulaError) else kind
    return tuple(done), kind(problems) if problems else None


def _compile_one(project: Project, bases: Bases, member: Member) -> Compiled:
    if missing := tuple(_unknown_applications(project, member)):
        raise FormulaError(missing)
    begun = time.monotonic()
    site = bases.site(member.settings.base)
    context = bases.context(member)
    applications = member.node.applications
    inputs = [site.identity, canonical(context.pillar), canonical(context.grains), canonical(applications)]
    key = digest(*inputs, canonical(bases.fingerprints), canonical(KINDS))
    known = project.store.get_json("compiled", key)
    fresh = known is None
    if fresh:
        project.emit(Event(STAGE, member.name, State.STARTED, f"{len(applications)} applications"))
    low = _low_state(member, known) if not fresh else bases.worker(site).compile(context, applications, KINDS)
    metadata = read_metadata(member.node.name, low.metadata)
    found = split(low, Hints(metadata.phases, tuple(v.path for v in metadata.volumes), member.secrets))
    frozen = _frozen(known) if not fresh else freeze(bases.worker(site), context, found)
    if fresh:
        chunks = [dict(chunk.raw) for chunk in low.chunks]
        parts = [[list(f.chunks), dict(f.files)] for f in frozen]
        entry = {"low": chunks, "metadata": low.metadata, "warnings": low.warnings, "frozen": parts}
        project.store.put_json("compiled", key, entry)
        text = f"{len(low.chunks)} states"
        project.emit(Event(STAGE, member.name, State.DONE, text, time.monotonic() - begun))
    build, before, after = frozen
    if problems := [*_secrets_in(member, build)]:
        raise PhaseError(problems)
    return Compiled(member, site, low, metadata, found, build, before, after, key)


def _unknown_applications(project: Project, member: Member) -> Iterator[Problem]:
    """Applications that no formula has, with the places that ask for them."""
    roots = [formula.root for formula in project.formulas]
    for application in member.node.applications:
        files = [f"{application.replace('.', '/')}{end}" for end in (".sls", "/init.sls")]
        if not any((root / file).is_file() for root in roots for file in files):
            entries = application_entries(member.node.flat)
            close = difflib.get_close_matches(application, [formula.name for formula in project.formulas])
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Add its formula in saltern.yml."
            yield Problem(
                f"application {application!r}: there is no SLS of that name",
                tuple(entry.mark.place for entry in entries if entry.name == application and not entry.removes),
                details=f"No formula has {files[0]} or {files[1]}.",
                resolution=hint,
                node=member.node.name,
            )


def _low_state(member: Member, known: Mapping[str, Any]) -> LowState:
    return LowState.of(member.node.name, known["low"], known["metadata"], *known["warnings"])


def _frozen(known: Mapping[str, Any]) -> tuple[Frozen, Frozen, Frozen]:
    build, before, after = (Frozen(tuple(chunks), files) for chunks, files in known["frozen"])
    return build, before, after


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
