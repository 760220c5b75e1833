"""The allow list: which warnings it takes away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from saltern.base.errors import ModelError, Place, Problem
from saltern.base.schema import load_schema
from saltern.model import load_inventory
from saltern.model.allow import Allowance, without_allowed
from saltern.model.kinds import WarningKind

Write = Callable[..., Path]


def warning(kind: str, *files: str) -> Problem:
    return Problem("strange", tuple(Place(file, 1) for file in files), kind=kind)


def test_every_place_must_be_in_the_files() -> None:
    allowed = (Allowance("unused-class", "classes/system/*"),)
    inside = warning("unused-class", "classes/system/nova/init.yml")
    partly = warning("unused-class", "classes/system/a.yml", "classes/cluster/a.yml")
    other = warning("tab", "classes/system/nova/init.yml")
    assert without_allowed([inside, partly, other], allowed) == (partly, other)


def test_a_warning_without_a_place_is_in_every_file() -> None:
    assert without_allowed([warning("salt")], (Allowance("salt"),)) == ()


def test_the_schema_knows_all_kinds() -> None:
    schema = load_schema("saltern.model", "settings")
    kinds = schema["properties"]["check"]["properties"]["allow"]["items"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(WarningKind)


def test_what_is_allowed_is_no_error_with_strict(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {a: 1, a: 2}", "nodes/m": "paramters: {}"})
    allowed = (Allowance("duplicate-key", "nodes/n.yml"),)
    with pytest.raises(ModelError) as caught:
        load_inventory(root, strict=True, allowed=allowed)
    assert [problem.kind for problem in caught.value.problems] == ["unknown-key"]
    assert load_inventory(root, strict=True, allowed=(*allowed, Allowance("unknown-key"))).nodes
