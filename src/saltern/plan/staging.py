"""What the upgrade rules of formulas add to a plan: stages around a version jump, the legal way, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from saltern.base.errors import Problem
from saltern.formulas.upgrades import Command, Upgrade
from saltern.plan.steps import Act, Around, Step, Undo
from saltern.plan.upgrade import Jump, Verdict, judge


@dataclass(frozen=True)
class Component:
    """A component of a workload: its rules, the Debian versions that run and shall run, and what was done already."""

    workload: str
    node: str
    rules: Upgrade
    old: str
    """The oldest that runs; "" where none does."""
    new: str
    begun: tuple[str, str] = ("", "")
    """Of an upgrade that was begun and is not finished: from which version to which."""
    done: tuple[str, ...] = ()
    """Keys of the stage commands that were done on that way."""

    @property
    def key(self) -> str:
        """Its name in the ledger."""
        return f"{self.workload}/{self.rules.name}"


@dataclass(frozen=True)
class Staged:
    """What a component's jump means."""

    jump: Jump
    around: Around = field(default_factory=Around)
    contract: tuple[Step, ...] = ()
    """The point of no return; done last, and only when asked for."""
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    fresh: bool = False
    """It gets a fresh instance beside the old one."""
    needs_backup: bool = False
    taken_back: bool = False
    """The upgrade that was begun is no more."""


def stage(one: Component, *, contract: bool) -> Staged:
    """What the rules say of a component; with ``contract`` a finished upgrade may pass the point of no return."""
    if not one.old or not one.new:
        return Staged(Jump(one.rules.name, one.old, one.new, Verdict.NONE))
    jump = judge(one.rules, one.old, one.new)
    match jump.verdict:
        case Verdict.FRESH:
            return _fresh(one, jump)
        case Verdict.FORBIDDEN:
            return Staged(jump, problems=(_forbidden(one, jump),))
        case Verdict.DOWNGRADE:
            return _back(one, jump)
        case Verdict.DOCUMENTED | Verdict.TESTED:
            return _forth(one, jump, contract=contract)
        case _:
            return _same(one, jump, contract=contract)


def _forth(one: Component, jump: Jump, *, contract: bool) -> Staged:
    never_back = one.rules.downgrade.allowed == "never"
    reason = f"{one.rules.package} {jump.old} → {jump.new}"
    before = [
        *_steps(one, "check", reason, Undo.NOTHING),
        *_steps(one, "expand", f"{reason}: the new version needs it, the old one works with it", Undo.STAYS),
    ]
    after = _steps(one, "migrate", reason, Undo.RESTORE if never_back else Undo.STAYS)
    notes = []
    if jump.verdict is Verdict.TESTED:
        way = f"; its documented way: {jump.way}" if jump.way else ""
        notes.append(f"{one.workload}: {reason} is tested here ({jump.source}), no documentation allows it{way}")
    if never_back:
        notes.append(f"{one.workload}: {one.rules.name} cannot go back to {jump.old}; only a restore can")
    last, more = _contract(one, jump, contract=contract)
    around = Around(tuple(before), tuple(after), irreversible=never_back)
    return Staged(jump, around, last, (*notes, *more), needs_backup=True)


def _same(one: Component, jump: Jump, *, contract: bool) -> Staged:
    """No jump, but one may have been begun: to the version that runs now, or by some replicas to one left again."""
    if one.begun[1] == one.new:
        return _rest(one, jump, contract=contract)
    if one.begun[1] and _same_release(one, one.begun[0], one.new):
        return _back(one, replace(jump, old=one.begun[1], way="before-contract"))
    return Staged(jump)


def _rest(one: Component, jump: Jump, *, contract: bool) -> Staged:
    """All replicas run the new version; what remains of the stages."""
    undo = Undo.RESTORE if one.rules.downgrade.allowed == "never" else Undo.STAYS
    after = _steps(one, "migrate", f"{one.rules.package} is {one.new} everywhere", undo)
    last, notes = _contract(one, jump, contract=contract)
    return Staged(jump, Around(after=tuple(after)), last, notes, needs_backup=bool(last))


