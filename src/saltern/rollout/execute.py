"""Carries out :class:`~.steps.Steps`: starts, waits until ready, runs jobs. Stops at the first wave that fails."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from saltern.base.errors import EngineError, Problem, RolloutError, SalternError
from saltern.base.events import Emit, Event, State
from saltern.formulas.worker import ApplyResult
from saltern.images.engine import Container, Engine
from saltern.plan.steps import Act, Step, Steps
from saltern.rollout import delivery
from saltern.rollout.balancing import Balancers
from saltern.rollout.composer import Composer
from saltern.rollout.journal import Journal
from saltern.rollout.probe import wait_ready
from saltern.rollout.reloading import Reloading
from saltern.targets.compose import LABEL_CLOUD, LABEL_ROLE, LABEL_WORKLOAD
from saltern.targets.live import Live, live_of
from saltern.targets.workload import Cloud, Instance, Workload

JOB_TIMEOUT = 600
"""Seconds that a job may take."""
POLL = 0.2
"""Seconds between two looks at a job."""
LOG_LINES = 20
JOB_LINES = 1000
"""How much of a job's log is searched for the worker's answer."""
RESTARTS = 3
"""How many starts of one container are seen before waiting for it is given up."""
STEADY = 2.0
"""Seconds that a process without a probe must stay before it counts as ready."""
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
    """What acting needs: the cloud, its Compose project and the way to the engine."""

    cloud: Cloud
    engine: Engine
    composer: Composer
    journal: Journal
    emit: Emit
    lock: threading.Lock
    """Compose is called once at a time: two calls would race to create the same network."""
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
            self.engine.remove_containers([step.container])
            return None
        if step.act is Act.RELOAD:
            return self._reloaded(step)
        if step.act in (Act.START, Act.ROLL):
            return self._process(step)
        return self.carriers[step.act](step)

    def _create(self, step: Step) -> Problem | None:
        with self.lock:
            if step.replaces:
                # podman-compose would replace what depends on it too, and cannot remove what ends again and again
                self.engine.remove_containers([*self._beside(step), step.container])
            done = self.composer.up(step.service, replace=False)
        if done.ok and self._state(step) is not None:
            return None
        return Problem(
            f"{step.service}: the container could not be created",
            details=done.tail(),
            resolution="the engine's own words are above; `saltern up` goes on from here",
            node=self._node(step),
        )

    def _beside(self, step: Step) -> list[str]:
        """Jobs that did not succeed: they share the network of the process, which goes only after them."""
        if step.act is Act.JOB:
            return []
        found = self.engine.containers(f"{LABEL_CLOUD}={self.cloud.name}")
        return [
            c.name for c in found if (c.labels.get(LABEL_WORKLOAD), c.labels.get(LABEL_ROLE)) == (step.workload, "job")
        ]

    def _process(self, step: Step) -> Problem | None:
        workload, one = self._find(step)
        live = live_of(workload, one)
        if step.act is Act.ROLL and (why := Balancers(self.cloud, self.engine).drain(one.hostname)):
            return Problem(
                f"{step.service} could not be drained, so it was left as it is: {why}",
                resolution=f"see `saltern logs` of its balancer; the others of {workload.name} serve",
                node=workload.node,
            )
        if step.act is not Act.WAIT and (problem := self._delivered(step, live)):
            return problem
        why = self._unready(step, one)
        if not why and workload.replicas > 1:
            why = Balancers(self.cloud, self.engine).take_back(one.hostname)
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
        problem = Reloading(self.engine, workload, one, live, step.container).run() if live is not None else None
        return problem or self._process(replace(step, act=Act.WAIT))

    def _unready(self, step: Step, one: Instance) -> str:
        """Wait until a process is ready; "" or why it is not."""
        probe = one.process.probe
        if probe is None:
            return "" if step.act is Act.WAIT else self._unsteady(step)
        starts: set[str] = set()
        return wait_ready(self.engine, step.container, probe, alive=lambda: self._alive(step, starts))

    def _job(self, step: Step) -> Problem | None:
        if problem := self._create(step):
            return problem
        deadline = time.monotonic() + JOB_TIMEOUT
        while time.monotonic() < deadline:
            container = self._state(step)
            if container is not None and container.state in ("exited", "stopped", "dead"):
                if container.exit_code == 0:
                    self.journal.add(step.container)
                    self.engine.remove_containers([step.container])
                    return None
                why = "failed"
                break
            time.sleep(POLL)
        else:
            why = f"did not end within {JOB_TIMEOUT} s"
        text = self._last_lines(step, JOB_LINES)
        failed = _failed_states(text)
        return Problem(
            f"{step.service}: the job {why}{': ' + failed[0].brief if failed else ''}",
            places=tuple(place for problem in failed for place in problem.places),
            details="\n".join(problem.details for problem in failed) or "\n".join(text.splitlines()[-LOG_LINES:]),
            resolution="correct that and run `saltern up` again; jobs are safe to repeat",
            node=self._node(step),
        )

    def _alive(self, step: Step, starts: set[str]) -> bool:
        """Whether it makes sense to go on waiting: the process runs, or was started again only a few times."""
        container = self._state(step)
        if container is None:
            return False
        starts.add(container.started_at)
        return container.state in ("running", "restarting", "created") and len(starts) <= RESTARTS

    def _unsteady(self, step: Step) -> str:
        """Without a probe: why the process does not stay, "" when it does for a few seconds."""
        deadline = time.monotonic() + STEADY
        first = ""
        while time.monotonic() < deadline:
            container = self._state(step)
            if container is None or container.state not in ("running", "created"):
                return "its process ended" + (f" with exit code {container.exit_code}" if container else "")
            if container.state == "running" and container.started_at != (first or container.started_at):
                return "its process ends again and again"
            first = first or (container.started_at if container.state == "running" else "")
            time.sleep(POLL)
        return ""

    def _state(self, step: Step) -> Container | None:
        return next(
            (c for c in self.engine.containers(f"{LABEL_CLOUD}={self.cloud.name}") if c.name == step.container), None
        )

    def _last_lines(self, step: Step, lines: int = LOG_LINES) -> str:
        try:
            return self.engine.logs(step.container, tail=lines)
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
