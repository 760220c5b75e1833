"""Nodes without files: definitions in ``reclass:storage:node``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from saltern.base.errors import ModelError
from saltern.model import Options, load_inventory, open_inventory

Write = Callable[..., Path]

DEFINITIONS = """
classes: [master]
parameters:
  _param: {master: 10.0.0.2}
  reclass:
    storage:
      node:
        db:
          name: db01
          domain: cloud.local
          classes: [role, '.near']
          params:
            address: ${_param:master}
            late: \\${_param:address}
            number: '5'
          parameters: {more: {x: 1}}
        compute:
          name: cmp<<count>>
          domain: cloud.local
          classes: [role]
          repeat:
            count: 2
            start: 9
            digits: 2
            ip_ranges: {pool: 10.2.0.254-10.2.1.9}
            network_ranges: {net: 10.3.0.1/24-10.3.9.1/24}
            params:
              address: {value: 10.1.0.<<count>>, start: 101}
              padded: {value: n<<count>>, digits: 3}
              picked: {value: <<pool>>}
              subnet: {value: <<net>>}
              linked: {value: cmp<<count>>_x, interpolate: true}
          params: {cmp1_x: one, cmp2_x: two}
"""
CLASSES = {
    "classes/master": "",
    "classes/role": "parameters: {seen: '${_param:address}'}",
    "classes/db01/cloud/near": "",
}


def test_a_definition_is_a_node_as_its_generated_file_would_be(model: Write) -> None:
    root = model(**{"nodes/cfg": DEFINITIONS, **CLASSES})
    inventory = load_inventory(root)
    assert list(inventory.nodes) == ["cfg", "cmp09.cloud.local", "cmp10.cloud.local", "db01.cloud.local"]
    node = inventory.nodes["db01.cloud.local"]
    assert (node.definer, node.classes) == ("cfg", ("role", "db01.cloud.near"))
    parameters = node.parameters
    assert parameters["_param"] == {"address": "10.0.0.2", "late": "10.0.0.2", "number": "5"}
    assert parameters["linux"]["system"] == {
        "name": "db01", "domain": "cloud.local", "cluster": "default", "environment": "prd",
    }  # fmt: skip
    assert (parameters["seen"], parameters["more"]) == ("10.0.0.2", {"x": 1})
    (origin,) = node.origin("_param:address")
    assert (origin.file, origin.line, origin.class_) == ("nodes/cfg.yml", 13, "cfg")


def test_repeat(model: Write) -> None:
    nodes = load_inventory(model(**{"nodes/cfg": DEFINITIONS, **CLASSES})).nodes
    keys = ("address", "padded", "picked", "subnet", "linked")
    found = [[nodes[f"cmp{n}.cloud.local"].parameters["_param"][key] for key in keys] for n in ("09", "10")]
    assert found == [
        ["10.1.0.101", "n001", "10.2.0.254", "10.3.0.1", "one"],
        ["10.1.0.102", "n002", "10.2.0.255", "10.3.1.1", "two"],
    ]


def test_a_file_of_the_same_name_wins(model: Write) -> None:
    root = model(**{"nodes/cfg": DEFINITIONS, "nodes/db01.cloud.local": "parameters: {mine: true}", **CLASSES})
    node = load_inventory(root).nodes["db01.cloud.local"]
    assert (node.definer, node.parameters["mine"]) == ("", True)


def test_off(model: Write) -> None:
    root = model(**{"nodes/cfg": DEFINITIONS, **CLASSES})
    assert list(load_inventory(root, options=Options(generated_nodes=False)).nodes) == ["cfg"]
    assert open_inventory(root).node("cmp10.cloud.local").short == "cmp10"


@pytest.mark.parametrize(
    ("definition", "brief"),
    [
        ("{repeat: {count: many}}", "count is no number"),
        ("{classes: role}", "classes is no list"),
        ("{repeat: {count: 9, ip_ranges: {p: 10.0.0.1-10.0.0.2}}}", "holds 2 addresses, but 9 nodes need one"),
        ("{repeat: {count: 1, ip_ranges: {p: 10.0.0.1}}}", "is no range"),
        ("{repeat: {count: 1, ip_ranges: {p: a-b}}}", "'a' does not appear to be"),
    ],
)
def test_wrong_definitions(model: Write, definition: str, brief: str) -> None:
    root = model(**{"nodes/cfg": f"parameters:\n  reclass: {{storage: {{node: {{x: {definition}}}}}}}\n"})
    with pytest.raises(ModelError) as caught:
        load_inventory(root)
    (problem,) = caught.value.problems
    assert brief in problem.brief
    assert (problem.places[0].file, problem.places[0].line) == ("nodes/cfg.yml", 2)


def test_two_definitions_of_one_node(model: Write) -> None:
    text = "parameters: {reclass: {storage: {node: {x: {name: same}}}}}"
    inventory = load_inventory(model(**{"nodes/a": text, "nodes/b": text}))  # real models do that: one per master
    assert inventory.nodes["same"].definer == "a"
    (warning,) = inventory.warnings
    assert "'same' is defined twice" in warning.brief


ASKING = {
    "nodes/g": "parameters: {all: '$[ exports:n ]'}\nexports: {n: g}",
    "nodes/src": """
        parameters:
          names: $[ exports:n ]
          reclass: {storage: {node: {one: {domain: gen, classes: [exporting], params: {p: '${names:src}'}}}}}
        exports: {n: s}
        """,
    "classes/exporting": "exports: {n: '${_param:p}'}",
}
NAMES = {"g": "g", "one.gen": "s", "src": "s"}


@pytest.mark.parametrize("first", ["", "one.gen", "src", "g"])
def test_a_definition_that_asks_a_query_gives_the_same_in_any_order(model: Write, first: str) -> None:
    inventory = open_inventory(model(**ASKING))
    if first:
        assert inventory.node(first).parameters
    for now in (inventory, inventory.refreshed()):
        assert now.node("src").parameters["names"] == NAMES
        assert now.node("g").parameters["all"] == NAMES
        assert "one.gen" in now.nodes
        assert list(now.nodes) == ["g", "one.gen", "src"]
        assert now.node("one.gen").parameters["_param"] == {"p": "s"}


def test_a_definition_that_asks_a_query_is_made_again_when_its_answer_is_another(model: Write) -> None:
    root = model(**ASKING)
    inventory = load_inventory(root)
    files = {**ASKING, "nodes/src": ASKING["nodes/src"].replace("${names:src}", "${names:g}")}
    model(**files)
    inventory = inventory.refreshed()
    assert inventory.node("one.gen").parameters["_param"] == {"p": "g"}
    model(**{"nodes/g": "exports: {n: other}"})
    assert inventory.refreshed().node("one.gen").parameters["_param"] == {"p": "other"}


def test_the_warnings_of_a_node_that_asks_a_query(model: Write) -> None:
    inventory = open_inventory(model(**ASKING))
    assert inventory.node("g").name == "g"
    assert inventory.warnings == ()
