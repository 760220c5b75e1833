"""The account with which a saltern works on one cloud."""

from __future__ import annotations

import pytest

from saltern.targets.kubernetes.access import account, approver, rules
from tests.unit.targets import openapi


@pytest.mark.parametrize("version", ["1.20", "1.36"])
def test_its_objects_are_what_the_api_knows(version: str) -> None:
    found = account("operate", "lab")
    assert [one.kind for one in found] == ["ServiceAccount", "Role", "RoleBinding", "Role"]
    for one in found:
        assert openapi.errors(one.data, version) == [], one.path
        assert one.data["metadata"]["namespace"] == "lab"


def test_who_approves_cannot_write_the_status() -> None:
    given = {(name, verb) for rule in approver("operate") for name in rule["resourceNames"] for verb in rule["verbs"]}
    assert given == {("operate", "get"), ("operate-approval", "get"), ("operate-approval", "patch")}


def test_nothing_is_given_by_a_star_and_data_is_never_removed() -> None:
    for rule in rules("operate", "lab"):
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        assert "persistentvolumeclaims" not in rule["resources"] or "delete" not in rule["verbs"]
        assert not {"roles", "rolebindings", "nodes"} & {*rule["resources"]}, "no way to more rights"
