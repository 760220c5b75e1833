from __future__ import annotations

from typing import Any

import pytest

from saltern.images.engine import Mount
from saltern.rollout.kubernetes.objects import (
    CLAIM_SECONDS,
    MACHINE_SECONDS,
    STUCK_SECONDS,
    Patience,
    container_of,
    is_ready,
    limit,
    restarts,
    stuck,
    trouble,
    unfinished,
)

LABELS = {"io.saltern.cloud": "lab", "app.kubernetes.io/name": "x"}


def deployment(**status: Any) -> dict[str, Any]:
    pod = {
        "containers": [{"name": "main", "image": "i:1", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "web-data"}}],
    }
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "u", "generation": 2, "labels": LABELS},
        "spec": {"replicas": 2, "template": {"spec": pod}},
        "status": {"observedGeneration": 2, **status},
    }


def pod(name: str = "web-1", ready: str = "False", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}], **status}}


def waiting(reason: str, message: str = "", count: int = 0) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "main", "restartCount": count, "state": state}]}


def test_a_workload_object_is_a_container() -> None:
    found = container_of("lab", deployment(readyReplicas=1))
    assert (found.id, found.name, found.image, found.state) == ("u:2", "lab-web", "i:1", "running")
    assert found.labels == {"io.saltern.cloud": "lab"}
    assert found.mounts == (Mount("web-data", "/d", read_only=False),)
    assert container_of("lab", deployment()).state == "pending"


def test_claims_of_a_stateful_set_are_those_of_its_first_replica() -> None:
    thing = deployment()
    thing["kind"] = "StatefulSet"
    thing["spec"]["template"]["spec"]["volumes"] = []
    thing["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    assert container_of("lab", thing).mounts == (Mount("data-web-0", "/d", read_only=False),)


@pytest.mark.parametrize(
    ("conditions", "state", "code"),
    [
        ([], "running", 0),
        ([{"type": "Complete", "status": "True"}], "exited", 0),
        ([{"type": "Failed", "status": "True"}], "exited", 1),
        ([{"type": "Failed", "status": "False"}], "running", 0),
    ],
)
def test_a_job_ends_as_its_conditions_say(conditions: list[dict[str, str]], state: str, code: int) -> None:
    thing = {**deployment(), "kind": "Job"}
    thing["status"] = {"conditions": conditions}
    found = container_of("lab", thing)
    assert (found.state, found.exit_code) == (state, code)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"observedGeneration": 1}, "its controller has not seen the change yet"),
        ({"updatedReplicas": 1, "readyReplicas": 2}, "1 of 2 replicas are of the new revision"),
        ({"updatedReplicas": 2, "readyReplicas": 1}, "1 of 2 replicas are ready"),
        ({"updatedReplicas": 2, "readyReplicas": 2, "replicas": 3}, "1 old replicas still end"),
        ({"updatedReplicas": 2, "readyReplicas": 2, "replicas": 2}, ""),
    ],
)
def test_what_a_rollout_waits_for(status: dict[str, int], why: str) -> None:
    assert unfinished(deployment(**status)) == why


def test_what_a_busy_kubelet_has_not_got_yet_comes_by_itself() -> None:
    late = pod(**waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting"))
    missing = pod(**waiting("CreateContainerConfigError", 'secret "web-config" not found'))
    assert not stuck([late])
    assert stuck([missing])


def test_something_may_last_for_a_while() -> None:
    patience = Patience()
    looks = [(0.0, 9.0), (9.0, 9.0), (9.1, 9.0), (30.0, None), (31.0, 9.0), (39.0, 9.0), (40.0, 5.0), (45.1, 5.0)]
    ends = [patience.ends(now, most) for now, most in looks]
    assert ends == [False, False, True, False, False, False, False, True]


def test_how_long_what_is_wrong_may_last() -> None:
    placed = {"spec": {"nodeName": "machine"}}
    starting, missing = {**pod(), **placed}, {**pod(**waiting("ErrImagePull")), **placed}
    homeless = {**pod(), "spec": {}}
    assert limit([starting], refused=False, unbound=False) is None
    assert limit([starting, homeless], refused=False, unbound=False) == MACHINE_SECONDS
    assert limit([homeless], refused=False, unbound=True) == CLAIM_SECONDS
    assert limit([homeless, missing], refused=False, unbound=True) == STUCK_SECONDS
    assert limit([], refused=True, unbound=False) == STUCK_SECONDS


def test_what_pods_say() -> None:
    missing = pod(**waiting("ImagePullBackOff", "not found"))
    crashing = pod("web-2", **waiting("CrashLoopBackOff", "back-off", 3))
    crashing["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert trouble([missing, crashing]) == (
        "web-1: main: ImagePullBackOff: not found",
        "web-2: main: CrashLoopBackOff: back-off: ended with 1 (Error)",
    )
    assert stuck([missing])
    assert not stuck([crashing])
    assert restarts([missing, crashing]) == 3
    unscheduled = pod()
    unscheduled["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node has memory"}
    )
    assert trouble([unscheduled]) == ("web-1: Unschedulable: no node has memory",)


def test_a_pod_that_goes_serves_nobody() -> None:
    assert is_ready(pod(ready="True"))
    gone = pod(ready="True")
    gone["metadata"]["deletionTimestamp"] = "now"
    assert not is_ready(gone)
