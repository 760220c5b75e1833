"""Upgrade rules at work: which components of the cloud jump between versions, and the commands of their stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from saltern.base.errors import Problem, SalternError
from saltern.base.events import Event, State
from saltern.base.process import Completed
from saltern.formulas.upgrades import Command, Upgrade, read_upgrades
from saltern.images.engine import Container, Mount, RunSpec
from saltern.images.packages import PackageLock
from saltern.plan.revision import WorkloadRecord
from saltern.plan.staging import Component, Staged, backups, combined, stage
from saltern.plan.steps import Around, Step
from saltern.plan.upgrade import Verdict, judge
from saltern.project.backing_up import backup_locked
from saltern.project.configuring import Configured
from saltern.project.context import Project
from saltern.project.proving import Prover
from saltern.project.rendering import Rendered
from saltern.project.secrets import without_values
from saltern.project.world import containers
from saltern.rollout.ledger import Ledger, Upgrading
from saltern.targets.compose import (
    LABEL_GENERATION,
    LABEL_PROCESS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    network_name,
)
from saltern.targets.workload import Workload


@dataclass(frozen=True)
class Upgrades:
    """What the rules of all formulas add to a plan."""

    staged: Mapping[str, tuple[tuple[Component, Staged], ...]]
    """By workload."""
    first: tuple[Step, ...] = ()

    @property
    def around(self) -> dict[str, Around]:
        """What each workload's own steps get around them."""
        return {name: combined(s.around for _, s in parts) for name, parts in self.staged.items()}

    @property
    def last(self) -> tuple[Step, ...]:
        """Points of no return, by the order of their components."""
        parts = sorted(self._parts(), key=lambda part: (part[0].rules.order, part[0].key))
        return tuple(step for _, staged in parts for step in staged.contract)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know."""
        return tuple(note for _, staged in self._parts() for note in staged.notes)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why there can be no plan."""
        return tuple(problem for _, staged in self._parts() for problem in staged.problems)

    @property
    def fresh(self) -> frozenset[str]:
        """Workloads that get a fresh instance."""
        return frozenset(name for name, parts in self.staged.items() if any(s.fresh for _, s in parts))

    def finish(self, ledger: Ledger) -> None:
        """After a rollout that ended well: forget upgrades of which nothing is left, or that were taken back."""
        for component, staged in self._parts():
            is_through = bool(staged.contract) or not component.rules.stage("contract")
            if staged.taken_back or (is_through and (staged.jump.staged or component.begun[1] == component.new)):
                ledger.forget(component.key)

    def component(self, workload: str, name: str) -> Component:
        """A component of a workload."""
        return next(component for component, _ in self.staged[workload] if component.rules.name == name)

    def _parts(self) -> Iterator[tuple[Component, Staged]]:
        for name in sorted(self.staged):
            yield from self.staged[name]


def upgrades_of(
    project: Project,
    rendered: Rendered,
    running: Mapping[str, WorkloadRecord],
    begun: Mapping[str, Upgrading],
    *,
    contract: bool,
) -> Upgrades:
    """What the rules say of going from what runs to what was rendered. ``begun`` is what the ledger says."""
    lock = project.read_packages()
    staged: dict[str, tuple[tuple[Component, Staged], ...]] = {}
    for one in rendered.configured:
        name = one.imaged.compiled.member.name
        parts = _components(one, lock, running.get(name), begun)
        staged[name] = tuple((component, stage(component, contract=contract)) for component in parts)
    first = backups({name: [s for _, s in parts] for name, parts in staged.items()}, _holders(rendered))
    return Upgrades(staged, tuple(step for step in first if step.workload in running))


def fits(project: Project, rendered: Rendered, name: str, running: Mapping[str, WorkloadRecord]) -> bool:
    """Whether what runs of a workload has the versions that were rendered, or differs by nothing but a patch."""
    one = next(c for c in rendered.configured if c.imaged.compiled.member.name == name)
    parts = [*_components(one, project.read_packages(), running.get(name), {})]
    verdicts = {judge(part.rules, part.old, part.new).verdict for part in parts if part.old and part.new}
    return len(verdicts) > 0 and verdicts <= {Verdict.NONE, Verdict.FREE}


def _components(
    one: Configured, lock: PackageLock, running: WorkloadRecord | None, begun: Mapping[str, Upgrading]
) -> Iterator[Component]:
    compiled = one.imaged.compiled
    name = compiled.member.name
    wanted = lock.packages(one.imaged.image.name, compiled.site.base.name)
    now = running.packages if running is not None else {}
    for rules in read_upgrades(compiled.member.node.name, compiled.metadata.raw):
        entry = begun.get(f"{name}/{rules.name}")
        yield Component(
            name,
            compiled.member.node.name,
            rules,
            now.get(rules.package, ""),
            wanted.get(rules.package, ""),
            (entry.old, entry.new) if entry else ("", ""),
            entry.done if entry else (),
        )


