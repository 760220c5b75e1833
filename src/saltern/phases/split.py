"""Assign each low chunk of a node to a phase, by the table, the requisites and the formula's overrides. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from saltern.base.errors import PhaseError, Place, Problem
from saltern.base.store import canonical, in_json
from saltern.formulas.lowstate import Chunk, LowState, Requisite
from saltern.phases.table import COMMANDS, FILES, INIT_COMMANDS, INIT_MODULES, ORDER, RULES, RUNNING, Phase, Rule


@dataclass(frozen=True, slots=True)
class Assignment:
    """A chunk, its phase, and why. ``after``: a bootstrap chunk that needs the node's own process to run."""

    chunk: Chunk
    phase: Phase
    reason: str
    after: bool = False
    pinned: bool = False


@dataclass(frozen=True)
class Split:
    """All chunks of a node, in Salt's execution order, with their phases."""

    node: str
    assignments: tuple[Assignment, ...]

    def of(self, phase: Phase, *, after: bool | None = None) -> tuple[Chunk, ...]:
        """The chunks of a phase in execution order; ``after`` selects among bootstrap chunks."""
        return tuple(a.chunk for a in self.assignments if a.phase is phase and (after is None or a.after is after))

    @property
    def services(self) -> tuple[Chunk, ...]:
        """The process chunks that keep something running (``service.running``), one per service."""
        return tuple(c for c in self.of(Phase.PROCESS) if c.function in RUNNING)


