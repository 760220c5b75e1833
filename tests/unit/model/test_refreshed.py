"""An inventory that was opened before: only what a change touches is read, merged and rendered again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from saltern.base.errors import ModelError
from saltern.model import Inventory, open_inventory

from .conftest import Write

FILES = {
    "classes/one": "parameters: {x: 1, y: '${x}'}",
    "classes/two": "{classes: [one], parameters: {z: '${y}'}, exports: {z: '${z}'}}",
    "classes/other": "parameters: {o: 1}",
    "nodes/a": "classes: [two]",
    "nodes/b": "classes: [other]",
    "nodes/asking": "{classes: [other], parameters: {all: '$[ exports:z ]'}}",
}


def rendered(inventory: Inventory) -> dict[str, object]:
    return {name: node.parameters for name, node in inventory.nodes.items() if not node.problems}


def test_only_what_uses_the_class_is_made_again(model: Write) -> None:
    root = model(**FILES)
    before = open_inventory(root)
    old = rendered(before)
    model(**{"classes/one": "parameters: {x: 2222, y: '${x}'}"})
    after = before.refreshed()
    assert rendered(after) == rendered(open_inventory(root))
    assert after.node("a").parameters["z"] == 2222
    assert after.node("asking").parameters["all"] == {"a": 2222}
    assert after.node("a").flat is not before.node("a").flat
    assert after.node("asking").flat is before.node("asking").flat
    assert after.node("b").native_parameters is before.node("b").native_parameters
    assert rendered(before) == old


def test_a_file_that_was_only_touched_is_not_read_again(model: Write) -> None:
    root = model(**FILES)
    before = open_inventory(root)
    rendered(before)
    os.utime(root / "classes/one.yml", ns=(1, 1))
    assert before.refreshed().node("a").flat is before.node("a").flat


def test_nodes_and_classes_come_and_go(model: Write) -> None:
    root = model(**FILES)
    before = open_inventory(root)
    rendered(before)
    (root / "nodes/b.yml").unlink()
    model(**{"nodes/c": "classes: [new]", "classes/new": "parameters: {n: 1}"})
    after = before.refreshed()
    assert rendered(after) == rendered(open_inventory(root))
    (root / "classes/new.yml").unlink()
    (problem,) = after.refreshed().node("c").problems
    assert problem.brief == "class 'new' does not exist"


def test_generated_nodes_follow_their_definitions(model: Write) -> None:
    define = "reclass: {storage: {node: {one: {domain: d, classes: [other], params: {p: %s}}}}}"
    root = model(**FILES, **{"nodes/cfg": f"parameters: {{{define % 1}}}"})
    before = open_inventory(root)
    rendered(before)
    model(**{"classes/one": "parameters: {x: 3333, y: 4}"})
    same = before.refreshed()
    assert same.node("one.d").native_parameters is before.node("one.d").native_parameters
    model(**{"nodes/cfg": f"parameters: {{{define % 2222}}}"})
    assert same.refreshed().node("one.d").parameters["_param"] == {"p": 2222}
    model(**{"nodes/cfg": "parameters: {}"})
    assert "one.d" not in same.refreshed().nodes


def test_warnings_and_problems_stay(model: Write) -> None:
    files = {"classes/w": "parameters: {v: '${no:such}'}", "classes/v": "{classes: [w], parameters: {v: 1}}"}
    before = open_inventory(
        model(**FILES, **files, **{"nodes/w": "classes: [v]", "nodes/p": "parameters: {p: '${q}'}"})
    )
    rendered(before)
    after = before.refreshed()
    assert after.node("p").problems == before.node("p").problems
    assert len(after.warnings) == 1
    assert after.warnings == before.warnings


def test_a_file_that_is_wrong_now(model: Write) -> None:
    root: Path = model(**FILES)
    before = open_inventory(root)
    rendered(before)
    model(**{"classes/one": "parameters: ["})
    with pytest.raises(ModelError, match="wrong YAML"):
        _ = before.refreshed().node("a").parameters
