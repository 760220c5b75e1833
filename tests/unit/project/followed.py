"""A repository that is followed with the real git, and its cloud on a cluster in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import SalternError
from saltern.plan.following import Status
from saltern.project import recording
from saltern.project.context import Options, Project, open_project
from saltern.project.following import Branch
from saltern.project.operating import NAME, Pace, operate
from saltern.rollout.kubernetes import launch
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.rollout.rollouts import Outcome
from tests.unit.project.cloud import Machine, World
from tests.unit.project.history import History
from tests.unit.rollout.kubernetes.guarded import GuardedServer


@dataclass
class Followed:
    """A cloud ``lab`` whose repository is followed; ``say`` collects what is told."""

    world: World
    history: History
    server: GuardedServer
    told: list[Status] = field(default_factory=list)
    machine: str = "one"
    """Of several that could lead; each has a cache and a state of its own."""

    def open(self, model: Path | None) -> Project:
        home = self.world.state.parent / self.machine
        options = Options(state=home / "state", cache=home / "cache")
        return open_project(model, options, runner=Machine(self.world.engine, self.server))

    @property
    def branch(self) -> Branch:
        runner = Machine(self.world.engine, self.server)
        return Branch(runner, str(self.history.top), "main", self.world.state.parent / self.machine / "cache", "model")

    def round(self) -> Status:
        return operate(self.branch, self.open, self.told.append, never, Pace(once=True))

    def commit(self, summary: str = "a change", **policy: Any) -> str:
        """Commit the model as it is, with a policy where one is given."""
        path = self.world.root / "saltern.yml"
        if policy:
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "operate": policy}))
        self.history.git("add", "-A")
        self.history.git("commit", "-q", "--allow-empty", "-m", summary)
        return self.history.git("rev-parse", "HEAD")

    def config(self, workers: int, **more: Any) -> str:
        self.world.node("web", replicas=2, conf={"workers": workers}, **more)
        return self.commit()

    def approve(self, plan: str) -> None:
        self.server.annotate("configmap", f"{NAME}-approval", saltern__io_approve=plan)

    @property
    def shown(self) -> dict[str, str]:
        data: dict[str, str] = self.server.objects["configmap", NAME]["data"]
        return data

    @property
    def workers(self) -> str:
        """What the pods of web have."""
        files = ClusterRuntime(Kubectl(self.server, "lab"), "lab").files("lab-web")
        return files["/etc/web.conf"].decode().strip()

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Kind and outcome of the rollouts, oldest first, as the cluster remembers them."""
        project = self.open(self.world.root)
        with project.locked():
            return [(past.kind, past.outcome) for past in reversed(recording.rollouts(project))]


def never(error: SalternError) -> None:
    raise AssertionError(error)


def breaks(up: Followed, monkeypatch: pytest.MonkeyPatch, workers: str = "8") -> None:
    """The pods of web end again and again where they have so many workers."""
    unready = launch.ClusterLauncher.unready

    def looks(self: Any, step: Any, one: Any) -> str:
        return "it ends again and again" if up.workers == f"workers = {workers}" else unready(self, step, one)

    monkeypatch.setattr(launch.ClusterLauncher, "unready", looks)


def killed(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed in the middle of a step."""
    with monkeypatch.context() as death:
        death.setattr(launch.ClusterLauncher, "create", interrupted)
        with pytest.raises(KeyboardInterrupt):
            up.round()
    assert up.shown["state"] == "applying"


def interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt
