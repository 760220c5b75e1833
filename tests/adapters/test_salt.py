"""Real Salt takes its pillar and its top data from a model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.conftest import Salt

PILLAR = {"kind": "web", "nginx": {"port": 80, "name": "é"}, "secret": "of-web01"}
ABOUT = {
    "nodename": "web01.cloud",
    "applications": ["ntp", "nginx"],
    "classes": ["app", "role.${kind}"],
    "environment": "prod",
}


def check_pillar(pillar: dict[str, Any]) -> None:
    assert {key: pillar[key] for key in PILLAR} == PILLAR
    assert pillar["__reclass__"] == ABOUT
    assert pillar["_reclass_"]["name"]["full"] == "web01.cloud"


def test_without_a_master(salt: Salt) -> None:
    salt.configure("web01.cloud")
    check_pillar(salt.call("pillar.items", "unmask=True"))
    assert salt.call("state.show_top") == {"prod": ["ntp", "nginx"]}


def test_with_a_master(salt: Salt) -> None:
    salt.configure("web01.cloud")
    with salt.master():
        check_pillar(salt.call("pillar.items", "unmask=True", local=False))
        assert salt.call("state.show_top", local=False) == {"prod": ["ntp", "nginx"]}
        with salt.minion():
            applied = salt.ask("state.apply", "test=True")
    assert [chunk["__sls__"] for chunk in applied.values()] == ["ntp", "nginx"]


@pytest.mark.parametrize(
    ("minion", "options", "said"),
    [
        ("none.cloud", {}, "node 'none.cloud' does not exist"),
        ("bad.cloud", {}, "nodes/bad.cloud.yml:1: "),
        ("web01.cloud", {"timeout": 0.01}, "took more than 0.01 seconds"),
        ("web01.cloud", {"command": "/no/saltern"}, "there is no command '/no/saltern'"),
        ("web01.cloud", {"modle": "/x"}, "saltern takes model, command and timeout, but not modle"),
        ("web01.cloud", {"model": ""}, "saltern needs model"),
    ],
)
def test_errors_are_told(salt: Salt, minion: str, options: dict[str, Any], said: str) -> None:
    """Salt keeps them with the pillar, and applies nothing."""
    salt.configure(minion, ext_pillar=[{"saltern": {**salt.options, **options}}])
    pillar = salt.call("pillar.items", "unmask=True")
    assert "secret" not in pillar
    (error,) = pillar["_errors"]
    assert error.startswith("Failed to load ext_pillar saltern: ")
    assert said in error
