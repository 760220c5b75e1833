from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import EngineError
from saltern.rollout.kubernetes.claims import make_way, refusals
from saltern.rollout.kubernetes.kubectl import Kubectl

from .server import FakeServer
from .things import pod, workload


def claim(name: str = "web-data", cls: str = "", *, volume: str = "", mode: str = "ReadWriteOnce") -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    spec |= {"storageClassName": cls} if cls else {}
    spec |= {"volumeName": volume} if volume else {}
    status = {"phase": "Bound" if volume else "Pending"}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec, "status": status}


def replicated(cls: str, template: str = "data") -> dict[str, Any]:
    thing = workload("StatefulSet")
    thing["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": template}, "spec": claim(cls=cls)["spec"]}]
    return thing


def homeless(name: str = "web-0", claim_name: str = "web-data") -> dict[str, Any]:
    made = pod(name, ready=False)
    del made["spec"]["nodeName"]
    made["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim_name
    return made


def event(name: str, reason: str, message: str, of: str = "web-data", when: str = "1") -> dict[str, Any]:
    about = {"kind": "PersistentVolumeClaim", "name": of, "uid": f"uid-{of}"}
    head = {"kind": "Event", "metadata": {"name": name}, "reason": reason, "message": message}
    return {**head, "lastTimestamp": when, "involvedObject": about}


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def kubectl(server: FakeServer) -> Kubectl:
    return Kubectl(server, "lab")


def deleted(server: FakeServer) -> list[tuple[str, ...]]:
    return [call[1:3] for call in server.calls if call[0] == "delete"]


def test_why_a_claim_is_not_bound_is_what_the_storage_said_last(server: FakeServer, kubectl: Kubectl) -> None:
    for one in (
        claim(),
        claim("other"),
        event("e1", "ProvisioningFailed", "is full", when="2"),
        event("e2", "ProvisioningFailed", "is slow", when="1"),
        event("e3", "WaitForFirstConsumer", "waits for its first pod", when="3"),
        event("e4", "FailedBinding", "no volume", of="other"),
    ):
        server.put(one)
    assert refusals(kubectl, [homeless()]) == ("claim web-data is not bound: is full",)


def test_events_of_a_claim_that_is_bound_or_was_made_anew_say_nothing(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(event("e1", "ProvisioningFailed", "is full"))
    server.put(claim(volume="pv-1"))
    assert refusals(kubectl, [homeless()]) == ()
    server.put({**claim(), "metadata": {"name": "web-data", "uid": "newer"}})
    assert refusals(kubectl, [homeless()]) == ()


def test_claims_of_pods_with_a_machine_are_not_asked_for(server: FakeServer, kubectl: Kubectl) -> None:
    assert refusals(kubectl, [pod("web-0", ready=False)]) == ()
    assert server.calls == []


def test_a_claim_that_was_never_bound_is_made_anew_with_its_pod(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(claim(cls="not-there"))
    server.put(homeless())
    server.put(homeless("other-0", "other-data"))
    make_way(kubectl, [claim(cls="fast")])
    assert deleted(server) == [("persistentvolumeclaim", "web-data"), ("pod", "web-0")]


def test_a_claim_of_the_same_class_stays(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(claim(cls="fast"))
    make_way(kubectl, [claim(cls="fast"), claim("other", "fast")])
    assert deleted(server) == []


@pytest.mark.parametrize(("manager", "goes"), [("saltern", True), ("kube-apiserver", False)])
def test_a_class_that_the_cluster_filled_in_is_as_it_should_be(
    server: FakeServer, kubectl: Kubectl, manager: str, goes: bool
) -> None:
    there = claim(cls="standard")
    there["metadata"]["managedFields"] = [{"manager": manager, "fieldsV1": {"f:spec": {"f:storageClassName": {}}}}]
    server.put(there)
    make_way(kubectl, [claim()])
    assert bool(deleted(server)) is goes


def test_all_bound_claims_that_would_change_are_told_and_nothing_goes(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(claim(cls="slow", volume="pv-1"))
    server.put(claim("logs", "slow", volume="pv-2", mode="ReadWriteMany"))
    server.put(claim("new", "slow"))
    with pytest.raises(EngineError) as raised:
        make_way(kubectl, [claim(cls="fast"), claim("logs", "slow"), claim("new", "fast")])
    assert [problem.brief for problem in raised.value.problems] == [
        "claim web-data has data, and cannot become ReadWriteOnce of the class fast",
        "claim logs has data, and cannot become ReadWriteOnce of the class slow",
    ]
    assert deleted(server) == []


def test_more_room_for_a_bound_claim_is_left_to_the_cluster(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(claim(cls="fast", volume="pv-1"))
    larger = claim(cls="fast")
    larger["spec"]["resources"]["requests"]["storage"] = "2Gi"
    make_way(kubectl, [larger])
    assert deleted(server) == []


def test_a_stateful_set_with_other_templates_goes_without_its_pods(server: FakeServer, kubectl: Kubectl) -> None:
    server.put(replicated("not-there"))
    server.put(claim("data-web-0", "not-there"))
    make_way(kubectl, [replicated("fast")])
    assert deleted(server) == [("statefulset", "web"), ("persistentvolumeclaim", "data-web-0")]
    assert "--cascade=orphan" in next(call for call in server.calls if call[:2] == ("delete", "statefulset"))


@pytest.mark.parametrize("cls", ["", "fast"])
def test_a_stateful_set_with_the_same_templates_stays(server: FakeServer, kubectl: Kubectl, cls: str) -> None:
    server.put(replicated(cls))
    server.put(claim("data-web-0", cls or "standard", volume="pv-1"))
    make_way(kubectl, [replicated(cls)])
    assert deleted(server) == []


def test_a_template_whose_class_is_not_named_any_more_is_another_one(server: FakeServer, kubectl: Kubectl) -> None:
    """The cluster's controller made the claims, so they do not tell who named the class."""
    server.put(replicated("not-there"))
    server.put(claim("data-web-0", "not-there"))
    server.put(claim("data-web-1", "standard", volume="pv-1"))
    server.put(homeless("web-0", "data-web-0"))
    make_way(kubectl, [replicated("")])
    assert deleted(server) == [("statefulset", "web"), ("persistentvolumeclaim", "data-web-0"), ("pod", "web-0")]
