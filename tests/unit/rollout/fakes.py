"""An engine and a composer in memory: containers start, become ready and end as the test's script says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from saltern.base.events import Event
from saltern.base.process import Completed
from saltern.images.engine import Container, Engine
from saltern.plan.steps import Act, Running, Steps, Wants, plan_up
from saltern.rollout.composer import Composer
from saltern.rollout.execute import Carry, Executor, Unwatched
from saltern.rollout.journal import Journal
from saltern.rollout.launch import ComposeLauncher
from saltern.targets import compose
from saltern.targets.workload import Cloud


@dataclass
class Script:
    """How a service behaves. ``probe_codes``: what each try of its probe returns, the last one for ever."""

    state: str = "running"
    exit_code: int = 0
    probe_codes: tuple[int, ...] = (0,)
    log: str = ""
    refused: str = ""
    crashes: bool = False
    reload_codes: tuple[int, ...] = (0,)
    """What each reload returns, the last one for ever."""


@dataclass
class FakeBalancer:
    """What the commands ``lb VERB MEMBER`` do. Members take part unless they are in ``out``."""

    refuses: dict[str, str] = field(default_factory=dict)
    """``VERB MEMBER`` → what it says instead of doing it."""
    busy: dict[str, int] = field(default_factory=dict)
    """Member → how often it is still asked before its last connection ends."""
    slow: dict[str, int] = field(default_factory=dict)
    """Member → how often it is asked before the balancer sees that it takes part again."""
    out: set[str] = field(default_factory=set)

    def ask(self, verb: str, member: str) -> str:
        """ "" when it did it, or when it is so; else what it says."""
        if why := self.refuses.get(f"{verb} {member}"):
            return why
        if verb == "drain":
            self.out.add(member)
        elif verb == "enable":
            self.out.discard(member)
        elif verb == "idle":
            return self._counts(self.busy, member, "1 connection")
        elif member in self.out:
            return "it is drained"
        else:
            return self._counts(self.slow, member, "it is down")
        return ""

    @staticmethod
    def _counts(left: dict[str, int], member: str, text: str) -> str:
        if not left.get(member):
            return ""
        left[member] -= 1
        return text


BALANCER = {verb: ("lb", verb, "{member}") for verb in ("drain", "idle", "enable", "ready")}
"""The commands of :class:`~saltern.formulas.metadata.Balancer`."""


@dataclass
class FakeEngine:
    """The part of :class:`Engine` that a rollout uses."""

    services: dict[str, Any]
    scripts: dict[str, Script] = field(default_factory=dict)
    running: dict[str, Container] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    name: str = "podman"
    balancer: FakeBalancer = field(default_factory=FakeBalancer)
    made: dict[str, Any] = field(default_factory=dict)
    """Container → the service in the Compose file that it was made from."""
    loaded: dict[str, str] = field(default_factory=dict)
    """Container → the text of the configuration with which its process runs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, network: str) -> None:
        assert network

    def script(self, container: str) -> Script:
        return self.scripts.get(container.removeprefix("lab-"), Script(state=self._end(container)))

    def _end(self, container: str) -> str:
        service = self.services.get(container.removeprefix("lab-"), {})
        return "exited" if service.get("labels", {}).get(compose.LABEL_ROLE) == "job" else "running"

    def containers(self, label: str) -> tuple[Container, ...]:
        assert label == f"{compose.LABEL_CLOUD}=lab"
        with self.lock:
            for name, container in self.running.items():
                if self.script(name).crashes:
                    starts = int(container.started_at or 0) + 1
                    self.running[name] = replace(container, started_at=str(starts))
            return tuple(self.running[name] for name in sorted(self.running))

    def address(self, container: str) -> str:
        return "127.0.0.1"

    def exec(self, container: str, argv: Sequence[str], **_: Any) -> Completed:
        with self.lock:
            if argv[0] == "lb":
                self.acts.append(f"{' '.join(argv)} in {container}")
                why = self.balancer.ask(argv[1], argv[2])
                return Completed(tuple(argv), int(bool(why)), "", why)
            if argv[0] == "readlink":
                place, name = os.path.split(argv[1])
                source = self._sources(container)[place]
                return Completed(tuple(argv), 0, str((Path(source) / name).readlink()), "")
            if argv[0] == "reload":
                self.acts.append(f"reload {container}")
                codes = self.script(container).reload_codes
                count = self.tries[f"reload {container}"] = self.tries.get(f"reload {container}", 0) + 1
                code = codes[min(count, len(codes)) - 1]
                if code == 0:
                    self._load(container)
                return Completed(tuple(argv), code, "", "no thanks" if code else "")
            self.acts.append(f"probe {container}")
            count = self.tries[container] = self.tries.get(container, 0) + 1
            codes = self.script(container).probe_codes
            return Completed(tuple(argv), codes[min(count, len(codes)) - 1], "", "not yet")

    def _sources(self, container: str) -> dict[str, str]:
        """Where a container's mounts come from, by where they are in it."""
        volumes = self.made[container].get("volumes", ())
        return {one["target"]: one["source"] for one in volumes if one["type"] == "bind"}

    def _load(self, container: str) -> None:
        sources = map(Path, self._sources(container).values())
        files = [file for one in sources for file in (sorted(one.glob("*.conf")) if one.is_dir() else [one])]
        self.loaded[container] = "".join(file.read_text() for file in files if file.is_file())

    def logs(self, container: str, *, tail: int = 20) -> str:
        return "\n".join(self.script(container).log.splitlines()[-tail:])

    def remove_containers(self, names: Sequence[str]) -> None:
        with self.lock:
            self.acts += [f"remove {name}" for name in names]
            for name in names:
                self.running.pop(name, None)

    # the composer

    def up(self, service: str, *, replace: bool) -> Completed:
        name = f"lab-{service}"
        script = self.script(name)
        with self.lock:
            self.acts.append(f"{'replace' if replace else 'create'} {name}")
            if script.refused:
                return Completed(("compose", "up"), 1, "", script.refused)
            assert replace or name not in self.running, "an existing container makes place only when it is replaced"
            labels = self.services[service]["labels"]
            self.made[name] = self.services[service]
            self._load(name)
            self.running[name] = Container(uuid4().hex, name, "i", script.state, script.exit_code, labels, "1")
        return Completed(("compose", "up"), 0, "", "")


@dataclass
class Lab:
    """A cloud, what runs of it, and its rollouts."""

    cloud: Cloud
    journal: Journal
    scripts: dict[str, Script] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = FakeEngine(self.compose["services"], self.scripts)

    @property
    def compose(self) -> dict[str, Any]:
        return compose.project(self.cloud, "podman")

    def plan(self, wants: Wants | None = None) -> Steps:
        containers = tuple(self.engine.running[name] for name in sorted(self.engine.running))
        return plan_up(self.cloud, self.compose, Running(containers, self.journal.done), wants or Wants())

    def run(
        self,
        before: Callable[[Steps], None] = lambda _steps: None,
        *,
        wants: Wants | None = None,
        carriers: Mapping[Act, Carry] | None = None,
        witness: Unwatched | None = None,
    ) -> list[str]:
        """Plan and execute; the acts."""
        self.engine.acts.clear()
        self.engine.services = self.compose["services"]
        steps = self.plan(wants)
        before(steps)
        engine, composer = cast("Engine", self.engine), cast("Composer", self.engine)
        launcher, seen = ComposeLauncher(self.cloud, engine, composer), witness or Unwatched()
        Executor(self.cloud, engine, launcher, self.journal, self.events.append, carriers or {}, seen).run(steps)
        return self.engine.acts
