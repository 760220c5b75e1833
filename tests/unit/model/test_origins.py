"""Where values come from: the chain of places, in order, through references, lists and overwrites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ModelError
from saltern.model import Node, Options, Origin, load_inventory, open_inventory
from saltern.model.origins import effective, walk

Write = Callable[..., Path]


def chain(node: Node, path: str) -> list[tuple[str, str]]:
    return [(origin.kind.value, f"{origin.class_}:{origin.line}") for origin in node.origin(path)]


def node_of(write: Write, **files: str) -> Node:
    return load_inventory(write(**files)).nodes["n"]


def test_set_and_overwritten(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a, b]\nparameters:\n  x: 3\n", "classes/a": "parameters:\n  x: 1\n",
           "classes/b": "parameters:\n\n  x: 2\n  y: 5\n"},
    )  # fmt: skip
    assert chain(node, "x") == [("set", "a:2"), ("overwrote", "b:3"), ("overwrote", "n:3")]
    assert [origin.value for origin in node.origin("x")] == [1, 2, 3]
    assert chain(node, "y") == [("set", "b:4")]
    assert node.origin("nothing:at:all") == ()
    first = node.origin("x")[0]
    assert (first.file, first.line, first.column, first.path) == ("classes/a.yml", 2, 6, "x")


def test_dictionaries_and_lists_merge(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a]\nparameters:\n  d:\n    y: 2\n  l: [z]\n",
           "classes/a": "parameters:\n  d:\n    x: 1\n  l: [p, q]\n"},
    )  # fmt: skip
    assert chain(node, "d") == [("set", "a:2"), ("merged", "n:3")]
    assert chain(node, "d:x") == [("set", "a:3")]
    assert chain(node, "l") == [("set", "a:4"), ("merged", "n:5")]
    assert chain(node, "l:1") == [("set", "a:4")]
    assert chain(node, "l:2") == [("set", "n:5")]
    assert node.origin(("l", 2))[0].value == "z"


def test_replaced_lists_keep_their_history(model: Write) -> None:
    node = node_of(
        model, **{"nodes/n": "classes: [a]\nparameters:\n  ~l: [z]\n", "classes/a": "parameters:\n  l: [p]\n"}
    )
    assert node.parameters["l"] == ["z"]
    assert chain(node, "l") == [("set", "a:2"), ("overwrote", "n:3")]
    assert chain(node, "l:0") == [("set", "n:3")]


def test_constants(model: Write) -> None:
    node = node_of(model, **{"nodes/n": "parameters:\n  =c: 1\n"})
    assert node.origin("c")[0].constant


def test_references_tell_what_they_went_through(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a]\nparameters:\n  _param:\n    host: h2\n",
           "classes/a": "parameters:\n  _param:\n    host: h1\n    url: http://${_param:host}/\n"
                        "  app:\n    url: ${_param:url}\n"},
    )  # fmt: skip
    (origin,) = node.origin("app:url")
    assert (origin.value, origin.line, origin.interpolated) == ("${_param:url}", 6, True)
    (through,) = origin.references
    assert through.path == "_param:url"
    (inner,) = through.origins[0].references
    assert [(o.kind.value, o.value) for o in inner.origins] == [("set", "h1"), ("overwrote", "h2")]
    assert [o.value for o in walk(node.origin("app:url"))] == [
        "${_param:url}", "http://${_param:host}/", "h1", "h2",
    ]  # fmt: skip
    assert all(isinstance(o, Origin) and o.as_json()["file"] for o in walk(node.origin("app:url")))


def test_nested_references_tell_the_inner_one_too(model: Write) -> None:
    node = node_of(model, **{"nodes/n": "parameters:\n  v: two\n  x_two: 2\n  r: ${x_${v}}\n"})
    assert [through.path for through in node.origin("r")[0].references] == ["v", "x_two"]


def test_values_below_a_reference(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a]\nparameters:\n  used: {own: 1}\n",
           "classes/a": "parameters:\n  template:\n    t: 1\n    list: [x]\n  used: ${template}\n"},
    )  # fmt: skip
    assert node.parameters["used"] == {"t": 1, "list": ["x"], "own": 1}
    (origin,) = node.origin("used:t")
    assert (origin.value, origin.references[0].path) == ("${template}", "template:t")
    assert origin.references[0].origins[0].line == 3
    assert chain(node, "used:own") == [("set", "n:3")]
    (item,) = node.origin("used:list:0")
    assert item.references[0].origins[0].value == "x"


def test_items_that_a_reference_added_to_a_list(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a]\nparameters:\n  l: ${more}\n  more: [y]\n", "classes/a": "parameters:\n  l: [x]\n"},
    )
    assert node.parameters["l"] == ["x", "y"]
    assert chain(node, "l") == [("set", "a:2"), ("merged", "n:3")]
    (item,) = node.origin("l:1")
    assert (item.value, item.references[0].path) == ("${more}", "more:0")


def test_an_overwritten_reference_to_itself_ends(model: Write) -> None:
    node = node_of(model, **{"nodes/n": "classes: [a]\nparameters: {x: 1}", "classes/a": "parameters: {x: '${x}'}"})
    assert [origin.value for origin in node.origin("x")] == ["${x}", 1]


def test_automatic_parameters_have_no_file(model: Write) -> None:
    node = node_of(model, **{"nodes/n": ""})
    assert node.origin("_reclass_:environment")[0].file == ""


def test_exports_and_class_membership(model: Write) -> None:
    node = node_of(
        model,
        **{
            "nodes/n": "classes: [a]\nexports: {e: '${p}'}",
            "classes/a": "classes: [b]",
            "classes/b": "parameters: {p: 1}",
        },
    )
    assert node.exports == {"e": 1}
    assert node.export_origin("e")[0].references[0].origins[0].class_ == "b"
    assert [(m.name, m.chain, str(m.mark.place)) for m in node.memberships] == [
        ("a", ("n",), "nodes/n.yml:1:11"), ("b", ("n", "a"), "classes/a.yml:1:11"),
    ]  # fmt: skip


def shown(origins: Iterable[Origin]) -> list[Any]:
    """``kind class:line value`` of each origin, below it what it was made from."""
    found: list[Any] = []
    for origin in origins:
        found.append(f"{origin.kind} {origin.class_}:{origin.line} {origin.value}")
        for through in origin.references:
            path = ("exports:" if through.exports else "") + through.path
            found.append([f"{through.node}{'/' if through.node else ''}{path}", *shown(through.origins)])
    return found


def test_lists_of_three_classes(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a, b, c]\n", "classes/a": "parameters:\n  l: [p, q]\n  same: [s]\n",
           "classes/b": "parameters:\n  l:\n  - r\n  twice: ${same}\n",
           "classes/c": "parameters:\n  l: [s]\n  twice: ${same}\n"},
    )  # fmt: skip
    assert chain(node, "l") == [("set", "a:2"), ("merged", "b:2"), ("merged", "c:2")]
    assert [chain(node, f"l:{n}") for n in range(5)] == [
        [("set", "a:2")], [("set", "a:2")], [("set", "b:3")], [("set", "c:2")], [],
    ]  # fmt: skip
    assert [chain(node, f"twice:{n}") for n in range(2)] == [[("set", "b:4")], [("set", "c:3")]]


def test_what_an_overwrite_takes_away_has_no_part_in_what_comes_later(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a, b]\nparameters:\n  d: {x: 3}\n  l: [c]\n",
           "classes/a": "parameters:\n  d: {x: 1, y: 1}\n  l: [a]\n",
           "classes/b": "parameters:\n  ~d: {y: 2}\n  ~l: [b]\n"},
    )  # fmt: skip
    assert node.parameters == {"d": {"y": 2, "x": 3}, "l": ["b", "c"], "_reclass_": node.parameters["_reclass_"]}
    assert chain(node, "d:x") == [("set", "n:3")]
    assert chain(node, "d:y") == [("set", "a:2"), ("overwrote", "b:2")]
    assert chain(node, "l") == [("set", "a:3"), ("overwrote", "b:3"), ("merged", "n:4")]
    assert [chain(node, f"l:{n}") for n in range(2)] == [[("set", "b:3")], [("set", "n:4")]]
    assert [origin.line for origin in effective(node.origin("l"))] == [3, 4]


def test_null_is_replaced_and_not_merged_with(model: Write) -> None:
    node = node_of(
        model, **{"nodes/n": "classes: [a]\nparameters:\n  l: [x]\n", "classes/a": "parameters:\n  l: null\n"}
    )
    assert chain(node, "l") == [("set", "a:2"), ("overwrote", "n:3")]
    assert chain(node, "l:0") == [("set", "n:3")]


def test_a_list_over_a_scalar_has_it_as_its_first_item(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]\nparameters:\n  l: [x]\n", "classes/a": "parameters:\n  l: w\n"})
    node = load_inventory(root, options=Options(allow_list_over_scalar=True)).nodes["n"]
    assert node.parameters["l"] == ["w", "x"]
    assert chain(node, "l") == [("set", "a:2"), ("merged", "n:3")]
    assert [chain(node, f"l:{n}") for n in range(2)] == [[("set", "a:2")], [("set", "n:3")]]


def test_what_comes_after_a_constant_is_ignored(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes: [a, b]\nparameters:\n  c: 3\n  l: [y]\n", "classes/a": "parameters:\n  =c: 1\n",
           "classes/b": "parameters:\n  c: 2\n  =l: [x]\n"}
    )  # fmt: skip
    node = load_inventory(root, options=Options(strict_constant_parameters=False)).nodes["n"]
    assert (node.parameters["c"], node.parameters["l"]) == (1, ["x"])
    assert chain(node, "c") == [("set", "a:2"), ("ignored", "b:2"), ("ignored", "n:3")]
    assert [origin.value for origin in effective(node.origin("c"))] == [1]
    assert chain(node, "l:0") == [("set", "b:3")]


def test_a_reference_into_a_merged_dictionary(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [a, b]\nparameters:\n  port: ${db:port}\n  whole: ${db}\n",
           "classes/a": "parameters:\n  db: {host: h, port: 1}\n", "classes/b": "parameters:\n  db:\n    port: 2\n"},
    )  # fmt: skip
    port = ["db:port", "set a:2 1", "overwrote b:3 2"]
    assert shown(node.origin("port")) == ["set n:3 ${db:port}", port]
    assert shown(node.origin("whole:port")) == ["set n:4 ${db}", port]
    assert shown(node.origin("whole")) == ["set n:4 ${db}", ["db", "set a:2 None", "merged b:2 None"]]
    assert node.origin("whole:nothing") == ()


def test_a_reference_through_a_reference(model: Write) -> None:
    node = node_of(model, **{"nodes/n": "parameters:\n  a: {x: 1}\n  b: ${a}\n  c: ${b:x}\n  d: ${c}-${c}\n"})
    inner = ["c", "set n:4 ${b:x}", ["b:x", "set n:3 ${a}", ["a:x", "set n:2 1"]]]
    assert shown(node.origin("d")) == ["set n:5 ${c}-${c}", inner]


def test_a_key_that_is_no_text(model: Write) -> None:
    node = node_of(model, **{"nodes/n": "parameters:\n  l:\n  - 7: a\n    true: b\n"})
    assert chain(node, "l:0:7") == [("set", "n:3")]
    assert chain(node, "l:0:True") == [("set", "n:4")]


QUERIES = {
    "nodes/q": "parameters:\n  v: 1\n  all: $[ exports:a ]\n  names: $[ if exports:b == self:v ]\n"
    "  text: x $[ exports:a ]\n",
    "nodes/one": "exports:\n  a: ${p}\n  b: 1\nparameters:\n  p: 1\n",
    "nodes/two": "exports:\n  a: {deep: 2}\n",
}


def test_a_dictionary_by_reference_merges_below_its_top_too(model: Write) -> None:
    node = node_of(
        model,
        **{"nodes/n": "classes: [c1, c2]\n",
           "classes/c1": "parameters:\n  a:\n    l: [one]\n    k: {u: 1}\n  x: ${a}\n",
           "classes/c2": "parameters:\n  x:\n    l: [two]\n    ~k: {v: 2}\n"},
    )  # fmt: skip
    assert node.parameters["x"] == {"l": ["one", "two"], "k": {"v": 2}}
    assert shown(node.origin("x:l:0")) == ["set c1:5 ${a}", ["a:l:0", "set c1:3 one"]]
    assert shown(node.origin("x:l:1")) == ["set c2:3 two"]
    assert shown(node.origin("x:k:v")) == ["set c2:4 2"]
    assert node.origin("x:k:u") == ()


def test_what_comes_after_a_nested_constant_is_ignored(model: Write) -> None:
    write = model(
        **{"nodes/n": "classes: [c1, c2, c3]\n", "classes/c1": "parameters:\n  a: {k: 1}\n  x: ${a}\n",
           "classes/c2": "parameters:\n  x: {=k: 2}\n", "classes/c3": "parameters:\n  x: {k: 3}\n"}
    )  # fmt: skip
    node = open_inventory(write, options=Options(strict_constant_parameters=False)).node("n")
    assert node.parameters["x"] == {"k": 2}
    found = [(origin.kind, origin.class_, origin.constant) for origin in node.origin("x:k")]
    assert found == [("set", "c1", False), ("overwrote", "c2", True), ("ignored", "c3", False)]


def chained(count: int) -> str:
    lines = [f"  a{n}: ${{a{n + 1}}}" for n in range(count)]
    return "\n".join(["parameters:", *lines, f"  a{count}: 1", ""])


def test_a_long_chain_of_references(model: Write) -> None:
    node = node_of(model, **{"nodes/n": chained(150)})
    assert node.parameters["a0"] == 1
    assert len(list(walk(node.origin("a0")))) == 151


def test_a_chain_that_is_too_long_is_a_problem_with_its_place(model: Write) -> None:
    node = open_inventory(model(**{"nodes/n": chained(800)})).node("n")
    with pytest.raises(ModelError, match=r"references go too deep to tell where a[0-9]+ comes from") as raised:
        node.origin("a0")
    assert raised.value.problems[0].places[0].file == "nodes/n.yml"


def test_overwritten_references_to_each_other_are_traced_in_no_time(model: Write) -> None:
    names = [f"k{n}" for n in range(12)]
    every = " ".join(f"${{{name}:x}}" for name in names)
    loops = "\n".join(f"  {name}:\n    x: {every}" for name in names)
    literals = "\n".join(f"  {name}:\n    x: 1" for name in names)
    node = node_of(
        model, **{"nodes/n": f"classes: [a]\nparameters:\n{literals}\n", "classes/a": f"parameters:\n{loops}\n"}
    )
    first = node.origin("k0:x")
    assert [origin.kind for origin in first] == ["set", "overwrote"]
    assert [origin.value for origin in effective(first)] == [1]


def test_queries_tell_whose_exports_they_saw(model: Write) -> None:
    node = load_inventory(model(**QUERIES)).nodes["q"]
    assert node.parameters["all"] == {"one": 1, "two": {"deep": 2}}
    one = ["one/exports:a", "set one:2 ${p}", ["p", "set one:5 1"]]
    two = ["two/exports:a", "set two:2 None"]
    assert shown(node.origin("all")) == ["set q:3 $[ exports:a ]", one, two]
    assert shown(node.origin("all:one")) == ["set q:3 $[ exports:a ]", one]
    assert shown(node.origin("all:two:deep"))[1] == ["two/exports:a:deep", "set two:2 2"]
    assert node.origin("all:none") == ()
    assert shown(node.origin("text"))[1:] == [one, two]
    tested = [["one/exports:b", "set one:3 1"], ["v", "set q:2 1"]]
    assert (
        shown(node.origin("names")) == shown(node.origin("names:0")) == ["set q:4 $[ if exports:b == self:v ]", *tested]
    )


def test_generated_nodes_tell_what_their_definition_was_made_from(model: Write) -> None:
    nodes = load_inventory(
        model(
            **{"nodes/cfg": "classes: [defs]\nparameters:\n  _param: {base: 10.0.0}\n",
               "classes/defs": """\
                   parameters:
                     reclass:
                       storage:
                         node:
                           cmp:
                             name: cmp<<count>>
                             params:
                               gateway: ${_param:base}.1
                             repeat:
                               count: 1
                               ip_ranges: {pool: '${_param:base}.5-${_param:base}.9'}
                               params:
                                 address:
                                   value: <<pool>>
                                 other:
                                   value: gateway
                                   interpolate: true
                   """}
        )
    ).nodes  # fmt: skip
    node = nodes["cmp1"]
    assert node.parameters["_param"] == {"gateway": "10.0.0.1", "address": "10.0.0.5", "other": "10.0.0.1"}
    define = "reclass:storage:node:cmp:"
    base = ["_param:base", "set cfg:3 10.0.0"]
    gateway = [
        "set defs:8 10.0.0.1", [f"cfg/{define}params:gateway", "set defs:8 ${_param:base}.1", base]
    ]  # fmt: skip
    assert shown(node.origin("_param:gateway")) == gateway
    assert shown(node.origin("_param:address")) == [
        "set defs:14 10.0.0.5",
        [f"cfg/{define}repeat:params:address:value", "set defs:14 <<pool>>"],
        [f"cfg/{define}repeat:ip_ranges:pool", "set defs:11 ${_param:base}.5-${_param:base}.9", base],
    ]
    assert shown(node.origin("_param:other")) == [
        "set defs:16 ${_param:gateway}",
        [f"cfg/{define}repeat:params:other:value", "set defs:16 gateway"],
        ["_param:gateway", *gateway],
    ]
    assert shown(node.origin("linux:system:name")) == [
        "set defs:6 cmp1", [f"cfg/{define}name", "set defs:6 cmp<<count>>"]
    ]  # fmt: skip
    assert shown(node.origin("linux:system:cluster"))[0] == "set defs:5 default"
