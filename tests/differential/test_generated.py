"""Nodes that definitions make are what the reference makes of the files that the community's tool would write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.model import Options
from tests.golden.models import Case, model_cases

from .outcome import Result, assert_equal, saltern
from .reference import Reference

CASES = [case for case in model_cases() if "generated" in case.root.name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.root.name)
def test_files_and_definitions_make_the_same_nodes(case: Case, tmp_path: Path, reference: Reference) -> None:
    root = tmp_path / "model"
    shutil.copytree(case.root, root)
    generated = _write_files(root, reference)
    assert generated
    theirs = reference.nodes(root, {})
    assert_equal(theirs, saltern(case.root, Options()), f"generated: {', '.join(generated)}")


def _write_files(root: Path, reference: Reference) -> list[str]:
    """Files for all definitions in what the reference renders; returns the nodes' names."""
    (root / "nodes" / "_generated").mkdir()
    present = {path.stem for path in (root / "nodes").rglob("*.yml")}
    written: list[str] = []
    for _, outcome in sorted(reference.nodes(root, {}).items()):
        assert isinstance(outcome, Result), outcome
        definitions = outcome.parameters.get("reclass", {}).get("storage", {}).get("node", {})
        for key, definition in definitions.items():
            for name, params in _repeated({"name": key, **definition}):
                full = ".".join(filter(None, (name, definition.get("domain"))))
                if full in present or full in written:  # the node that comes first defines it
                    continue
                content = _content(name, definition, params)
                (root / "nodes" / "_generated" / f"{full}.yml").write_text(yaml.safe_dump(content))
                written.append(full)
    return written


def _content(name: str, definition: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    system = {
        "name": name,
        "domain": definition.get("domain", ""),
        "cluster": definition.get("cluster", "default"),
        "environment": definition.get("environment", "prd"),
    }
    own = {"_param": {**definition.get("params", {}), **params}, definition.get("kernel", "linux"): {"system": system}}
    return {"classes": definition.get("classes", []), "parameters": {**own, **definition.get("parameters", {})}}


def _repeated(definition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    repeat = definition.get("repeat")
    for index in range(repeat["count"]) if repeat else ():
        params = {key: _counted(param["value"], param, index) for key, param in repeat.get("params", {}).items()}
        yield _counted(definition["name"], repeat, index), params
    if not repeat:
        yield definition["name"], {}


def _counted(text: str, counter: Mapping[str, Any], index: int) -> str:
    number = str(counter.get("start", 1) + index).rjust(counter.get("digits", 1), "0")
    return text.replace("<<count>>", number)
