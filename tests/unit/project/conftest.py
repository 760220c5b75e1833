"""A model's folder, and a repository that is followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.plan.following import State
from saltern.project.operating import NAME
from saltern.rollout.kubernetes import launch, lease
from saltern.targets.kubernetes.access import rules
from tests.unit.project.cloud import World
from tests.unit.project.compiled import Nodes
from tests.unit.project.followed import Followed
from tests.unit.project.history import History
from tests.unit.rollout.kubernetes.guarded import GuardedServer


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path / "model")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Followed:
    """A model with web, two of it, in a repository; nothing runs."""
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "PULL_SECONDS", 1)
    monkeypatch.setattr(lease, "POLL", 0.001)
    server = GuardedServer(controls=True, rules=rules(NAME, "lab"))
    server.put({"kind": "Namespace", "metadata": {"name": "lab"}})
    history = History(tmp_path / "repository", "model").start()
    world = World(history.model, tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    world.node("web", replicas=2, conf={"workers": 4})
    found = Followed(world, history, server)
    found.commit("the cloud")
    return found


@pytest.fixture
def up(empty: Followed) -> Followed:
    """It runs."""
    waiting = empty.round()
    empty.approve(waiting.plan)
    assert empty.round().state is State.DONE
    empty.told.clear()
    return empty
