"""Lets a running process take over changed configuration: check, exchange, tell it, and go back where it fails."""

from __future__ import annotations

from saltern.base.errors import Problem
from saltern.images.engine import Mount, RunSpec, Runtime
from saltern.plan.steps import Taken
from saltern.rollout import delivery
from saltern.targets.live import Live
from saltern.targets.workload import ALWAYS_TMPFS, Instance, Workload

CHECK_SECONDS = 60.0
RELOAD_SECONDS = 60.0


class Reloading:
    """Of one container and its configuration."""

    def __init__(self, runtime: Runtime, workload: Workload, one: Instance, live: Live, container: str) -> None:
        self._runtime = runtime
        self._workload = workload
        self._one = one
        self._live = live
        self._reload = live.reload
        self._container = container

    def run(self) -> Problem | None:
        """The problem where the process does not run with the new configuration."""
        if why := self._refused():
            return self._problem(f"its new configuration is no good, so nothing was changed: {why[0]}", why[1])
        before = delivery.taken(self._live.folder)
        delivery.begin(self._live)
        delivery.switch(self._live)
        why = self._told(self._live.content)
        if not why:
            delivery.took(self._live)
            return None
        back = "it runs with the previous one again" if self._is_back(before) else "nothing says what it runs with now"
        return self._problem(f"its new configuration was not taken over, {back}: {why[0]}", why[1])

    def _refused(self) -> tuple[str, str] | None:
        """Why the configuration cannot be used, by the formula's check: in short, and what it printed."""
        if not self._reload.check:
            return None
        process = self._one.process
        spec = RunSpec(
            self._workload.image,
            self._reload.check,
            mounts=tuple(Mount(mount.source, mount.target) for mount in self._workload.config),
            hostname=self._one.hostname,
            user=process.user or "0:0",
            environment=process.environment,
            tmpfs=(*ALWAYS_TMPFS, *process.tmpfs),
            capabilities=process.capabilities,
        )
        done = self._runtime.run(spec, timeout=CHECK_SECONDS)
        return None if done.ok else (f"{self._reload.check[0]} ended with {done.returncode}", done.tail())

    def _told(self, content: str) -> tuple[str, str] | None:
        """Why the process did not take over what its folders show, which is to be ``content``."""
        for mount in self._live.mounts:
            if mount.changes:
                seen = self._runtime.exec(self._container, ("readlink", f"{mount.target}/{delivery.DATA}"))
                if seen.stdout.strip() != delivery.shown(content):
                    where = f"its container does not see what is in {mount.place}"
                    return where, "the folder was replaced: remove the container and apply again, then it gets another"
        done = self._runtime.exec(self._container, self._reload.command, timeout=RELOAD_SECONDS)
        return None if done.ok else (f"{self._reload.command[0]} ended with {done.returncode}", done.tail())

    def _is_back(self, before: Taken | None) -> bool:
        """Whether it runs with what it had, after it was told so."""
        if before is None or before.begun or not delivery.has(self._live, before.content):
            return False
        delivery.switch(self._live, before.content)
        if self._told(before.content):
            return False
        delivery.took(self._live, before.content)
        return True

    def _problem(self, what: str, details: str) -> Problem:
        return Problem(
            f"{self._one.service}: {what}",
            details=details,
            resolution=f"see `saltern logs {self._one.service}`; correct the model and apply again",
            node=self._workload.node,
        )
