"""Carries out :class:`~.steps.Steps`: starts, waits until ready, runs jobs. Stops at the first wave that fails."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from saltern.base.errors import EngineError, Problem, RolloutError, SalternError
from saltern.base.events import Emit, Event, State
from saltern.formulas.worker import ApplyResult
from saltern.images.engine import Runtime
from saltern.plan.steps import Act, Step, Steps
from saltern.rollout import delivery
from saltern.rollout.balancing import Balancers
from saltern.rollout.journal import Journal
from saltern.rollout.launch import Launcher
from saltern.rollout.reloading import Reloading
from saltern.targets.live import Live, live_of
from saltern.targets.workload import Cloud, Instance, Workload

LOG_LINES = 20
SIDE_BY_SIDE = 4
"""Workloads of one wave that are brought up at the same time; most of that time is waiting."""


Carry = Callable[[Step], Problem | None]
"""Carries out a step; the problem when it failed."""


class Unwatched:
    """A witness that looks away."""

    def before(self, step: Step) -> None:
        """A step begins when this returns."""

    def after(self, step: Step, problem: Problem | None, seconds: float) -> None:
        """A step ended."""


@dataclass(frozen=True)
class Executor:
    """What acting needs: the cloud, where it runs and how its containers come into being there."""

    cloud: Cloud
    runtime: Runtime
    launcher: Launcher
    journal: Journal
    emit: Emit
    carriers: Mapping[Act, Carry] = field(default_factory=dict)
    """Who carries out acts that need more than the engine: backups, commands of an upgrade, checks."""
    witness: Unwatched = field(default_factory=Unwatched)
    """Is told of each act before it begins; what it raises keeps the act from being done."""

    def run(self, steps: Steps) -> None:
        """Do all steps; raises RolloutError with a problem per workload that failed."""
        self._side_by_side([(step,) for step in steps.removals])
        for wave in steps.waves:
            self._side_by_side(wave)
        self._side_by_side([(step,) for step in steps.leftovers])

    def _side_by_side(self, chains: Sequence[tuple[Step, ...]]) -> None:
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            problems = [p for p in pool.map(self._workload, chains) if p is not None]
        if problems:
            raise RolloutError(problems)

    def _workload(self, steps: tuple[Step, ...]) -> Problem | None:
        for step in steps:
            problem = self._timed(step)
            if problem is not None:
                return problem
        return None

    def _timed(self, step: Step) -> Problem | None:
        if step.act is Act.WAIT:
            return self._process(step)
        stage, subject = str(step.act), step.service or step.workload or step.container
        self.witness.before(step)
        tells = step.act is not Act.VERIFY  # each check of it says itself what it does
        if tells:
            self.emit(Event(stage, subject, State.STARTED, step.reason))
        begun = time.monotonic()
        try:
            problem = self._carry(step)
        except SalternError as error:
            self.witness.after(step, error.problems[0], time.monotonic() - begun)
            self.emit(Event(stage, subject, State.FAILED, error.problems[0].brief, time.monotonic() - begun))
            raise
        seconds = time.monotonic() - begun
        self.witness.after(step, problem, seconds)
        if problem is not None:
            self.emit(Event(stage, subject, State.FAILED, problem.brief, seconds))
        elif tells:
            ready = step.act in (Act.START, Act.ROLL, Act.RELOAD)
            self.emit(Event(stage, subject, State.DONE, "ready" if ready else "done", seconds))
        return problem

    def _carry(self, step: Step) -> Problem | None:
        if step.act is Act.JOB:
            return self._job(step)
        if step.act is Act.REMOVE:
            self.runtime.remove_containers([step.container])
            return None
        if step.act is Act.RELOAD:
            return self._reloaded(step)
        if step.act in (Act.START, Act.ROLL):
            return self._process(step)
        return self.carriers[step.act](step)

    def _create(self, step: Step) -> Problem | None:
        done = self.launcher.create(step)
        if done.ok:
            return None
        return Problem(
            f"{step.service}: the container could not be created",
            details=done.tail(),
            resolution="the words above are the target's own; the same command goes on from here",
            node=self._node(step),
        )

    def _process(self, step: Step) -> Problem | None:
        workload, one = self._find(step)
        live = live_of(workload, one)
        if step.act is Act.ROLL and (why := Balancers(self.cloud, self.runtime).drain(one.hostname)):
            return Problem(
                f"{step.service} could not be drained, so it was left as it is: {why}",
                resolution=f"see `saltern logs` of its balancer; the others of {workload.name} serve",
                node=workload.node,
            )
        if step.act is not Act.WAIT and (problem := self._delivered(step, live)):
            return problem
        why = self.launcher.unready(step, one)
        # its balancers see a replica up when all of its processes are
        if not why and workload.replicas > 1 and one.process == workload.processes[-1]:
            why = Balancers(self.cloud, self.runtime).take_back(one.hostname)
        if not why:
            if live is not None and step.act is not Act.WAIT:
                delivery.took(live)
            return None
        return Problem(
            f"{step.service} did not become ready: {why}",
            details=self._last_lines(step),
            resolution=f"see `saltern logs {step.service}`; correct the model and run `saltern up` again",
            node=workload.node,
        )

    def _delivered(self, step: Step, live: Live | None) -> Problem | None:
        """Create a container; one that shows its configuration as it is now gets the new one first."""
        if live is not None:
            delivery.begin(live)
            delivery.switch(live)
        return self._create(step)

    def _reloaded(self, step: Step) -> Problem | None:
        workload, one = self._find(step)
        live = live_of(workload, one)
        problem = Reloading(self.runtime, workload, one, live, step.container).run() if live is not None else None
        return problem or self._process(replace(step, act=Act.WAIT))

    def _job(self, step: Step) -> Problem | None:
        end = self.launcher.job(step)
        if not end.why:
            self.journal.add(step.container)
            return None
        failed = _failed_states(end.log)
        return Problem(
            f"{step.service}: the job {end.why}{': ' + failed[0].brief if failed else ''}",
            places=tuple(place for problem in failed for place in problem.places),
            details="\n".join(problem.details for problem in failed) or "\n".join(end.log.splitlines()[-LOG_LINES:]),
            resolution="correct that and run `saltern up` again; jobs are safe to repeat",
            node=self._node(step),
        )

    def _last_lines(self, step: Step) -> str:
        try:
            return self.runtime.logs(step.container, tail=LOG_LINES)
        except EngineError:
            return ""

    def _node(self, step: Step) -> str:
        return self.cloud.workload(step.workload).node

    def _find(self, step: Step) -> tuple[Workload, Instance]:
        pairs = ((w, one) for w in self.cloud.workloads for one in w.instances())
        return next((w, one) for w, one in pairs if one.service == step.service)


def _failed_states(text: str) -> tuple[Problem, ...]:
    """The failed states in a job's log, from the answer that its worker printed; none where it printed none."""
    for line in reversed(text.splitlines()):
        start = line.find('{"id"')
        if start >= 0:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return ApplyResult.of(json.loads(line[start:])).problems("")
    return ()


def taken_ports(
    rendered: Mapping[str, Any], steps: Steps, is_free: Callable[[str, int], bool], leaving: Collection[str] = ()
) -> tuple[Problem, ...]:
    """A problem for each published address that some other program holds; looked at before anything is changed.

    ``leaving`` are the addresses of containers that are removed first.
    """
    starting = {step.service for step in steps.changes if step.act is Act.START and not step.replaces}
    problems = []
    for name in sorted(starting):
        for published in rendered["services"][name].get("ports", ()):
            address, port, _inside = published.split(":")
            if f"{address}:{port}" not in leaving and not is_free(address, int(port)):
                problems.append(
                    Problem(
                        f"{name} is to be published on {address}:{port}, but that port is taken",
                        resolution="stop the program that listens there, or change `saltern:publish` of the node",
                    )
                )
    return tuple(problems)
