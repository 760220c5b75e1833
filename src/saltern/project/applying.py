"""Carries out a plan: exactly the one that was agreed to, with a journal, gates, probed endpoints and a way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from saltern.base.errors import EngineError, PlanError, Problem, RolloutError, SalternError, UnreachableError
from saltern.images.packages import write_lock
from saltern.plan.plan import Plan, WayBack
from saltern.plan.revision import Revision
from saltern.plan.steps import Act, Step
from saltern.project import recording, snapshot
from saltern.project.context import Project
from saltern.project.drifting import to_repair
from saltern.project.generations import jobs_of_others
from saltern.project.planning import Asked, Planned, plan_locked
from saltern.project.probing import endpoints_of
from saltern.project.proving import Proof
from saltern.project.rendering import Rendered
from saltern.project.restoring import refuse_half_restored
from saltern.project.running import Line, status_of
from saltern.project.secrets import hidden, without_values
from saltern.project.upgrading import Stages
from saltern.project.workers import Bases
from saltern.project.world import forget_old, is_free, job_containers, journal_of, leaving
from saltern.rollout.availability import Availability, Prober, Watched
from saltern.rollout.composer import find_composer
from saltern.rollout.execute import Executor, Unwatched, taken_ports
from saltern.rollout.kubernetes.comparison import Drifted, repair
from saltern.rollout.kubernetes.launch import ClusterLauncher
from saltern.rollout.kubernetes.prune import prune
from saltern.rollout.launch import ComposeLauncher, Launcher
from saltern.rollout.rollouts import Outcome, Record, told


@dataclass(frozen=True)
class Applied:
    """What a rollout did; ``number`` is 0 where there was nothing to do."""

    plan: Plan
    number: int
    lines: tuple[Line, ...]
    proofs: tuple[Proof, ...]
    availability: tuple[Availability, ...]
    seconds: float
    repaired: tuple[Drifted, ...] = ()
    """Objects of a cluster that were not as the model says, and no part of the plan."""


@dataclass(frozen=True)
class Terms:
    """On which terms a plan is carried out."""

    kind: str = "apply"
    asked: Asked = field(default_factory=Asked)
    expected: str = ""
    """Id of the plan that was shown; "" takes the plan as it is made."""
    auto_rollback: bool = False
    repair: bool = False
    """Take back what somebody changed by hand in the cluster."""


def apply(project: Project, terms: Terms = Terms()) -> Applied:
    """Bring the cloud to the model as it is. Raises PlanError when the plan is another one than expected.

    Raises RolloutError when a step or gate failed, EngineError when the engine or the cluster refused; then, with
    ``auto_rollback``, the cloud is back where it was, and it is a RolloutError. An UnreachableError stays what it is.
    """
    with project.locked():
        project.sweep()
        return _apply_locked(project, terms)


def apply_revision(project: Project, revision: Revision, terms: Terms) -> Applied:
    """As :func:`apply`, but bring back a revision that was kept."""
    with project.locked(), snapshot.opened(project, revision.snapshot) as past:
        project.sweep()
        return _apply_locked(past, terms)


def plan_revision(project: Project, revision: Revision, asked: Asked) -> Plan:
    """The plan from what runs to a revision that was kept."""
    with project.locked(), snapshot.opened(project, revision.snapshot) as past:
        project.sweep()
        return plan_locked(past, asked).plan


def _apply_locked(project: Project, terms: Terms) -> Applied:
    begun = time.monotonic()
    refuse_half_restored(project)
    planned = plan_locked(project, terms.asked)
    _refuse_another(planned.plan, terms.expected)
    before = recording.last_good(project)
    _refuse_taken_ports(planned)
    rollout = _Rollout(project, planned, terms)
    try:
        proofs, availability, number = rollout.run()
    except UnreachableError:  # who does not answer takes nothing back either: the same command goes on
        raise
    except (EngineError, RolloutError) as error:
        if terms.auto_rollback:
            raise _taken_back(project, error, planned.plan, before, terms) from error
        if isinstance(error, RolloutError):
            raise _with_way_back(error, planned.plan) from error
        raise
    seconds = time.monotonic() - begun
    lines = status_of(project)
    return Applied(planned.plan, number, lines, proofs, availability, seconds, rollout.repaired)


def _refuse_another(plan: Plan, expected: str) -> None:
    if expected and plan.id != expected:
        raise PlanError(
            Problem(
                "the plan is no more the one that was shown",
                details=f"shown was {expected}, now it is {plan.id}: the model, a formula or what runs changed since",
                resolution="look at `saltern plan` again, and apply what it shows",
            )
        )


def _refuse_taken_ports(planned: Planned) -> None:
    steps = planned.plan.steps
    if problems := taken_ports(planned.rendered.compose, steps, is_free, leaving(planned.running, steps)):
        raise RolloutError(problems)


class _Rollout:
    """One rollout: its journal, its prober and its executor."""

    def __init__(self, project: Project, planned: Planned, terms: Terms) -> None:
        self._project = project
        self._planned = planned
        self._kind = terms.kind
        self._force = terms.repair
        self._proofs: list[Proof] = []
        self.repaired: tuple[Drifted, ...] = ()

    def run(self) -> tuple[tuple[Proof, ...], tuple[Availability, ...], int]:
        """Carry it out; raises RolloutError. Without changes only readiness is awaited.

        Nothing is recorded then, unless the newest rollout did not end well: this one tells that the cloud is whole.
        """
        project, planned = self._project, self._planned
        steps, rendered = planned.plan.steps, planned.rendered
        secrets = rendered.revealer.values
        with told(project.state):
            self._write_down()
        newest = next(iter(recording.rollouts(project)), None)
        repairs = to_repair(project, rendered, steps) if self._force else ()
        if planned.plan.is_empty and not repairs and (newest is None or newest.outcome is Outcome.DONE):
            with hidden(secrets):
                self._executor(Unwatched()).run(steps)
            return (), (), 0
        with Bases(project) as bases:
            endpoints = endpoints_of(rendered.revealer, bases, rendered.compiled)
        known = _answered_before(project, planned)
        watched = [Watched(one, one.name in known) for one in endpoints]
        begun = time.monotonic()
        record = Record.begin(project.state / "rollouts", self._kind, planned.plan.as_json())
        outcome = Outcome.INTERRUPTED
        prober = Prober(watched, log=record.folder / "failures.jsonl")
        try:
            with hidden(secrets), prober:
                self._repair(record, repairs)
                self._executor(_Witness(planned, record, prober, self._project.remember)).run(steps)
            outcome = Outcome.DONE
        except SalternError:
            outcome = Outcome.FAILED
            raise
        finally:
            found = prober.availability()
            record.end(outcome, {"endpoints": [one.as_json() for one in found]}, time.monotonic() - begun)
        journal = journal_of(project)
        for job in steps.assumed:
            journal.add(job)
        journal.keep(job_containers(rendered))
        planned.upgrades.finish(planned.ledger)
        forget_old(project, rendered)
        if rendered.units is not None:
            prune(project.cluster, rendered.units.all)
        recording.forget(project)
        return tuple(self._proofs), found, record.number

    def _write_down(self) -> None:
        """What must be known when the first act begins."""
        project, planned = self._project, self._planned
        if project.lock is not None:  # of upgraded packages: from here on it is the model's
            write_lock(project.root, project.lock)
        recording.save(project, planned.revision)
        planned.ledger.go_back(planned.back)
        planned.rendered.write()
        journal, there = journal_of(project), planned.running.containers
        journal.keep(planned.running.done | jobs_of_others(planned.rendered.cloud, there, journal.done))

    def _executor(self, witness: Unwatched) -> Executor:
        project, planned, rendered = self._project, self._planned, self._planned.rendered
        stages = Stages(project, rendered, planned.prover, planned.upgrades, planned.ledger)
        return Executor(
            rendered.cloud,
            project.runtime,
            launcher_of(project, rendered, force=self._force),
            journal_of(project),
            project.emit,
            {Act.VERIFY: self._verify, Act.BACKUP: stages.backup, Act.COMMAND: stages.command},
            witness,
        )

    def _repair(self, record: Record, found: tuple[Drifted, ...]) -> None:
        """Take back what drifted and is no part of the plan; its steps await that all is ready again."""
        for one in found:
            fields = ", ".join(sorted({drift.path or "it was missing" for drift in one.drifts}))
            record.write("repair", step=f"{one.wanted['kind']}/{one.wanted['metadata']['name']}", reason=fields)
        if found:
            self._project.remember()
            repair(self._project.cluster.kubectl, found)
            self.repaired = found

    def _verify(self, step: Step) -> Problem | None:
        proofs, problems = self._planned.prover.prove(self._planned.rendered.cloud.workload(step.workload))
        self._proofs += proofs
        if len(problems) <= 1:
            return problems[0] if problems else None
        return replace(problems[0], details="\n".join(f"{p.brief}\n{p.details}" for p in problems))


def launcher_of(project: Project, rendered: Rendered, *, force: bool = False) -> Launcher:
    """What brings the cloud's containers into being; ``force`` takes what others own in a cluster."""
    if rendered.units is not None:
        return ClusterLauncher(rendered.cloud, project.cluster, rendered.units.objects, force)
    composer = find_composer(project.engine, project.runner, rendered.file)
    return ComposeLauncher(rendered.cloud, project.engine, composer)


class _Witness(Unwatched):
    """Writes each act into the journal before it begins, and tells the prober what goes on."""

    def __init__(self, planned: Planned, record: Record, prober: Prober, keep: Callable[[], None]) -> None:
        """``keep`` makes what was written last where the cloud runs, too."""
        self._planned = planned
        self._record = record
        self._prober = prober
        self._keep = keep
        workloads = planned.rendered.cloud.workloads
        self._fresh = {w.name: w.generation for w in workloads if w.name in planned.upgrades.fresh}

    def before(self, step: Step) -> None:
        """See :class:`Unwatched`."""
        if step.act is Act.START and step.workload in self._fresh:  # what it takes the place of was found expendable
            with told(self._record.folder):
                self._planned.ledger.begin({step.workload: self._fresh[step.workload]})
        self._record.write("act", step=step.key, reason=step.reason)
        self._keep()
        self._prober.mark(step.key)

    def after(self, step: Step, problem: Problem | None, seconds: float) -> None:
        """See :class:`Unwatched`."""
        about = {"step": step.key, "seconds": round(seconds, 3)}
        if problem is None:
            self._record.write("done", **about)
        else:
            secrets = self._planned.rendered.revealer.values
            text = without_values(f"{problem.brief}\n{problem.details}".strip(), secrets)
            self._record.write("failed", problem=text, **about)
        self._keep()


def _answered_before(project: Project, planned: Planned) -> set[str]:
    """The endpoints that answered in the newest rollout that has figures, if the cloud runs."""
    if not any(c.state == "running" for c in planned.running.containers):
        return set()
    for past in recording.rollouts(project):
        if found := past.availability.get("endpoints"):
            return {one["name"] for one in found if one["answered"]}
    return set()


def _with_way_back(error: RolloutError, plan: Plan) -> RolloutError:
    if plan.way_back is WayBack.RESTORE:
        text = "what it did can only be taken back by `saltern restore`; or correct the model and apply again"
    else:
        text = "correct the model and apply again, or go back: `saltern rollback`"
    return RolloutError(_ending(error.problems, text))


def _ending(problems: Iterable[Problem], text: str) -> list[Problem]:
    found = list(problems)
    last = found[-1]
    resolution = f"{last.resolution}\n  {text}" if last.resolution else text
    return [*found[:-1], replace(last, resolution=resolution)]


def _taken_back(
    project: Project, error: SalternError, plan: Plan, before: Revision | None, terms: Terms
) -> SalternError:
    """Bring back what ran before; the error then says so, and what went wrong with that.

    It is an UnreachableError where that can still go on.
    """
    if before is None or not before.snapshot or before.id == plan.new:
        return RolloutError(_ending(error.problems, "there is no earlier revision that could be brought back"))
    if plan.way_back is WayBack.RESTORE:
        return RolloutError(_ending(error.problems, "not rolled back: that needs a restore (`saltern restore`)"))
    try:
        with snapshot.opened(project, before.snapshot) as past:
            planned = plan_locked(past, terms.asked)
            _Rollout(past, planned, replace(terms, kind="rollback")).run()
    except SalternError as second:
        problems = [*error.problems, *second.problems]
        kind = UnreachableError if isinstance(second, UnreachableError) else RolloutError
        return kind(_ending(problems, f"the rollback to {before.id} failed as well: see `saltern status`"))
    return RolloutError(_ending(error.problems, f"rolled back: the cloud is at revision {before.id} again"))
