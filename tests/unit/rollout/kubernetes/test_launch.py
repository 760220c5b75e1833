from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saltern.base.errors import EngineError
from saltern.plan.steps import Act, Step
from saltern.rollout.kubernetes import launch, objects
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.launch import ClusterLauncher
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.rollout.launch import JobEnd
from saltern.targets.workload import Cloud, Instance
from tests.unit.targets.clouds import workload as cloud_workload

from .server import FakeServer
from .things import DONE, pod, waiting, workload

WEB = cloud_workload(
    {
        "name": "web",
        "processes": [{"name": "web", "command": ["web"], "probe": {"kind": "tcp", "port": 1, "timeout": 0}}],
    }
)
START = Step(Act.START, "web", "web", "lab-web", "is new")
JOB = Step(Act.JOB, "web", "install", "lab-install", "was not done")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "PULL_SECONDS", 0.2)
    monkeypatch.setattr(objects, "STUCK_SECONDS", 0.02)
    return FakeServer()


def of(server: FakeServer, *objects: dict[str, Any], service: str = "web") -> ClusterLauncher:
    cloud = Cloud("lab", (WEB,))
    return ClusterLauncher(cloud, ClusterRuntime(Kubectl(server, "lab"), "lab"), {service: objects})


def started(server: FakeServer, thing: dict[str, Any], *pods: dict[str, Any], looks: list[dict[str, Any]]) -> str:
    """Why a process that was applied, and whose object is seen in these states, is not ready."""
    (one,) = WEB.instances()
    launcher = of(server, thing)
    assert launcher.create(START).ok
    server.looks[thing["kind"].lower(), "web"] = looks
    for one_pod in pods:
        server.put(one_pod)
    return launcher.unready(START, Instance(one.service, one.hostname, one.process, 1))


# ---- processes


def test_it_is_waited_for_until_all_replicas_are_new_and_serve(server: FakeServer) -> None:
    looks = [{}, {**DONE, "updatedReplicas": 1}, {**DONE, "readyReplicas": 1}, {**DONE, "replicas": 3}, DONE]
    assert started(server, workload(), pod("web-1"), looks=looks) == ""
    assert len([call for call in server.calls if call[:3] == ("get", "deployment", "web")]) == 5
    assert not any(call[0] == "delete" for call in server.calls)


def test_what_is_not_ready_in_time_is_told_with_what_is_awaited(server: FakeServer) -> None:
    why = started(server, workload(), pod("web-1", ready=False), looks=[{**DONE, "readyReplicas": 1}])
    assert why == "not ready in time: 1 of 2 replicas are ready"


def test_an_image_that_is_missing_is_not_waited_for(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PULL_SECONDS", 60)
    broken = pod("web-2", ready=False, **waiting("ImagePullBackOff"))
    why = started(server, workload(), pod("web-1"), broken, looks=[{**DONE, "updatedReplicas": 1}])
    assert why == "1 of 2 replicas are of the new revision: web-2: main: ImagePullBackOff: so it is"


def test_a_process_that_ends_again_and_again_is_given_up(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PULL_SECONDS", 60)
    broken = pod("web-2", ready=False, **waiting("CrashLoopBackOff", restarts=launch.RESTARTS))
    why = started(server, workload(), broken, looks=[{**DONE, "readyReplicas": 1}])
    assert why.startswith("its process ends again and again; 1 of 2 replicas are ready: web-2: main: CrashLoopBackOff")


def test_restarts_of_pods_that_serve_do_not_count(server: FakeServer) -> None:
    old = pod("web-1", containerStatuses=[{"name": "main", "restartCount": 99, "state": {}}])
    assert started(server, workload(), old, looks=[{**DONE, "readyReplicas": 1}, DONE]) == ""


def test_a_broken_pod_of_an_older_revision_of_a_stateful_set_makes_room(server: FakeServer) -> None:
    names = ("web-0", "web-1", "web-2")
    pods = [pod(name, ready=False, **waiting("CrashLoopBackOff")) for name in names]
    pods.append(pod("web-3", ready=False))  # it only answers slowly
    for one, revision in zip(pods, ("old", "new", "old", "old"), strict=True):
        one["metadata"]["labels"]["controller-revision-hash"] = revision
    pods[2]["metadata"]["deletionTimestamp"] = "now"
    looks = [{**DONE, "readyReplicas": 0, "updateRevision": "new"}, DONE]
    assert started(server, workload("StatefulSet"), *pods, looks=looks) == ""
    deleted = [call for call in server.calls if call[0] == "delete"]
    assert [call[:3] for call in deleted] == [("delete", "pod", "web-0")]
    assert "--wait=false" in deleted[0]


def test_crashes_of_the_revision_before_say_nothing_of_the_new_one(server: FakeServer) -> None:
    old = pod("web-2", ready=False, **waiting("CrashLoopBackOff", restarts=launch.RESTARTS))
    server.put(workload())
    server.put(old)
    assert started(server, workload(), looks=[{**DONE, "updatedReplicas": 1}, DONE]) == ""


def test_a_pod_that_serves_never_makes_room(server: FakeServer) -> None:
    serving = pod("web-0")
    serving["metadata"]["labels"]["controller-revision-hash"] = "old"
    looks = [{**DONE, "updatedReplicas": 0, "updateRevision": "new"}, DONE]
    assert started(server, workload("StatefulSet"), serving, looks=looks) == ""
    assert ("pod", "web-0") in server.objects


def test_a_conflict_is_raised_before_anything_is_awaited(server: FakeServer) -> None:
    server.owners["deployment", "web"] = "kubectl-edit"
    with pytest.raises(EngineError, match="owned by another manager: kubectl-edit"):
        of(server, workload()).create(START)


def test_with_force_it_is_taken(server: FakeServer) -> None:
    server.owners["deployment", "web"] = "kubectl-edit"
    assert replace(of(server, workload()), force=True).create(START).ok
    assert "--force-conflicts" in server.calls[-1]


# ---- jobs


def ran(server: FakeServer, *looks: dict[str, Any], pods: tuple[dict[str, Any], ...] = ()) -> JobEnd:
    for one in pods:
        server.put(one)
    server.looks["job", "install-1"] = [*looks]
    thing = workload("Job", "install-1")
    thing["metadata"]["annotations"]["io.saltern.service"] = "install"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "install-request"}}
    return of(server, secret, thing, service="install").job(JOB)


