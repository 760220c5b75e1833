from __future__ import annotations

import pytest

from saltern.base.errors import EngineError, UnreachableError
from saltern.base.process import Completed
from saltern.rollout.kubernetes import kubectl as module
from saltern.rollout.kubernetes.kubectl import Kubectl, explain

from .server import FakeServer


def secret(name: str, **labels: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}


def test_objects_are_applied_on_the_server_as_our_manager_through_stdin() -> None:
    server = FakeServer()
    kubectl = Kubectl(server, "lab")
    kubectl.apply([secret("a", x="1"), secret("b", x="2")])
    assert server.calls == [("apply", "--server-side", "--field-manager=saltern", "--filename", "-")]
    assert [one["metadata"]["name"] for one in kubectl.get(("secret",), "x=1")] == ["a"]
    assert kubectl.find("secret", "b") is not None
    assert kubectl.find("secret", "c") is None


def test_nothing_is_asked_for_nothing() -> None:
    server = FakeServer()
    Kubectl(server, "lab").apply([])
    Kubectl(server, "lab").delete("secret", [])
    assert server.calls == []


def test_a_write_that_was_overtaken_is_told() -> None:
    server = FakeServer()
    kubectl = Kubectl(server, "lab")
    assert kubectl.create(secret("a"))
    assert not kubectl.create(secret("a"))
    read = kubectl.find("secret", "a")
    assert read is not None
    assert kubectl.replace({**read, "type": "x"})
    assert not kubectl.replace({**read, "type": "y"})


@pytest.mark.parametrize(
    ("stderr", "brief"),
    [
        (
            'Error from server (Forbidden): deployments.apps is forbidden: User "jane" cannot patch'
            ' resource "deployments" in API group "apps" in the namespace "lab"',
            "the cluster forbids it: jane may not patch deployments",
        ),
        (
            "Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout",
            "the Kubernetes API server cannot be reached",
        ),
        (
            "Error from server: rpc error: code = Unavailable desc = transport is closing",
            "the Kubernetes API server cannot be reached",
        ),
        (
            'error: Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas',
            "fields are owned by another manager: kubectl-edit",
        ),
        ('pods "x" is forbidden: exceeded quota: small, requested: memory=1Gi', "a quota of the namespace is used up"),
        ('error: unable to recognize "-": no matches for kind "Lease"', "Kubernetes refused a request"),
    ],
)
def test_refusals_are_explained(stderr: str, brief: str) -> None:
    problem = explain(Completed(("kubectl", "apply"), 1, "", stderr))
    assert problem.brief == brief
    assert stderr in problem.details


def test_a_server_that_does_not_answer_is_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "PAUSE", 0.001)
    server = FakeServer(refuses={"apply": "Unable to connect to the server: EOF"})
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Kubectl(server, "lab").apply([secret("a")])
    assert len(server.calls) > 1


def test_a_first_contact_is_answered_at_once_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "PAUSE", 0.001)
    server = FakeServer(
        refuses={"version": "The connection to the server was refused - did you specify the right host"}
    )
    with pytest.raises(UnreachableError):
        Kubectl(server, "lab").version(waits=False)
    assert len(server.calls) == 1
    with pytest.raises(UnreachableError):
        Kubectl(server, "lab").version()
    assert len(server.calls) > 2


def test_a_refusal_is_not_tried_again() -> None:
    server = FakeServer(refuses={"apply": "exceeded quota"})
    with pytest.raises(EngineError, match="quota") as caught:
        Kubectl(server, "lab").apply([secret("a")])
    assert not isinstance(caught.value, UnreachableError)
    assert len(server.calls) == 1


def test_without_kubectl_its_package_is_named() -> None:
    problem = explain(Completed(("kubectl",), 127, "", "kubectl: command not found"))
    assert "not installed" in problem.brief


def test_a_command_in_a_pod_says_what_it_says_and_no_more() -> None:
    server = FakeServer(ends=(3, "out\n", "no such file\ncommand terminated with exit code 3\n"))
    done = Kubectl(server, "lab").exec("web-1", "main", ("cat", "x"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "no such file\n")
    server.ends = (4, "", "command terminated with exit code 3\n")
    assert Kubectl(server, "lab").exec("web-1", "main", ("cat", "x")).stderr == server.ends[2]
