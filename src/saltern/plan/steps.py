"""What has to be done so that the running containers become the rendered ones: ordered steps with reasons. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from saltern.images.engine import Container
from saltern.targets.compose import (
    LABEL_GENERATION,
    LABEL_HASH,
    LABEL_PUBLISH,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    container_name,
)
from saltern.targets.live import Live, live_of
from saltern.targets.workload import Cloud, Workload


class Act(StrEnum):
    """What a step does."""

    JOB = "job"
    START = "start"
    ROLL = "roll"
    """One replica is drained, replaced and taken back while the others serve."""
    RELOAD = "reload"
    """The running process takes over changed configuration; its container stays."""
    WAIT = "wait"
    """The container is as it should be; only its readiness is awaited."""
    REMOVE = "remove"
    BACKUP = "backup"
    """A verified backup of the workload's data."""
    COMMAND = "command"
    """A command of an upgrade stage."""
    VERIFY = "verify"
    """The gate: the checks of the workload's formulas against the live cloud."""


class Undo(StrEnum):
    """What going back makes of a step."""

    YES = "yes"
    """The previous container, from the previous image and configuration, takes the place again."""
    STAYS = "stays"
    """Nothing needs to be undone: what it added does not disturb the previous revision."""
    RESTORE = "restore"
    """Only a restore of a backup brings back what was before."""
    NOTHING = "nothing"
    """It changes nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act on one service (a name in the Compose file), and why."""

    act: Act
    workload: str
    service: str
    container: str
    reason: str
    replaces: bool = False
    """A container of that name exists and makes place."""
    undo: Undo = Undo.YES
    stage: str = ""
    """Of a command: ``component:stage:name``."""
    down: bool = False
    """The workload serves nobody until the step is done: it has no other replica."""

    @property
    def touches(self) -> bool:
        """Whether a process that runs goes on otherwise than before, or makes place for another one."""
        return self.replaces or self.act is Act.RELOAD

    @property
    def key(self) -> str:
        """Its name in the journal; unlike others in the same plan."""
        return ":".join(
            part for part in (self.act, self.service or self.container or self.workload, self.stage) if part
        )

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "key": self.key,
            "act": str(self.act),
            "workload": self.workload,
            "service": self.service,
            "container": self.container,
            "reason": self.reason,
            "replaces": self.replaces,
            "undo": str(self.undo),
            "stage": self.stage,
            "down": self.down,
        }


@dataclass(frozen=True)
class Steps:
    """Waves of workloads; those of one wave may be done side by side, the steps of one workload in their order.

    ``removals`` come first: what they remove holds something that a step needs. ``leftovers`` come last.
    """

    waves: tuple[tuple[tuple[Step, ...], ...], ...]
    removals: tuple[Step, ...]
    leftovers: tuple[Step, ...] = ()
    assumed: tuple[str, ...] = ()
    """Container names of jobs that count as done when the steps are done."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """All steps that change or check something, in their order."""
        flat = (step for wave in self.waves for steps in wave for step in steps)
        return (*self.removals, *(s for s in flat if s.act is not Act.WAIT), *self.leftovers)


@dataclass(frozen=True, slots=True)
class Taken:
    """The configuration that a running process took over, by its content's name; see :mod:`saltern.targets.live`."""

    content: str
    begun: str = ""
    """Another one that it began to take over; nothing says how that ended."""


@dataclass(frozen=True)
class Running:
    """What is there: all containers of the cloud, and the container names of the jobs that are done."""

    containers: tuple[Container, ...]
    done: frozenset[str]
    again: Mapping[str, str] = field(default_factory=dict)
    """Container names of jobs that were done and count no more → why."""
    volumes: frozenset[str] = frozenset()
    """The names of the cloud's volumes."""
    taken: Mapping[str, Taken] = field(default_factory=dict)
    """By container, of those whose process takes over changed configuration, as far as it is known."""

    @cached_property
    def by_name(self) -> Mapping[str, Container]:
        """The containers by their names."""
        return {c.name: c for c in self.containers}

    def of(self, workload: str) -> Sequence[Container]:
        """The containers of a workload."""
        return self._by_workload.get(workload, ())

    @cached_property
    def _by_workload(self) -> Mapping[str, list[Container]]:
        found: dict[str, list[Container]] = {}
        for container in self.containers:
            found.setdefault(container.labels.get(LABEL_WORKLOAD, ""), []).append(container)
        return found