@dataclass(frozen=True, slots=True)
class Hints:
    """What besides low state decides: from a formula's ``meta/container.yml`` and from the model."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    """State id → phase name."""
    volumes: tuple[str, ...] = ()
    """Paths that outlive a container; what a command makes there is no configuration."""
    secrets: frozenset[str] = frozenset()
    """Values that must not reach an image."""


def split(low: LowState, hints: Hints | None = None) -> Split:
    """Assign every chunk of ``low`` to a phase.

    Raises :class:`PhaseError` with all problems: an impossible order (naming both chunks), a secret in a chunk that can
    only be built, an override that names no chunk or no phase.
    """
    hints = hints or Hints()
    overrides = hints.overrides
    problems = list(_check_overrides(low, overrides))
    assigned = {c.index: _override(_default(c, hints.volumes), overrides) for c in low.chunks}
    edges = tuple(_edges(low))
    problems += _move(assigned, edges)
    problems += _keep_secrets_out(assigned, edges, tuple(sorted(hints.secrets)))
    if problems:
        raise PhaseError(replace(p, node=low.node) for p in problems)
    return Split(low.node, tuple(_place_bootstrap(assigned, edges)))


@dataclass(frozen=True, slots=True)
class _Edge:
    """``first`` must be done before ``second``, which says so with ``requisite``."""

    first: Chunk
    second: Chunk
    requisite: Requisite


def _edges(low: LowState) -> Iterator[_Edge]:
    targets: dict[tuple[str, str], list[Chunk]] = {}
    for chunk in low.chunks:
        for state in (chunk.state, ""):
            for target in {chunk.id, chunk.name}:
                targets.setdefault((state, target), []).append(chunk)
        targets.setdefault(("sls", chunk.sls), []).append(chunk)
    for chunk in low.chunks:
        for requisite in chunk.requisites:
            for other in targets.get((requisite.state, requisite.id), ()):
                if other is chunk or requisite.kind == "listen":  # listen acts at the very end, whatever the order
                    continue
                pair = (chunk, other) if requisite.kind.startswith("prereq") else (other, chunk)
                yield _Edge(*pair, requisite)


def _default(chunk: Chunk, volumes: tuple[str, ...]) -> Assignment:
    if _talks_to_init(chunk):
        return Assignment(chunk, Phase.PROCESS, "talks to an init system, and containers have none", pinned=True)
    if chunk.state == "cmd" and (found := _default_command(chunk, volumes)):
        return found
    rule = _rule(chunk.function)
    return Assignment(chunk, rule.phase, rule.reason, pinned=rule.pinned)


@lru_cache(maxsize=4096)
def _rule(function: str) -> Rule:
    return next(rule for rule in RULES if fnmatch.fnmatchcase(function, rule.pattern))


def _talks_to_init(chunk: Chunk) -> bool:
    if chunk.state == "module":
        return _module_function(chunk).startswith(INIT_MODULES)
    return chunk.state == "cmd" and _program(chunk) in INIT_COMMANDS


def _default_command(chunk: Chunk, volumes: tuple[str, ...]) -> Assignment | None:
    """The phase of a ``cmd.*`` whose program, or whose ``creates``, tells that it acts on files alone."""
    program = _program(chunk)
    for phase, programs in COMMANDS.items():
        if program in programs:
            return Assignment(chunk, phase, f"{program} changes files only")
    creates = chunk.raw.get("creates")
    paths = [creates] if isinstance(creates, str) else list(creates or ())
    if paths and not any(str(path).startswith(volume.rstrip("/") + "/") for path in paths for volume in volumes):
        return Assignment(chunk, Phase.CONFIG, f"creates {paths[0]}, which is in no volume")
    return None


def _program(chunk: Chunk) -> str:
    """The first word of a command that is no variable, without its folder."""
    words = [word for word in chunk.name.split() if "=" not in word]
    return words[0].rpartition("/")[2] if words else ""


def _module_function(chunk: Chunk) -> str:
    """The execution function of a ``module.run``: the old style's ``name`` or the new style's first key."""
    known = {"name", "state", "fun", "order", *(k for k in chunk.raw if k.startswith("__"))}
    dotted = [k for k in chunk.raw if "." in k and k not in known]
    return dotted[0] if dotted else chunk.name


def _override(assignment: Assignment, overrides: Mapping[str, str]) -> Assignment:
    wanted = overrides.get(assignment.chunk.id)
    if wanted not in list(Phase):
        return assignment
    return Assignment(assignment.chunk, Phase(wanted), "the formula's meta/container.yml says so", pinned=True)


def _check_overrides(low: LowState, overrides: Mapping[str, str]) -> Iterator[Problem]:
    ids = {chunk.id for chunk in low.chunks}
    for state_id, phase in sorted(overrides.items()):
        if phase not in list(Phase):
            yield Problem(
                f"meta/container.yml puts {state_id!r} into a phase {phase!r} that does not exist",
                resolution=f"use one of {', '.join(Phase)}",
            )
        if state_id not in ids:
            yield Problem(
                f"meta/container.yml names a state {state_id!r} that this node does not have",
                resolution="correct the id, or guard the entry with the condition that the SLS has",
            )


def _move(assigned: dict[int, Assignment], edges: tuple[_Edge, ...]) -> list[Problem]:
    """Move chunks until no requisite points forward in time.

    A chunk that (through others) needs a live service is never pulled forward, so no chunk moves both ways and the loop
    ends.
    """
    problems: dict[tuple[int, int], Problem] = {}
    live = _needing_live(assigned, edges)
    for _ in range(len(assigned) * len(Phase) + 1):
        moved = False
        for edge in edges:
            first, second = assigned[edge.first.index], assigned[edge.second.index]
            if ORDER[first.phase] <= ORDER[second.phase] or second.phase in (Phase.HOST, Phase.BOOTSTRAP):
                continue
            settled = _settle(first, second, pull=not first.pinned and edge.first.index not in live)
            if settled is None:
                problems[edge.first.index, edge.second.index] = _conflict(first, second, edge)
            elif settled not in (first, second):
                assigned[settled.chunk.index] = settled
                moved = True
        if not moved:
            break
    return list(problems.values())


def _needing_live(assigned: Mapping[int, Assignment], edges: tuple[_Edge, ...]) -> set[int]:
    """Chunks that act on a live service, or need one that does."""
    after: dict[int, list[int]] = {}
    for edge in edges:
        after.setdefault(edge.first.index, []).append(edge.second.index)
    live = {i for i, a in assigned.items() if a.phase is Phase.PROCESS or (a.phase is Phase.BOOTSTRAP and a.pinned)}
    return live | {i for i in _closure(live, after) if not _is_file(assigned[i].chunk)}


def _settle(first: Assignment, second: Assignment, *, pull: bool) -> Assignment | None:
    """The one of two chunks that moves so that ``first`` is no later than ``second``; unchanged: the order is idle."""
    if second.phase is Phase.BUILD and pull and (second.pinned or not _is_file(second.chunk)):
        return replace(first, phase=Phase.BUILD, reason=f"{_name(second.chunk)}, which is built, requires it")
    if second.phase is Phase.CONFIG and pull and first.chunk.state in ("cmd", "module"):
        return replace(first, phase=Phase.CONFIG, reason=f"{_name(second.chunk)}, a configuration, requires it")
    if second.pinned:
        return None
    if _is_file(second.chunk):
        if first.phase is Phase.CONFIG:
            return replace(second, phase=Phase.CONFIG, reason=f"requires {_name(first.chunk)}, a configuration")
        return second
    return replace(second, phase=Phase.BOOTSTRAP, reason=f"requires {_name(first.chunk)}, which acts on a live service")


def _is_file(chunk: Chunk) -> bool:
    """A file's content depends on the model alone: after which live act it is written makes no difference to it."""
    return any(fnmatch.fnmatchcase(chunk.function, pattern) for pattern in FILES)


