"""The keystone formula's states with a domain of their own: what is asked of Keystone's API, played here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

STATES = Path(__file__).parents[3] / "formulas" / "keystone" / "_states" / "keystone_resource.py"
AUTH: dict[str, str] = {}


class Keystone:
    """Collections by name; an item's id is ``ID-NAME``."""

    def __init__(self, **collections: list[dict[str, Any]]) -> None:
        self.collections = collections
        self.assigned: list[str] = []

    def find(self, _auth: object, collection: str, **filters: Any) -> list[dict[str, Any]]:
        items = self.collections.get(collection, [])
        return [item for item in items if all(item.get(key) == value for key, value in filters.items())]

    def call(self, _auth: object, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        if method == "HEAD":
            return {} if path in self.assigned else None
        if method == "PUT":
            self.assigned.append(path)
        for item in (body or {}).values():
            self.collections.setdefault(path[1:], []).append({**item, "id": f"ID-{item['name']}"})
        return {}


@pytest.fixture
def keystone() -> Keystone:
    return Keystone(roles=[{"name": "admin", "id": "ID-admin"}])


@pytest.fixture
def states(keystone: Keystone, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    exceptions = ModuleType("salt.exceptions")
    exceptions.CommandExecutionError = type("CommandExecutionError", (Exception,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "salt", ModuleType("salt"))
    monkeypatch.setitem(sys.modules, "salt.exceptions", exceptions)
    functions = {
        "keystone_api.find": keystone.find,
        "keystone_api.call": keystone.call,
        "keystone_api.authenticates": lambda *_: True,
    }
    found: dict[str, Any] = {"__salt__": functions, "__opts__": {"test": False}}
    exec(compile(STATES.read_text(), str(STATES), "exec"), found)  # noqa: S102 - as Salt's loader does
    return found


def test_a_domain_with_its_admin(states: dict[str, Any], keystone: Keystone) -> None:
    def apply() -> list[dict[str, Any]]:
        return [
            states["domain_present"]("heat", AUTH, "users of stacks"),
            states["user_present"]("admin1", AUTH, "secret", domain="heat"),
            states["role_assigned"]("admin", AUTH, "admin1", user_domain="heat", project_domain="heat"),
        ]

    first = apply()
    assert [one["result"] for one in first] == [True] * 3
    assert all(one["changes"] for one in first)
    assert keystone.collections["users"][0]["domain_id"] == "ID-heat"
    assert keystone.assigned == ["/domains/ID-heat/users/ID-admin1/roles/ID-admin"]
    assert [one["changes"] for one in apply()] == [{}] * 3


def test_a_domain_that_is_not_there(states: dict[str, Any]) -> None:
    got = states["user_present"]("admin1", AUTH, "secret", domain="heat")
    assert (got["result"], got["comment"]) == (False, "there is no domain heat")
    states["__opts__"]["test"] = True
    assert states["user_present"]("admin1", AUTH, "secret", domain="heat")["result"] is None


def test_a_project_of_the_default_domain(states: dict[str, Any], keystone: Keystone) -> None:
    states["project_present"]("service", AUTH)
    states["user_present"]("glance", AUTH, "secret")
    got = states["role_assigned"]("admin", AUTH, "glance", "service")
    assert got["changes"] == {"glance in service": {"old": "", "new": "admin"}}
    assert keystone.collections["projects"][0]["domain_id"] == "default"
    assert keystone.assigned == ["/projects/ID-service/users/ID-glance/roles/ID-admin"]