@dataclass(frozen=True)
class Around:
    """What else a workload's change needs, from the rules of its formulas: steps before and after its own."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    without_jobs: bool = False
    """Its jobs were done by a newer version, on whose data they would fail."""
    irreversible: bool = False
    """A new container changes the data so that the previous version cannot go on with it."""


@dataclass(frozen=True)
class Wants:
    """What a plan shall hold besides the bare changes."""

    verified: Collection[str] = ()
    """Names of the workloads that have checks."""
    first: tuple[Step, ...] = ()
    """Before everything else, one after the other."""
    last: tuple[Step, ...] = ()
    """When everything else is done and checked, one after the other; their workloads are checked once more."""
    around: Mapping[str, Around] = field(default_factory=dict)
    owed: Collection[str] = ()
    """Workloads whose checks are still to be made: a rollout changed them and did not come that far."""


def plan_up(cloud: Cloud, rendered: Mapping[str, Any], running: Running, wants: Wants = Wants()) -> Steps:
    """The steps from what runs to the Compose project ``rendered``."""
    services = rendered["services"]
    wanted = {service["container_name"] for service in services.values()}
    others = {c.name for w in cloud.workloads for c in _others(w, running.of(w.name))}
    gone = [c for c in running.containers if c.name not in wanted and c.name not in others]
    chains = {w.name: _chain(cloud.name, w, services, running, wants) for w in cloud.workloads}
    waves = [part for wave in cloud.ordered() for part in _parted([chains[w.name] for w in wave])]
    gates = _last_checks(cloud, chains, wants)
    again = tuple(_check(name, "the stage before") for name in dict.fromkeys(s.workload for s in wants.last))
    serial = ((wants.first,), *waves, gates, (wants.last,), (tuple(s for s in again if s.workload in wants.verified),))
    first = [c for c in gone if _is_in_the_way(c, cloud, services, chains)]
    return Steps(
        tuple(wave for part in serial if (wave := tuple(chain for chain in part if chain))),
        tuple(_removal(c) for c in gone if c in first),
        tuple(_removal(c) for c in gone if c not in first),
        tuple(
            container_name(cloud.name, w.job_name(job))
            for w in cloud.workloads
            if wants.around.get(w.name, Around()).without_jobs
            for job in w.jobs
        ),
    )


def _others(workload: Workload, there: Collection[Container]) -> list[Container]:
    """Of the workload's containers, those of other generations: they serve until the one that counts does."""
    return [c for c in there if _number(c) != workload.generation]


def _number(container: Container) -> int:
    return int(container.labels.get(LABEL_GENERATION, "1"))


def _removal(container: Container, reason: str = "the model has it no more") -> Step:
    workload = container.labels.get(LABEL_WORKLOAD, "")
    is_job = container.labels.get(LABEL_ROLE) == "job"  # what it did stays done
    return Step(Act.REMOVE, workload, "", container.name, reason, undo=Undo.NOTHING if is_job else Undo.YES)


def _is_in_the_way(
    container: Container, cloud: Cloud, services: Mapping[str, Any], chains: Mapping[str, Sequence[Step]]
) -> bool:
    """Whether it holds an address or a volume that a container which is to be started needs."""
    held = {one["address"] for one in json.loads(container.labels.get(LABEL_PUBLISH, "[]"))}
    starting = [step for chain in chains.values() for step in chain if step.act in (Act.START, Act.ROLL)]
    wanted = {port.rpartition(":")[0] for step in starting for port in services[step.service].get("ports", ())}
    if held & wanted:
        return True
    labels = container.labels
    workload = next((w for w in cloud.workloads if w.name == labels.get(LABEL_WORKLOAD)), None)
    if workload is None or str(workload.generation) != labels.get(LABEL_GENERATION, "1"):
        return False
    return any(v.kind == "data" and not v.shared for v in workload.volumes)


def _parted(chains: Sequence[tuple[Step, ...]]) -> Iterator[tuple[tuple[Step, ...], ...]]:
    """A wave, where chains that replace what runs come one after the other: a failure stops before the next."""
    together = tuple(chain for chain in chains if chain and not any(step.touches for step in chain))
    if together:
        yield together
    yield from ((chain,) for chain in chains if any(step.touches for step in chain))


def _chain(
    cloud: str, workload: Workload, services: Mapping[str, Any], running: Running, wants: Wants
) -> tuple[Step, ...]:
    own = _own_steps(cloud, workload, services, running)
    around = wants.around.get(workload.name, Around())
    if around.without_jobs:
        own = [step for step in own if step.act is not Act.JOB]
    if around.irreversible:
        own = [replace(step, undo=Undo.RESTORE) if step.replaces else step for step in own]
    others = [
        _removal(c, f"{'a fresh' if _number(c) < workload.generation else 'an earlier'} instance took its place")
        for c in _others(workload, running.of(workload.name))
    ]
    chain = [*around.before, *own, *others, *around.after]
    if workload.name in wants.verified and (others or any(s.touches or s.stage for s in chain)):
        chain.append(_check(workload.name, "it changed"))
    return tuple(chain)


def _check(workload: str, reason: str) -> Step:
    return Step(Act.VERIFY, workload, "", "", reason, undo=Undo.NOTHING)