def _conflict(first: Assignment, second: Assignment, edge: _Edge) -> Problem:
    return Problem(
        f"impossible order: {_name(second.chunk)} ({second.phase}) {_verb(edge)} {_name(first.chunk)} ({first.phase})",
        places=tuple(Place(c.place) for c in (second.chunk, first.chunk)),
        details=f"{_name(first.chunk)}: {first.reason}; {_name(second.chunk)}: {second.reason}",
        resolution="drop the requisite, or give one of the two another phase in the formula's meta/container.yml",
    )


def _verb(edge: _Edge) -> str:
    return "must come after" if edge.requisite.kind.startswith("prereq") else f"has {edge.requisite.kind} on"


def _name(chunk: Chunk) -> str:
    return f"{chunk.function} {chunk.id!r}"


def _keep_secrets_out(
    assigned: dict[int, Assignment], edges: Iterable[_Edge], secrets: tuple[str, ...]
) -> Iterator[Problem]:
    if not secrets:
        return
    wanted_by: dict[int, list[int]] = {}
    for edge in edges:
        if assigned[edge.second.index].phase is Phase.BUILD:
            wanted_by.setdefault(edge.first.index, []).append(edge.second.index)
    written = [in_json(secret) for secret in secrets]
    for index in [i for i, item in assigned.items() if item.phase is Phase.BUILD]:
        item = assigned[index]
        text = canonical(item.chunk.raw)
        if not any(secret in text for secret in written):
            continue
        followers = _closure([index], wanted_by)
        fixed = [i for i in sorted(followers) if assigned[i].phase is Phase.BUILD and _must_be_built(assigned[i])]
        if item.pinned or fixed:
            needs = f"; {_name(assigned[fixed[0]].chunk)}, which must be built, requires it" if fixed else ""
            yield Problem(
                f"{_name(item.chunk)} is part of the image and holds a secret of the model",
                places=(Place(item.chunk.place),),
                details=f"{item.reason}{needs}",
                resolution="take the secret out of the state, or give it another phase in meta/container.yml",
            )
            continue
        reason = "holds a secret, and no secret may be in an image"
        assigned[index] = replace(item, phase=Phase.CONFIG, reason=reason)
        for follower in followers:
            if assigned[follower].phase is Phase.BUILD:
                reason = f"requires {_name(item.chunk)}, which holds a secret"
                assigned[follower] = replace(assigned[follower], phase=Phase.CONFIG, reason=reason)


def _must_be_built(assignment: Assignment) -> bool:
    """Whether a chunk of the build can be nowhere else; files and accounts can as well be configuration."""
    return assignment.pinned or not (_is_file(assignment.chunk) or assignment.chunk.state in ("user", "group"))


def _place_bootstrap(assigned: Mapping[int, Assignment], edges: Iterable[_Edge]) -> Iterator[Assignment]:
    """Say of each bootstrap chunk whether it runs before or after the node's process.

    Salt's own execution order decides, as it would on a machine: what comes after the first started service, or is
    known to act on a live one, runs beside it, unless a process requires it.
    """
    needs: dict[int, list[int]] = {}
    wanted_by: dict[int, list[int]] = {}
    for edge in edges:
        needs.setdefault(edge.second.index, []).append(edge.first.index)
        wanted_by.setdefault(edge.first.index, []).append(edge.second.index)
    services = [i for i, a in assigned.items() if a.phase is Phase.PROCESS]
    started = [i for i in services if assigned[i].chunk.function in RUNNING]
    before = _closure(services, needs)
    after: set[int] = set()
    if started:
        live = {
            i for i, a in assigned.items() if a.phase is Phase.BOOTSTRAP and (i > min(started) or a.pinned)
        } - before
        after = live | (_closure(live, wanted_by) - before)
    for index in sorted(assigned):
        item = assigned[index]
        yield replace(item, after=index in after) if item.phase is Phase.BOOTSTRAP else item


def _closure(start: Iterable[int], needs: Mapping[int, list[int]]) -> set[int]:
    """All that is reached from ``start``, directly or not."""
    found: set[int] = set()
    todo = list(start)
    while todo:
        for index in needs.get(todo.pop(), ()):
            if index not in found:
                found.add(index)
                todo.append(index)
    return found
