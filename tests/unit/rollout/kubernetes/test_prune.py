from __future__ import annotations

from pathlib import Path
from typing import Any

from saltern.images.engine import RunSpec
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.lease import Lease
from saltern.rollout.kubernetes.mirror import Mirror
from saltern.rollout.kubernetes.prune import KINDS, prune
from saltern.rollout.kubernetes.runtime import ClusterRuntime, helper

from .server import FakeServer
from .things import OURS


def thing(kind: str, name: str, **labels: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "labels": {**OURS, **labels}}}


def of(server: FakeServer) -> ClusterRuntime:
    return ClusterRuntime(Kubectl(server, "lab"), "lab")


def test_what_the_revision_has_no_more_goes() -> None:
    server = FakeServer()
    kept, old = thing("Deployment", "web"), thing("Secret", "web-config-old")
    for one in (kept, old, thing("Service", "web"), thing("Job", "db-before-1")):
        server.put(one)
    gone = prune(of(server), [kept, thing("Secret", "web-config-new"), thing("Service", "web")])
    assert gone == ("job/db-before-1", "secret/web-config-old")
    assert sorted(server.objects) == [("deployment", "web"), ("service", "web")]


def test_nothing_is_removed_where_everything_is_wanted() -> None:
    server = FakeServer()
    server.put(thing("Deployment", "web"))
    assert prune(of(server), [thing("Deployment", "web")]) == ()
    assert [call[0] for call in server.calls] == ["get"]


def test_never_a_claim_the_state_or_what_is_not_ours(tmp_path: Path) -> None:
    server = FakeServer()
    kubectl = Kubectl(server, "lab")
    (tmp_path / "jobs.json").write_text("[]")
    Mirror(kubectl, "lab", tmp_path).push()
    Lease(kubectl, "saltern")._take()
    for one in (
        thing("PersistentVolumeClaim", "data-db-0"),
        thing("Namespace", "lab"),
        thing("Deployment", "of-another-cloud", **{"app.kubernetes.io/part-of": "other"}),
        thing("Secret", "by-hand", **{"app.kubernetes.io/managed-by": "jane"}),
        *helper("saltern-1", "lab", RunSpec("i", ("x",))),
    ):
        server.put(one)
    before = {*server.objects}
    assert len([key for key in before if key[0] == "secret"]) == 3
    assert prune(of(server), ()) == ()
    assert {*server.objects} == before
    assert "persistentvolumeclaim" not in KINDS
