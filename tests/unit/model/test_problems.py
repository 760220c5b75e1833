"""Bad models: one clear problem each, with its place, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import ModelError, Problem
from saltern.model import Inventory, Options, load_inventory, open_inventory
from saltern.model.location import read_location

Write = Callable[..., Path]


def problems_of(root: Path, **options: object) -> tuple[Problem, ...]:
    with pytest.raises(ModelError) as caught:
        load_inventory(root, **options)  # type: ignore[arg-type]
    return caught.value.problems


def the_problem(root: Path, **options: object) -> Problem:
    (problem,) = problems_of(root, **options)
    return problem


def places(problem: Problem) -> list[str]:
    return [str(place) for place in problem.places]


def test_unknown_class_tells_who_asked_and_what_comes_close(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]", "classes/a": "classes:\n- system.keystone.sever\n",
                    "classes/system/keystone/server": ""})  # fmt: skip
    problem = the_problem(root)
    assert problem.brief == "class 'system.keystone.sever' does not exist"
    assert places(problem) == ["classes/a.yml:2:3"]
    assert problem.chain == ("n", "a")
    assert "n → a" in problem.details
    assert "'system.keystone.server'" in problem.resolution


def test_a_class_that_two_nodes_miss_is_told_once(model: Write) -> None:
    root = model(**{"nodes/n1": "classes: [a]", "nodes/n2": "classes: [a]", "classes/a": "classes: [gone]"})
    problem = the_problem(root)
    assert "The same in 1 other node: n2." in problem.details
    assert problem.node == "n1"


def test_missing_classes_can_be_ignored_by_pattern_with_a_warning(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [service.x, other]"})
    options = Options(ignore_class_notfound=True, ignore_class_notfound_regexp=("service.*",))
    assert the_problem(root, options=options).brief == "class 'other' does not exist"
    everything = load_inventory(root, options=Options(ignore_class_notfound=True))
    assert [warning.brief for warning in everything.warnings] == [
        "class 'service.x' does not exist and is skipped",
        "class 'other' does not exist and is skipped",
    ]
    assert everything.nodes["n"].classes == ("service.x", "other")


def test_class_that_includes_itself(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]", "classes/a": "classes: [b]", "classes/b": "classes: [a]"})
    problem = the_problem(root)
    assert problem.brief == "class 'a' includes itself"
    assert problem.details == "a → b → a"
    assert places(problem) == ["classes/b.yml:1:11"]


def test_reference_to_nothing(model: Write) -> None:
    root = model(**{"nodes/n": "parameters:\n  db: {host: x}\n  conn: mysql://${db:hots}/\n"})
    problem = the_problem(root)
    assert problem.brief == "reference to nothing: ${db:hots}"
    assert places(problem) == ["nodes/n.yml:3:9"]
    assert "'db' has no key 'hots'" in problem.details
    assert "Needed by conn" in problem.details
    assert problem.resolution == "Did you mean ${db:host}?"


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("${a:b}", "'a' is a scalar"),
        ("${l:7}", "a list of 1"),
        ("${l:x}", "no index"),
        ("${no}", "the node has no key"),
    ],
)
def test_reference_to_nothing_says_how_far_the_path_goes(model: Write, text: str, details: str) -> None:
    problem = the_problem(model(**{"nodes/n": f"parameters: {{a: 1, l: [1], r: '{text}'}}"}))
    assert details in problem.details


def test_what_many_values_need_is_told_once(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {a: '${gone}', b: '${a}', c: '${b}-${a}', d: ['${c}']}"})
    assert places(the_problem(root)) == ["nodes/n.yml:1:17"]


def test_reference_loop_names_every_step(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [c]\nparameters:\n  a: ${b}\n", "classes/c": "parameters:\n  b: x-${a}\n"})
    problem = problems_of(root)[0]
    assert problem.brief == "references form a loop"
    assert set(places(problem)) == {"nodes/n.yml:3:6", "classes/c.yml:2:6"}
    assert "→" in problem.details


@pytest.mark.parametrize(
    "parameters",
    ["a: {b: '${a}'}", "a: {b: 'x${a}'}", "a: ['${a}']", "a: {x: '${b}'}, b: {y: '${a}'}", "a: '${a}'", "a: '${a:b}'"],
)
def test_values_inside_themselves_are_loops(model: Write, parameters: str) -> None:
    for problem in problems_of(model(**{"nodes/n": f"parameters: {{{parameters}}}"})):
        assert "loop" in problem.brief or "itself" in problem.brief


def test_a_loop_is_told_once_whichever_value_leads_into_it(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {a: '${b}', b: '${c}', c: '${a}', d: '${b}'}"})
    assert places(the_problem(root)) == ["nodes/n.yml:1:17", "nodes/n.yml:1:28", "nodes/n.yml:1:39"]


def test_references_that_grow_for_ever_end(model: Write) -> None:
    root = model(
        **{"nodes/n": "classes: [c]\nparameters: {a: '${b}', b: {x: '${a}'}}", "classes/c": "parameters: {a: {q: 1}}"}
    )
    assert problems_of(root)


def test_wrong_yaml_in_several_files_at_once(model: Write) -> None:
    root = model(**{"nodes/n1": "a: [", "nodes/n2": "classes: [c]", "classes/c": "a: b: c"})
    assert sorted(place for problem in problems_of(root) for place in places(problem)) == [
        "classes/c.yml:1:5",
        "nodes/n1.yml:2:1",
    ]


def test_duplicate_keys_are_warnings_and_problems_when_strict(model: Write) -> None:
    root = model(**{"nodes/n": "parameters:\n  a: 1\n  a: 2\n"})
    (warning,) = load_inventory(root).warnings
    assert places(warning) == ["nodes/n.yml:2:3", "nodes/n.yml:3:3"]
    assert the_problem(root, strict=True) == warning


def test_unknown_top_level_key_is_a_warning(model: Write) -> None:
    (warning,) = load_inventory(model(**{"nodes/n": "parameter: {a: 1}"})).warnings
    assert "'parameter'" in warning.brief
    assert warning.resolution == "Did you mean 'parameters'?"
    assert places(warning) == ["nodes/n.yml:1:1"]


def test_constant_changed(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [c]\nparameters: {a: 2}", "classes/c": "parameters: {=a: 1}"})
    problem = the_problem(root)
    assert problem.brief == "a constant is changed"
    assert places(problem) == ["classes/c.yml:1:18", "nodes/n.yml:2:17"]
    lenient = load_inventory(root, options=Options(strict_constant_parameters=False))
    assert lenient.nodes["n"].parameters["a"] == 1


CONFLICTS = [
    ("{k: 1}", "[1]", "a list cannot be merged over a dictionary", None),
    ("{k: 1}", "2", "a scalar cannot be merged over a dictionary", "allow_scalar_over_dict"),
    ("[1]", "{k: 1}", "a dictionary cannot be merged over a list", None),
    ("[1]", "2", "a scalar cannot be merged over a list", "allow_scalar_over_list"),
    ("[1]", "null", "a null cannot be merged over a list", "allow_none_override"),
    ("1", "{k: 1}", "a dictionary cannot be merged over a scalar", "allow_dict_over_scalar"),
    ("1", "[1]", "a list cannot be merged over a scalar", "allow_list_over_scalar"),
]


@pytest.mark.parametrize(("below", "above", "brief", "option"), CONFLICTS)
def test_type_conflicts(model: Write, below: str, above: str, brief: str, option: str | None) -> None:
    root = model(**{"nodes/n": f"classes: [c]\nparameters: {{a: {above}}}", "classes/c": f"parameters: {{a: {below}}}"})
    problem = the_problem(root)
    assert problem.brief == brief
    assert [place.split(":")[0] for place in places(problem)] == ["classes/c.yml", "nodes/n.yml"]
    if option:
        load_inventory(root, options=Options(**{option: True}))  # type: ignore[arg-type]


WRONG_SHAPES = [
    *(
        "classes: a",
        "classes: [1]",
        "classes: [a b]",
        "classes: ['${gone}']",
        "applications: {a: 1}",
        "exports: 1",
        "[1]",
    ),
    *("parameters: []", "parameters: {a: '${'}", "parameters: {a: '${}'}", "parameters: {a: '$[x'}"),
    "parameters: {a: '$[ if 1 == 2 ]'}",
]


@pytest.mark.parametrize("text", WRONG_SHAPES)
def test_wrong_shapes_have_a_place(model: Write, text: str) -> None:
    problem = the_problem(model(**{"nodes/n": text}))
    assert problem.places[0].file == "nodes/n.yml"
    assert problem.places[0].line == 1


def test_a_query_never_slips_through_as_text(model: Write) -> None:
    root = model(**{"nodes/n": "exports: {a: '$[ exports:b ]'}\nparameters: {p: '$[ exports:a ]'}"})
    assert "exports" in problems_of(root)[0].brief.lower() + problems_of(root)[0].details


def test_missing_folders(tmp_path: Path) -> None:
    assert [problem.brief for problem in problems_of(tmp_path)] == [
        "the model has no folder nodes/",
        "the model has no folder classes/",
    ]


def test_two_files_of_one_name(model: Write) -> None:
    root = model(**{"nodes/a/n": "", "nodes/b/n": ""})
    assert "two files define 'n'" in the_problem(root).brief


def test_unknown_node(model: Write) -> None:
    inventory: Inventory = open_inventory(model(**{"nodes/keystone": ""}))
    with pytest.raises(ModelError) as caught:
        inventory.node("keystne")
    assert caught.value.problems[0].resolution == "Did you mean keystone?"


def test_overwritten_references_are_warnings(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [c]\nparameters: {a: 1}", "classes/c": "parameters: {a: '${gone}'}"})
    inventory = load_inventory(root)
    assert inventory.nodes["n"].parameters["a"] == 1
    (warning,) = inventory.warnings
    assert places(warning) == ["classes/c.yml:1:17", "nodes/n.yml:2:17"]
    options = Options(ignore_overwritten_missing_references=False)
    assert the_problem(root, options=options).brief == "reference to nothing: ${gone}"


def test_a_list_that_is_lost_where_an_option_permits_it_is_a_warning(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]\nparameters:\n  l: x\n", "classes/a": "parameters:\n  l: [1, 2]\n"})
    (warning,) = load_inventory(root, options=Options(allow_scalar_over_list=True)).warnings
    assert (warning.brief, warning.kind) == ("a scalar replaces a list", "lost-value")
    assert places(warning) == ["classes/a.yml:2:3", "nodes/n.yml:3:6"]


@pytest.mark.parametrize("classes", [r"'a.\3'", r"'a.\g<x>'"])
def test_a_class_mapping_with_a_group_that_its_regexp_lacks(model: Write, classes: str) -> None:
    mapping = f"/^n/ {classes}"
    problem = the_problem(model(**{"nodes/n": ""}), options=Options(class_mappings=(mapping,)))
    assert problem.brief.startswith(f"class mapping {mapping!r} cannot be read: ")


def test_problems_of_class_mappings_have_the_place_of_the_option(model: Write) -> None:
    root = model(**{"nodes/n": "classes: []"})
    (root / "reclass-config.yml").write_text(
        "compose_node_name: true\nclass_mappings: ['* gone', '* \"${no}\"', '/(/ a', '* \"${\"']\n"
    )
    location = read_location(root)
    found = {problem.brief: problem for problem in problems_of(root, options=location.options)}
    assert {tuple(places(problem)) for problem in found.values()} == {("reclass-config.yml:2:1",)}
    assert found["class 'gone' does not exist"].details == "Asked for by n. By the class mapping '* gone'."
    assert len(found) == 4
    without = problems_of(root, options=replace(location.options, class_mappings_place=None))
    assert [(problem.brief, problem.places) for problem in without] == [(brief, ()) for brief in found]


def test_a_class_that_a_mapping_gives_and_nobody_has_is_skipped_with_the_mapping(model: Write) -> None:
    options = Options(class_mappings=("* gone",), ignore_class_notfound=True)
    (warning,) = load_inventory(model(**{"nodes/n": ""}), options=options).warnings
    assert (warning.places, warning.details) == ((), "By the class mapping '* gone'.")
