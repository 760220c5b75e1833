"""How a target brings containers into being and sees what becomes of them; Compose's way of it.

The executor keeps order, journal and gates; a launcher knows the target. :mod:`saltern.rollout.kubernetes` has another.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from saltern.base.errors import EngineError
from saltern.base.process import Completed
from saltern.images.engine import Container, Engine
from saltern.plan.steps import Act, Step
from saltern.rollout.composer import Composer
from saltern.rollout.probe import wait_ready
from saltern.targets.compose import LABEL_CLOUD, LABEL_ROLE, LABEL_WORKLOAD, container_name, network_name
from saltern.targets.workload import Cloud, Instance

JOB_TIMEOUT = 600
"""Seconds that a job may take."""
JOB_LINES = 1000
"""How much of a job's log is searched for the worker's answer."""
POLL = 0.2
"""Seconds between two looks at a container."""
RESTARTS = 3
"""How many starts of one container are seen before waiting for it is given up."""
STEADY = 2.0
"""Seconds that a process without a probe must stay before it counts as ready."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended: ``why`` is "" when it succeeded; ``log`` is what it said."""

    why: str = ""
    log: str = ""


class Launcher(Protocol):
    """What the executor asks of a target, besides the runtime."""

    def create(self, step: Step) -> Completed:
        """Bring a process into being, in the place of the one of that name where there is one."""

    def unready(self, step: Step, one: Instance) -> str:
        """Wait until a process is ready; "" or why it is not."""

    def job(self, step: Step) -> JobEnd:
        """Run a job to its end and remove what it leaves when it succeeded."""


@dataclass(frozen=True)
class ComposeLauncher:
    """Single services of a Compose project."""

    cloud: Cloud
    engine: Engine
    composer: Composer
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Compose is called once at a time: two calls would race to create the same network."""

    def create(self, step: Step) -> Completed:
        """See :meth:`Launcher.create`."""
        with self.lock:
            if step.replaces:
                # podman-compose would replace what depends on it too, and cannot remove what ends again and again
                self.engine.remove_containers([*self._beside(step), step.container])
            done = self.composer.up(step.service, replace=False)
            self.engine.settle(network_name(self.cloud.name))
        if done.ok and self._state(step) is None:
            return Completed(done.argv, 1, done.stdout, done.stderr)
        return done

    def unready(self, step: Step, one: Instance) -> str:
        """See :meth:`Launcher.unready`."""
        probe = one.process.probe
        if probe is None:
            return "" if step.act is Act.WAIT else self._unsteady(step)
        starts: set[str] = set()
        return wait_ready(self.engine, step.container, probe, alive=lambda: self._alive(step, starts))

    def job(self, step: Step) -> JobEnd:
        """See :meth:`Launcher.job`."""
        done = self.create(step)
        if not done.ok:
            return JobEnd("could not be created", done.tail())
        deadline = time.monotonic() + JOB_TIMEOUT
        while time.monotonic() < deadline:
            container = self._state(step)
            if container is not None and container.state in ("exited", "stopped", "dead"):
                if container.exit_code:
                    return JobEnd("failed", self._log(step))
                self.engine.remove_containers([step.container])
                return JobEnd()
            time.sleep(POLL)
        return JobEnd(f"did not end within {JOB_TIMEOUT} s", self._log(step))

    def _log(self, step: Step) -> str:
        try:
            return self.engine.logs(step.container, tail=JOB_LINES)
        except EngineError:
            return ""

    def _beside(self, step: Step) -> list[str]:
        """What shares the network of the process, which goes only after that: the replica's other processes where it is
        the first of them, and jobs that did not succeed.
        """
        if step.act is Act.JOB:
            return []
        workload = self.cloud.by_name.get(step.workload)
        carried = workload.carried(step.service) if workload else ()
        names = {container_name(self.cloud.name, service) for service in carried}
        return [
            c.name
            for c in self._containers()
            if c.name in names or (c.labels.get(LABEL_WORKLOAD), c.labels.get(LABEL_ROLE)) == (step.workload, "job")
        ]

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
        return next((c for c in self._containers() if c.name == step.container), None)

    def _containers(self) -> tuple[Container, ...]:
        return self.engine.containers(f"{LABEL_CLOUD}={self.cloud.name}")
