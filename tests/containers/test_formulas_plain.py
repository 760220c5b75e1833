"""The bundled formulas as what they are, ordinary Salt formulas: plain Salt makes running services of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from saltern.formulas.metadata import read_metadata

from .plainsalt import ORDER, ROOT, PlainMachine, applied_machines

BASES = ("debian-12", "debian-13") if os.environ.get("SALTERN_TESTS_FULL") else ("debian-12",)


@pytest.fixture(scope="module", params=BASES)
def machines(request: pytest.FixtureRequest) -> Iterator[dict[str, PlainMachine]]:
    if request.param == "debian-12":
        yield request.getfixturevalue("plain")
        return
    with applied_machines(ROOT / "examples" / "single", request.param) as made:
        yield made


@pytest.mark.parametrize("name", ORDER)
def test_service_does_what_it_is_for(machines: dict[str, PlainMachine], name: str) -> None:
    path = f"path=salt://{name}/meta/verify.yml"
    content = machines[name].salt("slsutil.renderer", path, "default_renderer=jinja|yaml")
    checks = read_metadata(name, {name: {"verify": content}}).checks
    assert checks
    for check in checks:
        proof = machines[name].proof(check)
        assert not any(secret in proof for key, secret in check.environment.items() if "PASSWORD" in key)
        print(proof)  # noqa: T201 - shown with -rP


@pytest.mark.parametrize("name", ORDER)
def test_second_apply_changes_nothing(machines: dict[str, PlainMachine], name: str) -> None:
    results = machines[name].apply(name)
    assert not _failed(results)
    assert {tag: result["changes"] for tag, result in results.items() if result["changes"]} == {}


def test_no_password_in_what_salt_tells(machines: dict[str, PlainMachine]) -> None:
    results = machines["keystone"].salt("state.apply", "keystone", "test=True")
    assert "example-" not in str(results)


def _failed(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {tag: result["comment"] for tag, result in results.items() if result["result"] is not True}
