"""What was changed by hand in a cluster, seen and taken back; kubectl and the API server are in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import EngineError, UsageError
from saltern.project import applying, drifting, planning, recording, running
from saltern.project.applying import Applied, Terms
from saltern.rollout.kubernetes import launch
from saltern.targets.compose import LABEL_HASH
from tests.unit.project.cloud import World
from tests.unit.rollout.kubernetes.server import FakeServer

WEB: dict[str, Any] = {"needs": ["db"], "replicas": 2}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "PULL_SECONDS", 1)
    return FakeServer(controls=True)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> World:
    """db, and two of web, which need it; they run in a cluster."""
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    found.node("db", conf={"size": 1}).node("web", conf={"workers": 4}, **WEB)
    apply(found)
    server.calls.clear()
    return found


def apply(world: World, **terms: Any) -> Applied:
    return applying.apply(world.project(), Terms(**terms))


def drift(world: World) -> list[tuple[str, str, str, Any, Any, str]]:
    found = drifting.drift(world.project())
    return [(one.kind, one.name, one.path, one.wanted, one.found, one.manager) for one in found]


def replicas(server: FakeServer, name: str = "web") -> int:
    return int(server.objects["deployment", name]["spec"]["replicas"])


SCALED = ("Deployment", "web", "spec.replicas", 2, 5, "kubectl-edit")


def test_what_was_rolled_out_is_no_drift(world: World) -> None:
    assert drift(world) == []
    assert {line.service: line.ready for line in running.status(world.project()).lines} == {"db": True, "web": True}


@pytest.mark.parametrize("old_client", [False, True])
def test_a_field_that_somebody_set_is_drift_and_no_plan(world: World, server: FakeServer, old_client: bool) -> None:
    server.old_client = old_client
    server.edit("deployment", "web", "spec", "replicas", value=5)
    assert drift(world) == [SCALED]
    assert planning.plan(world.project()).is_empty
    assert apply(world).number == 0
    assert replicas(server) == 5, "nobody asked for a repair"


def test_a_change_of_the_model_is_no_drift(world: World, server: FakeServer) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    assert drift(world) == []
    server.edit("deployment", "web", "spec", "replicas", value=5)
    assert drift(world) == [SCALED], "compared with what was rolled out"


def test_objects_are_asked_for_in_the_version_of_their_manifests(world: World, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    server.calls.clear()
    drift(world)
    asked = [call[1] for call in server.calls if call[0] == "get"]
    assert "deployment.v1.apps" in asked
    (several,) = [kinds.split(",") for kinds in asked if "networkpolicy" in kinds]
    assert {"networkpolicy.v1.networking.k8s.io", "poddisruptionbudget.v1.policy", "service"} <= {*several}


def test_an_object_that_is_gone_and_one_without_our_labels(world: World, server: FakeServer) -> None:
    del server.objects["networkpolicy", "db"]
    server.edit("serviceaccount", "web", "metadata", "labels", value={})
    found = drift(world)
    assert found[0] == ("NetworkPolicy", "db", "", "is there", "is missing", "")
    assert {one[:2] for one in found[1:]} == {("ServiceAccount", "web")}
    assert all(one[2].startswith("metadata.labels.") for one in found[1:])


def test_the_cloud_that_is_down_has_no_drift(world: World) -> None:
    running.down(world.project())
    assert drift(world) == []


def test_another_revision_that_somebody_brought_is_told_by_the_plan(world: World, server: FakeServer) -> None:
    server.edit("deployment", "web", "metadata", "annotations", LABEL_HASH, value="other")
    server.edit("deployment", "web", "spec", "replicas", value=5)
    assert drift(world) == []
    assert not planning.plan(world.project()).is_empty


def test_a_repair_takes_back_what_drifted_and_nothing_else(world: World, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    before = server.objects["deployment", "db"]["metadata"]["resourceVersion"]
    done = apply(world, repair=True)
    assert [one.wanted["metadata"]["name"] for one in done.repaired] == ["web"]
    assert (replicas(server), done.plan.is_empty) == (2, True)
    assert server.objects["deployment", "db"]["metadata"]["resourceVersion"] == before
    assert drift(world) == []
    newest = recording.rollouts(world.project())[0]
    assert newest.number == done.number
    (line,) = [line for line in newest.lines if line["event"] == "repair"]
    assert (line["step"], line["reason"]) == ("Deployment/web", "spec.replicas")
    assert apply(world, repair=True).number == 0, "nothing is left to repair"


def test_a_repair_beside_a_change(world: World, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    server.edit("service", "db", "spec", "selector", value={"app": "mine"})
    world.node("web", conf={"workers": 8}, **WEB)
    with pytest.raises(EngineError, match="owned by another manager: kubectl-edit") as caught:
        apply(world)
    assert "saltern apply --repair" in caught.value.problems[0].resolution
    assert replicas(server) == 5
    done = apply(world, repair=True)
    assert next(step.key for step in done.plan.steps.changes) == "roll:web"
    assert [one.wanted["metadata"]["name"] for one in done.repaired] == ["db"]
    assert replicas(server) == 2
    assert drift(world) == []


def test_a_cloud_in_no_cluster_has_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch).node("db")
    with pytest.raises(UsageError, match="--drift is for clouds on Kubernetes"):
        drifting.drift(found.project())
