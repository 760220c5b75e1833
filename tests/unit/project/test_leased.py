"""A rollout in a cluster whose lease somebody else took meanwhile; kubectl and the API server are in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import LockedError
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
