"""A rollout in a cluster that somebody else took over, or that refuses; kubectl and the API server are in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import LockedError, RolloutError, UnreachableError
from saltern.base.process import Completed
from saltern.project import applying
from saltern.project.applying import Terms
from saltern.rollout.kubernetes import launch
from tests.unit.project.cloud import World
from tests.unit.rollout.kubernetes.server import FakeServer


@pytest.mark.parametrize("auto_rollback", [False, True])
def test_who_lost_the_lease_goes_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auto_rollback: bool
) -> None:
    monkeypatch.setattr(launch, "POLL", 0.001)
    server = FakeServer(controls=True)
    world = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    world.node("db", conf={"size": 1}).node("web", conf={"workers": 4}, needs=["db"])
    apply = server._apply

    def overtaken(argv: Any, words: Any, stdin: str) -> Any:
        done = apply(argv, words, stdin)
        if any(one["kind"] == "Deployment" for one in json.loads(stdin)["items"]):
            lease = server.objects["lease", "saltern"]
            server.put({**lease, "spec": {**lease["spec"], "holderIdentity": "there:7"}})
        return done

    server._apply = overtaken  # type: ignore[method-assign]
    with pytest.raises(LockedError, match="there:7 has it") as caught:
        applying.apply(world.project(), Terms(auto_rollback=auto_rollback))
    assert "saltern apply" in caught.value.problems[0].resolution
    assert ("deployment", "db") in server.objects
    assert ("deployment", "web") not in server.objects, "what is not remembered is not done"
    assert server.objects["lease", "saltern"]["spec"]["holderIdentity"] == "there:7"


def test_what_the_cluster_refuses_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "POLL", 0.001)
    server = FakeServer(controls=True)
    world = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    applying.apply(world.node("db", conf={"size": 1}).node("web", conf={"workers": 4}).project(), Terms())
    apply, good = server._apply, server.objects["deployment", "db"]["spec"]

    def denied(argv: Any, words: Any, stdin: str) -> Any:
        if any(one["metadata"]["name"] == "web" and one["kind"] == "Deployment" for one in json.loads(stdin)["items"]):
            return Completed(tuple(argv), 1, "", 'admission webhook "limits" denied the request: no')
        return apply(argv, words, stdin)

    server._apply = denied  # type: ignore[method-assign]
    changed = world.node("db", conf={"size": 2}).node("web", conf={"workers": 8}).project()
    with pytest.raises(RolloutError, match="refused a request") as caught:
        applying.apply(changed, Terms(auto_rollback=True))
    assert "rolled back: the cloud is at revision" in caught.value.problems[0].resolution
    assert server.objects["deployment", "db"]["spec"] == good


def test_where_no_cluster_is_that_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer(refuses={"version": "Unable to connect to the server: no route to host"})
    world = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        applying.apply(world.node("web").project(), Terms())
    assert server.calls == [("version", "--output", "json")]