def _holders(rendered: Rendered) -> dict[str, tuple[str, ...]]:
    """Workload → those it needs, and itself, of which a formula says what a backup holds."""
    kept = {
        one.member.name
        for one in rendered.compiled
        if any(kinds.get("backup", {}).get("items") for kinds in one.metadata.raw.values() if kinds.get("backup"))
    }
    return {w.name: tuple(sorted({w.name, *w.needs} & kept)) for w in rendered.cloud.workloads}


class Stages:
    """Carries out backups and the commands of stages during a rollout."""

    def __init__(
        self, project: Project, rendered: Rendered, prover: Prover, upgrades: Upgrades, ledger: Ledger
    ) -> None:
        self._project = project
        self._rendered = rendered
        self._prover = prover
        self._upgrades = upgrades
        self._ledger = ledger

    def backup(self, step: Step) -> Problem | None:
        """Back up what a workload holds; a backup that cannot be proven is a problem."""
        try:
            backup_locked(self._project, (step.workload,), step.reason)
        except SalternError as error:
            first = error.problems[0]
            return replace(first, brief=f"no verified backup of {step.workload}, so nothing was changed: {first.brief}")
        return None

    def command(self, step: Step) -> Problem | None:
        """Run a command of a stage, and write down that it was done."""
        name, stage_name, _ = step.stage.split(":", 2)
        workload = self._rendered.cloud.workload(step.workload)
        rules = next(r for r in self._rules(workload) if r.name == name)
        command = next(c for c in _commands(rules, stage_name) if step.stage.endswith(f":{c.name}"))
        done = self._run(workload, command)
        if done is None:
            return Problem(
                f"{step.workload}: {command.name!r} runs beside the process, and that is not there",
                resolution="bring it up with the revision that it has now: `saltern rollback`, or start the engine",
                node=workload.node,
            )
        meaning = command.meaning(done.returncode)
        said = without_values(done.tail(10), self._rendered.revealer.values)
        if meaning == "warning":
            last = (said.splitlines() or [""])[-1]
            self._project.emit(Event("command", step.workload, State.PROGRESS, f"{command.name}: warning: {last}"))
        elif meaning != "ok":
            return Problem(
                f"{step.workload}: {command.name!r} ended with {done.returncode}",
                details=said,
                resolution="nothing after it was done; correct the cause and apply again",
                node=workload.node,
            )
        component = self._upgrades.component(step.workload, name)
        if command in rules.stage(stage_name):
            old = component.begun[0] if component.begun[1] == component.new else component.old
            self._ledger.done(component.key, old, component.new, step.stage)
        return None

    def _rules(self, workload: Workload) -> tuple[Upgrade, ...]:
        return read_upgrades(workload.node, self._prover.metadata(workload.name).raw)

    def _run(self, workload: Workload, command: Command) -> Completed | None:
        runtime = self._project.runtime
        process = workload.process(command.process)
        if command.where == "process":
            there = self._beside(workload, process.name if process else "")
            if there is None:
                return None
            return runtime.exec(
                there.name,
                command.command,
                user=command.user or "",
                environment=command.environment,
                timeout=command.timeout,
            )
        environment = {**(process.environment if process else {}), **command.environment}
        spec = RunSpec(
            workload.image,
            command.command,
            mounts=self._mounts(workload),
            network=network_name(self._project.cloud),
            hostname=workload.hostname(),
            user=command.user or (process.user if process else "") or "0:0",
            environment=environment,
            tmpfs=("/tmp", "/run"),  # noqa: S108 - the container's own
            capabilities=(),
        )
        return runtime.run(spec, timeout=command.timeout)

    def _mounts(self, workload: Workload) -> tuple[Mount, ...]:
        names = self._rendered.data_of(workload)
        data = [(names[v.name], v.path) for v in workload.volumes if v.name in names]
        return (
            *(Mount(name, path, read_only=False) for name, path in data),
            *(Mount(mount.source, mount.target) for mount in workload.config),
        )

    def _beside(self, workload: Workload, process: str) -> Container | None:
        """The running container of a process; of several generations the oldest, whose data the stage is about."""
        there = [
            c
            for c in containers(self._project)
            if c.state == "running"
            and c.labels.get(LABEL_ROLE) == "process"
            and c.labels.get(LABEL_WORKLOAD) == workload.name
        ]
        named = [c for c in there if c.labels.get(LABEL_PROCESS) == process] or there
        return min(named, key=lambda c: (int(c.labels.get(LABEL_GENERATION, "1")), c.name), default=None)


def _commands(rules: Upgrade, name: str) -> tuple[Command, ...]:
    more = (rules.otherwise.unless_holding,) if name == "check" and rules.otherwise else ()
    return (*rules.stage(name), *more)
