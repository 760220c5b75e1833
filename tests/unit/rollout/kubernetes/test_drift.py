from __future__ import annotations

from typing import Any

import pytest

from saltern.rollout.kubernetes.drift import drift_of
from saltern.targets.kubernetes.metadata import WAVE


def thing(kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web", "labels": {"a": "b"}}, "spec": spec}


def test_what_the_server_adds_is_no_drift() -> None:
    wanted = thing(replicas=2, containers=[{"name": "main", "image": "i", "env": []}])
    found = thing(replicas=2, containers=[{"name": "main", "image": "i", "terminationMessagePath": "/x"}], paused=False)
    found["metadata"]["labels"]["other"] = "tool"
    assert drift_of(wanted, found) == ()


def test_a_changed_field_is_found_with_who_changed_it() -> None:
    wanted = thing(replicas=2, containers=[{"name": "jobs"}, {"name": "main", "image": "i"}])
    found = thing(replicas=5, containers=[{"name": "main", "image": "j"}, {"name": "jobs"}])
    found["metadata"]["managedFields"] = [
        {"manager": "saltern", "time": "3"},
        {"manager": "kubectl-edit", "time": "2"},
        {"manager": "older", "time": "1"},
        {"manager": "kubelet", "time": "4", "subresource": "status"},
    ]
    first, second = drift_of(wanted, found)
    assert (first.path, first.wanted, first.found) == ("spec.containers[main].image", "i", "j")
    assert (second.path, second.wanted, second.found, second.manager) == ("spec.replicas", 2, 5, "kubectl-edit")


def test_lists_without_names_are_compared_by_place() -> None:
    assert [one.path for one in drift_of(thing(args=["a", "b"]), thing(args=["a", "c"]))] == ["spec.args[1]"]
    assert [one.path for one in drift_of(thing(args=["a"]), thing(args=["a", "c"]))] == ["spec.args"]


def test_a_missing_object_is_drift() -> None:
    (one,) = drift_of(thing(), None)
    assert one.found == "is missing"


def test_what_a_secret_holds_is_not_shown() -> None:
    (one,) = drift_of(thing("Secret", data="abc"), thing("Secret", data="xyz"))
    assert (one.wanted, one.found) == ("***", "***")


def test_the_revision_that_applied_it_last_is_no_drift() -> None:
    wanted, found = thing(), thing()
    wanted["metadata"]["annotations"] = {"io.saltern.revision": "2"}
    found["metadata"]["annotations"] = {"io.saltern.revision": "1"}
    assert drift_of(wanted, found) == ()


def test_items_are_told_apart_by_what_differs() -> None:
    """Two mounts of one volume have the same name, and a port may be there for TCP and for UDP."""
    mounts = [{"name": "config", "mountPath": "/a"}, {"name": "config", "mountPath": "/b"}]
    assert drift_of(thing(volumeMounts=mounts), thing(volumeMounts=mounts[::-1])) == ()
    moved = [mounts[0], {"name": "config", "mountPath": "/b", "subPath": "x"}]
    assert drift_of(thing(volumeMounts=moved), thing(volumeMounts=mounts))[0].path == "spec.volumeMounts[/b].subPath"
    ports = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    assert drift_of(thing(ports=ports), thing(ports=ports)) == ()


@pytest.mark.parametrize(
    ("field", "wanted", "found", "same"),
    [
        ("memory", "1024Mi", "1Gi", True),
        ("memory", "0.5Gi", "512Mi", True),
        ("cpu", "0.5", "500m", True),
        ("cpu", 2, "2", True),
        ("storage", "1000k", "1M", True),
        ("memory", "1G", "1Gi", False),
        ("memory", "much", "1Gi", False),
        ("other", "1024Mi", "1Gi", False),
    ],
)
def test_a_quantity_in_the_servers_words_is_no_drift(field: str, wanted: object, found: str, same: bool) -> None:
    assert (drift_of(thing(**{field: wanted}), thing(**{field: found})) == ()) is same


def test_the_order_in_which_argo_cd_applies_is_no_drift() -> None:
    wanted, found = thing(), thing()
    wanted["metadata"]["annotations"] = {WAVE: "2", "mine": "1"}
    found["metadata"]["annotations"] = {WAVE: "1"}
    assert [one.path for one in drift_of(wanted, found)] == ["metadata.annotations.mine"]