def ended(kind: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True"}]}


def test_a_job_is_made_anew_and_goes_when_it_succeeded(server: FakeServer) -> None:
    assert ran(server, {}, {"conditions": None}, ended("Complete")) == JobEnd()
    assert ("job", "install-1") not in server.objects
    assert ("secret", "install-request") in server.objects
    assert [call[0] for call in server.calls if call[0] != "get"] == ["delete", "apply", "delete"]


def test_a_failed_job_stays_and_its_log_is_shown(server: FakeServer) -> None:
    server.logs["install-1-x", False] = "no such database\n"
    end = ran(server, ended("Failed"), pods=(pod("install-1-x", "install-1", ready=False),))
    assert end == JobEnd("failed", "no such database")
    assert ("job", "install-1") in server.objects


def test_a_failed_job_without_a_pod_has_no_log(server: FakeServer) -> None:
    assert ran(server, ended("Failed")) == JobEnd("failed", "")


def test_a_job_whose_pod_cannot_start_says_why(server: FakeServer) -> None:
    broken = pod("install-1-x", "install-1", ready=False, **waiting("CreateContainerConfigError"))
    end = ran(server, {}, pods=(broken,))
    assert end == JobEnd("cannot start", "install-1-x: main: CreateContainerConfigError: so it is")


def test_a_job_whose_claim_the_storage_refuses_says_why(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "CLAIM_SECONDS", 0.02)
    about = {"kind": "PersistentVolumeClaim", "name": "web-data", "uid": "uid-web-data"}
    said = {"reason": "ProvisioningFailed", "message": "no such class", "involvedObject": about}
    server.put({"kind": "Event", "metadata": {"name": "e"}, **said})
    server.put({"kind": "PersistentVolumeClaim", "metadata": {"name": "web-data"}, "spec": {}})
    homeless = pod("install-1-x", "install-1", ready=False)
    del homeless["spec"]["nodeName"]
    assert ran(server, {}, pods=(homeless,)) == JobEnd("cannot start", "claim web-data is not bound: no such class")


def test_a_job_that_does_not_end_is_given_up(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "JOB_TIMEOUT", 0)
    server.logs["install-1-x", False] = "working\n"
    assert ran(server, {}, pods=(pod("install-1-x", "install-1"),)) == JobEnd("did not end within 0 s", "working")


# ---- pods that the cluster does not make


def refusal(name: str, message: str, of: str) -> dict[str, Any]:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": "FailedCreate"}
    kind = "ReplicaSet" if of.endswith("-5d4f8c") else "StatefulSet"
    return {**event, "message": message, "involvedObject": {"kind": kind, "name": of}}


FULL = "create Pod web-1 in StatefulSet web failed: exceeded quota: full"


@pytest.mark.parametrize("of", ["web", "web-5d4f8c"])
def test_a_quota_that_refuses_pods_is_told(server: FakeServer, of: str) -> None:
    server.put(refusal("old", "is over", of))
    launcher = of_new(server)
    server.put(refusal("new", FULL, of))
    server.put(refusal("others", "of another one", "web-api"))
    (one,) = WEB.instances()
    why = launcher.unready(START, Instance(one.service, one.hostname, one.process, 1))
    assert why == f"0 of 2 replicas are of the new revision: {FULL}"


def of_new(server: FakeServer) -> ClusterLauncher:
    launcher = of(server, workload("StatefulSet"))
    assert launcher.create(START).ok
    server.looks["statefulset", "web"] = [{**DONE, "updatedReplicas": 0, "updateRevision": "new"}]
    return launcher


def test_a_job_whose_pod_a_quota_refuses_is_not_waited_for(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = server._apply

    def refused(*given: Any) -> Any:
        server.put(refusal("new", FULL, "install-1"))
        return apply(*given)

    monkeypatch.setattr(server, "_apply", refused)
    assert ran(server, {}) == JobEnd("cannot start", FULL)
