"""What runs ``operate`` in a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saltern.targets.kubernetes.access import account
from saltern.targets.kubernetes.operator import NETWORK, operator
from tests.unit.targets import openapi, pod_security

WORDS = ("operate", "--branch", "main")


def objects(context: str = "") -> dict[str, Any]:
    return {one.kind: one.data for one in operator("operate", "lab", context, "registry/saltern:1", WORDS)}


@pytest.mark.parametrize("version", ["1.20", "1.36"])
def test_its_objects_are_what_the_api_knows(version: str) -> None:
    for one in objects().values():
        assert openapi.errors(one, version) == []
        assert one["metadata"]["namespace"] == "lab"


def test_its_pods_are_restricted_and_have_the_account() -> None:
    template = objects()["Deployment"]["spec"]["template"]
    pod = template["spec"]
    assert pod_security.baseline(pod) == pod_security.restricted(pod) == []
    (service_account, *_) = account("operate", "lab")
    assert pod["serviceAccountName"] == service_account.name
    assert template["metadata"]["labels"] == objects()["Deployment"]["spec"]["selector"]["matchLabels"]
    assert "app.kubernetes.io/part-of" not in template["metadata"]["labels"], "it is none of the cloud's own"


def test_what_opens_the_model_and_its_repository_is_named_and_not_written() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    given = {one["name"]: one["secret"] for one in pod["volumes"] if "secret" in one}
    assert {name: secret["secretName"] for name, secret in given.items()} == {
        "identity": "operate-identity",
        "git": "operate-git",
    }
    assert all(secret["optional"] for secret in given.values())
    assert "Secret" not in objects()


@pytest.mark.parametrize(("context", "name"), [("", "saltern"), ("production", "production")])
def test_the_cluster_has_the_models_name(context: str, name: str) -> None:
    config = json.loads(objects(context)["ConfigMap"]["data"]["config"])
    assert config["current-context"] == config["contexts"][0]["name"] == name
    assert config["users"][0]["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}


def test_helpers_without_a_network_may_talk_to_nobody() -> None:
    policy = objects()["NetworkPolicy"]["spec"]
    assert policy == {"podSelector": {"matchLabels": {NETWORK: "none"}}, "policyTypes": ["Ingress", "Egress"]}
