from __future__ import annotations

from typing import Any

from saltern.rollout.kubernetes.drift import drift_of


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
