"""Values that nodes share: one object where they are the same, and never another value than the node alone has."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from saltern.model import Inventory, Options, open_inventory

from .conftest import Write

CLASSES = {
    "classes/common": """
        parameters:
          _param: {port: 80, host: none, kind: plain, url: "http://${_param:host}:${_param:port}"}
          plain: {a: [1, {b: two}]}
          server: {port: "${_param:port}", url: "${_param:url}", names: ["${_param:host}"]}
          fixed: {p: "${_param:port}"}
          copy: ${server}
          nested: ${_param:of_${_param:kind}}
          layered: {items: ["${_param:host}"]}
        exports: {host: "${_param:host}", port: "${_param:port}"}
        """,
    "classes/more": """
        classes: [common]
        parameters:
          _param: {of_plain: 1, of_odd: "${server:url}"}
          layered: {items: ["${_param:port}"]}
          all: "$[ exports:host ]"
          ~plain: {c: "${_param:kind}"}
        """,
}
NODES = {
    "nodes/a": "{classes: [more], parameters: {_param: {host: a}}}",
    "nodes/b": "{classes: [more], parameters: {_param: {host: b, kind: odd}}}",
    "nodes/c": "{classes: [more], parameters: {_param: {host: a, port: 81}, server: {own: ['${_param:url}']}}}",
    "nodes/d": "{classes: [common], parameters: {_param: {of_plain: d}, server: {url: x}, new: {deep: '${copy:url}'}}}",
    "nodes/e": "{classes: [more], parameters: {_param: {host: a}}}",
}


def alone(inventory: Inventory, name: str) -> tuple[Any, Any]:
    """What the node's renderer makes of it without the others."""
    node = inventory.node(name)
    renderer = node.renderer.fresh()
    return renderer.value(node.flat.parameters), renderer.value(node.flat.exports)


@pytest.mark.parametrize("order", list(permutations("abcde"))[::7])
def test_whichever_node_is_first_each_has_its_own_values(model: Write, order: tuple[str, ...]) -> None:
    inventory = open_inventory(model(**CLASSES, **NODES))
    for name in order:
        node = inventory.node(name)
        assert (node.native_parameters, node.native_exports) == alone(inventory, name)
        assert list(node.native_parameters) == list(alone(inventory, name)[0])


def test_what_is_the_same_is_one_object(model: Write) -> None:
    inventory = open_inventory(model(**CLASSES, **NODES))
    a, b, c, e = (inventory.node(name).parameters for name in "abce")
    assert a["server"] is e["server"]
    assert a["server"] is a["copy"]
    assert a["server"] is not b["server"]
    assert a["fixed"] is b["fixed"]
    assert a["fixed"] is not c["fixed"]
    assert a["all"] is b["all"]


def test_a_node_may_replace_what_is_wrong_in_its_class(model: Write) -> None:
    broken = "parameters: {a: {x: '${no:such}', y: 1}, loop: {p: '${loop:q}', q: '${loop:p}'}}"
    own = "{classes: [c], parameters: {a: {x: 2}, loop: {q: 3}}}"
    inventory = open_inventory(model(**{"classes/c": broken, "nodes/n": own, "nodes/wrong": "classes: [c]"}))
    assert inventory.node("n").problems == ()
    assert inventory.node("n").parameters["a"] == {"x": 2, "y": 1}
    assert inventory.node("n").parameters["loop"] == {"p": 3, "q": 3}
    briefs = {problem.brief for problem in inventory.node("wrong").problems}
    assert briefs == {"reference to nothing: ${no:such}", "references form a loop"}


@pytest.mark.parametrize(
    ("below", "options"),
    [("'${no:such}'", Options()), ("[1, 2]", Options(allow_scalar_over_list=True))],
)
def test_every_node_is_warned(model: Write, below: str, options: Options) -> None:
    classes = {
        "classes/below": f"parameters: {{x: {{deep: [{{y: 1}}], z: {below}}}, again: '${{x:z}}'}}",
        "classes/above": "{classes: [below], parameters: {x: {z: 1}}}",
    }
    nodes = {f"nodes/{name}": "classes: [above]" for name in "ab"}
    inventory = open_inventory(model(**classes, **nodes), options=options)
    assert [inventory.node(name).parameters["x"]["z"] for name in "ab"] == [1, 1]
    warned = [[warning.brief for warning in inventory.node(name).warnings] for name in "ab"]
    assert len(warned[0]) == 1
    assert warned[0] == warned[1]


def test_types_that_json_lacks_are_changed_for_all(model: Write) -> None:
    root: Path = model(
        **{"classes/c": "parameters: {day: 2024-01-02, list: [{1: x}]}", "nodes/a": "classes: [c]", "nodes/b": ""}
    )
    node = open_inventory(root).node("a")
    assert node.parameters["day"] == "2024-01-02"
    assert node.parameters["list"] == [{"1": "x"}]
    assert node.native_parameters["list"] == [{1: "x"}]


def test_automatic_parameters_stay_where_a_class_and_a_node_add_to_them(model: Write) -> None:
    root = model(
        **{
            "classes/c": "parameters: {_reclass_: {foo: 1}}",
            "nodes/n": "{classes: [c], parameters: {_reclass_: {bar: 2}}}",
        }
    )
    found = open_inventory(root).node("n").parameters["_reclass_"]
    assert {"foo", "bar", "name", "environment"} == set(found)


def test_equal_is_not_the_same(model: Write) -> None:
    values = {"a": "-0.0", "b": "0.0", "c": "0", "d": "false"}
    nodes = {f"nodes/{name}": f"{{classes: [c], parameters: {{z: {value}}}}}" for name, value in values.items()}
    inventory = open_inventory(model(**{"classes/c": "parameters: {d: {x: '${z}'}}"}, **nodes))
    assert [repr(inventory.node(name).parameters["d"]["x"]) for name in values] == ["-0.0", "0.0", "0", "False"]


def test_a_set_may_be_referred_to(model: Write) -> None:
    root = model(**{"classes/c": "parameters: {s: !!set {a, b}, d: {x: '${s}'}}", "nodes/n": "classes: [c]"})
    assert open_inventory(root).node("n").parameters["d"]["x"] == ["a", "b"]


def test_warnings_while_a_query_looks_at_more_nodes(model: Write) -> None:
    definition = "reclass: {storage: {node: {x: {classes: [c]}, y: {classes: [c]}}}}"
    root = model(
        **{
            "classes/c": "{parameters: {others: '$[ exports:a ]'}, exports: {a: 1}}",
            "nodes/cfg": f"parameters: {{{definition}}}",
        }
    )
    inventory = open_inventory(root)
    assert inventory.node("x").name == "x"
    assert inventory.warnings == ()