def _last_checks(cloud: Cloud, chains: Mapping[str, Sequence[Step]], wants: Wants) -> tuple[tuple[Step, ...], ...]:
    """In the end, the checks of what is new, and of all that needs something that changed: one chain, one at a time."""
    changed = {name for name, chain in chains.items() if any(s.act is not Act.WAIT for s in chain)}
    checked = {name for name, chain in chains.items() if any(s.act is Act.VERIFY for s in chain)}
    touched = _reached(cloud, changed)
    wanted = {name for name in touched if name not in checked or name not in changed} | ({*wants.owed} - checked)
    steps = [
        _check(w.name, _why_checked(w.name, changed, touched))
        for wave in cloud.ordered()
        for w in wave
        if w.name in wanted and w.name in wants.verified
    ]
    return (tuple(steps),) if steps else ()


def _why_checked(name: str, changed: Collection[str], touched: Collection[str]) -> str:
    if name in changed:
        return "it is new"
    return "what it needs changed" if name in touched else "an earlier rollout did not come that far"


def _reached(cloud: Cloud, changed: Collection[str]) -> set[str]:
    reached = set(changed)
    for wave in cloud.ordered():
        reached |= {w.name for w in wave if any(need in reached for need in w.needs)}
    return reached


def _own_steps(cloud: str, workload: Workload, services: Mapping[str, Any], running: Running) -> list[Step]:
    known = running.by_name
    steps: list[Step] = []
    for when in ("before", "process", "after"):
        if when == "process":
            steps += _process_steps(cloud, workload, services, running)
        else:
            names = [workload.job_name(job) for job in workload.jobs if job.when == when]
            todo = [name for name in names if container_name(cloud, name) not in running.done]
            for name in todo:
                container = container_name(cloud, name)
                reason = running.again.get(container, "what it does is new or changed")
                step = Step(Act.JOB, workload.name, name, container, reason)
                steps.append(_job_step(replace(step, undo=Undo.STAYS), known.get(step.container)))
    return steps


def _process_steps(cloud: str, workload: Workload, services: Mapping[str, Any], running: Running) -> list[Step]:
    """Replicas that do not serve come first: the ones that do go on until those are back."""
    known = running.by_name
    steps = []
    for one in workload.instances():
        step = Step(Act.START, workload.name, one.service, container_name(cloud, one.service), "")
        step = _process_step(step, services[one.service], known.get(step.container))
        steps.append(_reload_step(step, live_of(workload, one), running.taken.get(step.container)))
    serving = [s for s in steps if (c := known.get(s.container)) is not None and c.state == "running"]
    if workload.replicas > 1:
        steps = [replace(s, act=Act.ROLL) if s.act is Act.START and s in serving else s for s in steps]
        return _serving_last([one.number for one in workload.instances()], steps)
    return [replace(s, down=s.replaces and s in serving) for s in steps]


def _serving_last(replicas: Sequence[int], steps: Sequence[Step]) -> list[Step]:
    """``replicas``: of which one each step is. Those of one stay together, as the first makes place with all others."""
    found: dict[int, list[Step]] = {}
    for number, step in zip(replicas, steps, strict=True):
        found.setdefault(number, []).append(step)
    acts = {number: {step.act for step in own} for number, own in found.items()}
    goes = {number for number, own in acts.items() if own & {Act.ROLL, Act.RELOAD} and Act.START not in own}
    return [step for number in sorted(found, key=lambda number: number in goes) for step in found[number]]


def _process_step(step: Step, service: Mapping[str, Any], current: Container | None) -> Step:
    if current is None:
        return replace(step, reason="is not there")
    if current.labels.get(LABEL_HASH) != service["labels"][LABEL_HASH]:
        return replace(step, reason="image, configuration or settings changed", replaces=True)
    if current.state != "running":
        return replace(step, reason=f"is {current.state}", replaces=True)
    return replace(step, act=Act.WAIT, reason="is as it should be", undo=Undo.NOTHING)


def _reload_step(step: Step, live: Live | None, taken: Taken | None) -> Step:
    """The container is as it should be; its process may still run with another configuration."""
    if step.act is not Act.WAIT or live is None or taken == Taken(live.content):
        return step
    if taken is None:
        reason = "nothing says with which configuration it runs"
    elif taken.begun:
        reason = "it began to take over another configuration, and nothing says how that ended"
    else:
        reason = "configuration changed, taken over without a restart"
    return replace(step, act=Act.RELOAD, reason=reason, undo=Undo.YES)


def _job_step(step: Step, current: Container | None) -> Step:
    if current is None:
        return step
    reason = f"failed before (exit code {current.exit_code})" if current.exit_code else "did not finish"
    return replace(step, reason=reason, replaces=True)