def _contract(one: Component, jump: Jump, *, contract: bool) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    old = one.begun[0] or jump.old
    reason = f"the point of no return: afterwards {one.rules.name} cannot go back to {old}"
    steps = tuple(_steps(one, "contract", reason, Undo.RESTORE))
    if steps and not contract:
        return (), (f"{one.workload}: left for later: `saltern apply --contract` ({reason})",)
    return steps, ()


def _back(one: Component, jump: Jump) -> Staged:
    is_open = one.begun[1] == jump.old and not any(key.split(":")[1] == "contract" for key in one.done)
    if jump.way and is_open and _same_release(one, one.begun[0], one.new):
        note = f"{one.workload}: {jump.old} → {jump.new}: the schema stays expanded, the previous version works with it"
        return Staged(jump, Around(without_jobs=True), notes=(note,), taken_back=True)
    why = "its schema was contracted" if jump.way else "its data cannot be read by an older version"
    return Staged(
        jump,
        problems=(
            Problem(
                f"{one.workload}: {one.rules.package} cannot go back from {jump.old} to {jump.new}: {why}",
                details=f"rule: {jump.source}",
                resolution="restore a backup that was taken before the upgrade (`saltern backup list`, "
                "`saltern restore`), or stay with the version that runs",
                node=one.node,
            ),
        ),
    )


def _same_release(one: Component, first: str, second: str) -> bool:
    return judge(one.rules, first, second).verdict in (Verdict.NONE, Verdict.FREE)


def _fresh(one: Component, jump: Jump) -> Staged:
    otherwise = one.rules.otherwise
    if otherwise is None:
        return Staged(jump, problems=(_forbidden(one, jump),))
    reason = f"{one.rules.package} {jump.old} → {jump.new}: only where the old instance holds nothing that must live on"
    check = _step(one, "check", otherwise.unless_holding, reason, Undo.NOTHING)
    hops = f"; in place it would be: {jump.way}" if jump.way else ""
    note = (
        f"{one.workload}: {jump.old} → {jump.new} is no jump that its rules allow in place ({jump.source}{hops}); "
        "a fresh instance comes up beside the old one, which then goes; its volume stays"
    )
    return Staged(jump, Around((check,)), notes=(note,), fresh=True)


def _forbidden(one: Component, jump: Jump) -> Problem:
    way = f"the allowed way: {jump.way}" if jump.way else "its rules know no way there"
    return Problem(
        f"{one.workload}: {one.rules.package} may not go from {jump.old} to {jump.new}",
        details=f"rule: {jump.source}",
        resolution=f"{way}; each hop is a rollout of its own",
        node=one.node,
    )


def _steps(one: Component, name: str, reason: str, undo: Undo) -> list[Step]:
    steps = [_step(one, name, command, reason, undo) for command in one.rules.stage(name)]
    done = one.done if one.begun[1] == one.new else ()
    return [step for step in steps if step.stage not in done]


def _step(one: Component, name: str, command: Command, reason: str, undo: Undo) -> Step:
    stage = f"{one.rules.name}:{name}:{command.name}"
    return Step(Act.COMMAND, one.workload, "", "", reason, undo=undo, stage=stage)


def combined(parts: Iterable[Around]) -> Around:
    """What all components of one workload add."""
    several = list(parts)
    return Around(
        tuple(step for one in several for step in one.before),
        tuple(step for one in several for step in one.after),
        without_jobs=any(one.without_jobs for one in several),
        irreversible=any(one.irreversible for one in several),
    )


def backups(staged: Mapping[str, Iterable[Staged]], kept: Mapping[str, Iterable[str]]) -> tuple[Step, ...]:
    """A backup for each workload that holds data of one that is upgraded. ``kept``: workload → those it needs, itself
    included, that have something to back up."""
    wanted = {
        holder: name
        for name, parts in sorted(staged.items())
        if any(part.needs_backup for part in parts)
        for holder in kept.get(name, ())
    }
    return tuple(
        Step(Act.BACKUP, holder, "", "", f"before the upgrade of {name}", undo=Undo.NOTHING)
        for holder, name in sorted(wanted.items())
    )
