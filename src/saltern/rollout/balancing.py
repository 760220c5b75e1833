"""Takes a replica out of its balancers before it goes, and back in when it is ready, by their formulas' commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from saltern.formulas.metadata import Balancer
from saltern.images.engine import Runtime
from saltern.targets.compose import LABEL_CLOUD, LABEL_PROCESS, LABEL_WORKLOAD
from saltern.targets.workload import Cloud

POLL = 0.2
"""Seconds between two looks."""
IDLE_SECONDS = 30.0
"""How long connections of a drained replica may go on; what is open then is cut with the replica."""
BACK_SECONDS = 60.0
"""How long a balancer may take to see a replica that is ready."""
COMMAND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Membership:
    """A server of a balancer: the container where the commands run, and the name that they take."""

    container: str
    balancer: Balancer
    member: str

    def ask(self, runtime: Runtime, command: tuple[str, ...]) -> str:
        """Run one of the balancer's commands; "" when it ended with 0, else why not."""
        done = runtime.exec(self.container, self.balancer.argv(command, self.member), timeout=COMMAND_SECONDS)
        return "" if done.ok else f"{command[0]} {self.member} in {self.container}: {done.tail(3)}"


class Balancers:
    """Those of one cloud that run."""

    def __init__(self, cloud: Cloud, runtime: Runtime) -> None:
        self._cloud = cloud
        self._runtime = runtime

    def drain(self, host: str) -> str:
        """Let no new connection go to a host, and wait until the open ones ended; "" or why it could not be done.

        Where one of its balancers refuses, the others send connections there again: the host is left as it was.
        """
        members = [*self._members(host)]
        for number, one in enumerate(members):
            if why := one.ask(self._runtime, one.balancer.drain):
                for drained in members[:number]:
                    drained.ask(self._runtime, drained.balancer.enable)
                return why
        deadline = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < deadline:
            if not any(one.ask(self._runtime, one.balancer.idle) for one in members):
                break
            time.sleep(POLL)
        return ""

    def take_back(self, host: str) -> str:
        """Let a host take part again, unless it does, and wait until its balancers see it; "" or why not."""
        for one in self._members(host):
            if not one.ask(self._runtime, one.balancer.ready):
                continue
            if why := one.ask(self._runtime, one.balancer.enable):
                return why
            deadline = time.monotonic() + BACK_SECONDS
            while why := one.ask(self._runtime, one.balancer.ready):
                if time.monotonic() > deadline:
                    return f"its balancer does not see it after {BACK_SECONDS:.0f} s: {why}"
                time.sleep(POLL)
        return ""

    def _members(self, host: str) -> Iterator[Membership]:
        balancing = {w.name: b for w in self._cloud.workloads if (b := w.balancer) is not None and host in b.members}
        if not balancing:
            return
        running = self._runtime.containers(f"{LABEL_CLOUD}={self._cloud.name}")
        for container in running:
            balancer = balancing.get(container.labels.get(LABEL_WORKLOAD, ""))
            if balancer is not None and container.state == "running" and LABEL_PROCESS in container.labels:
                for member in balancer.members[host]:
                    yield Membership(container.name, balancer, member)
