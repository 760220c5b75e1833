"""Schemas of formulas: found, checked against the rendered pillar, with the origin of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import Problem
from saltern.formulas.schemas import load_schemas, violations
from saltern.formulas.sources import Formula, bundled_root
from saltern.model import open_inventory
from tests.trees import write_tree

SCHEMA = """\
type: object
required: [host]
properties:
  host: {type: string}
  port: {description: A TCP port, type: integer}
  password: {type: string, minLength: 20}
  any: {anyOf: [{type: string, maxLength: 3}, {type: integer}]}
  users: {type: array, items: {type: object, additionalProperties: false, properties: {name: {type: string}}}}
"""


def write(root: Path, **files: str) -> Path:
    return write_tree(root, files)


def formula(tmp_path: Path, **files: str) -> Formula:
    return Formula("web", write(tmp_path / "formula", **files), origin="path")


def problems(tmp_path: Path, parameters: str, *, schema: str = SCHEMA) -> list[Problem]:
    model = write(tmp_path / "model", **{"nodes/n.yml": f"classes: [c]\nparameters:\n{parameters}",
                                         "classes/c.yml": "parameters: {_param: {text: x}}"})  # fmt: skip
    schemas, wrong = load_schemas([formula(tmp_path, **{"schemas/server.yml": schema})])
    assert wrong == ()
    return [*violations(open_inventory(model).node("n"), schemas)]


def test_a_right_pillar_and_a_node_without_the_role(tmp_path: Path) -> None:
    assert problems(tmp_path, "  web: {server: {host: a, port: 1}}\n") == []
    assert problems(tmp_path, "  web: {client: {port: x}}\n") == []


def test_a_violation_names_where_the_value_is_written(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "  web:\n    server:\n      host: a\n      port: ${_param:text}\n")
    assert problem.brief == "web:server:port: 'x' is not of type 'integer'"
    assert [str(place) for place in problem.places] == ["classes/c.yml:1:29", "nodes/n.yml:6:13"]
    assert problem.details.startswith("A TCP port. The schema is ")
    assert problem.node == "n"


def test_all_violations_are_told(tmp_path: Path) -> None:
    found = problems(tmp_path, "  web:\n    server:\n      port: x\n      users: [{name: a}, {nam: b}]\n")
    assert [(problem.brief, str(problem.places[0])) for problem in found] == [
        ("web:server: 'host' is a required property", "nodes/n.yml:4:5"),
        ("web:server:port: 'x' is not of type 'integer'", "nodes/n.yml:5:13"),
        (
            "web:server:users:1: Additional properties are not allowed ('nam' was unexpected)",
            "nodes/n.yml:6:26",
        ),
    ]
    assert found[-1].resolution == "Known keys: name."


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    text = "  web:\n    server: {host: a, password: hunter2, any: [hunter2]}\n"
    found = problems(tmp_path, text)
    assert [problem.brief for problem in found] == [
        "web:server:any: ['***'] is not valid under any of the given schemas",
        "web:server:password: the value, which is not shown, breaks minLength: 20",
    ]


@pytest.mark.parametrize(
    ("file", "pillar"),
    [
        ("schemas/server.json", ("web", "server")),
        ("web/schemas/controller.yaml", ("web", "controller")),
        ("schemas/web.yml", ("web",)),
    ],
)
def test_where_schemas_are(tmp_path: Path, file: str, pillar: tuple[str, ...]) -> None:
    (schema,), wrong = load_schemas([formula(tmp_path, **{file: "{}", "schemas/README.md": "text"})])
    assert (schema.path, wrong) == (pillar, ())


def test_a_formula_without_schemas(tmp_path: Path) -> None:
    assert load_schemas([formula(tmp_path, **{"web/init.sls": ""})]) == ((), ())


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("type: objekt", "the schema of the formula 'web' is wrong at type: 'objekt' is not valid"),
        ("- a", "the schema of the formula 'web' is wrong at its top level: it is no mapping but list"),
        ("a: [", "wrong YAML: "),
    ],
)
def test_a_wrong_schema_is_a_problem_with_its_file(tmp_path: Path, text: str, brief: str) -> None:
    schemas, (problem,) = load_schemas([formula(tmp_path, **{"schemas/server.yml": text})])
    assert schemas == ()
    assert problem.brief.startswith(brief)
    assert problem.places[0].file.endswith("schemas/server.yml")


def test_nothing_is_fetched_for_a_schema(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "  web: {server: {a: 1}}\n", schema="{$ref: 'http://127.0.0.1:9/x.json'}")
    assert "refers to something that is not in it" in problem.brief


def test_a_bundled_formula_is_asked_only_where_a_node_has_a_class_of_it(tmp_path: Path) -> None:
    bundled = Formula("web", write(tmp_path / "formula", **{"schemas/server.yml": SCHEMA, "classes/one.yml": ""}))
    wrong = "parameters: {web: {server: {port: x}}}\n"
    model = write(tmp_path / "model", **{"nodes/own.yml": wrong, "nodes/its.yml": f"classes: [service.web.one]\n{wrong}",
                                         "classes/a.yml": ""})  # fmt: skip
    inventory = open_inventory(model, class_paths={"service.web": bundled.root / "classes"})
    schemas, _ = load_schemas([bundled])
    assert [*violations(inventory.node("own"), schemas)] == []
    assert len([*violations(inventory.node("its"), schemas)]) == 2


def test_an_old_dialect_is_checked_by_its_own_rules(tmp_path: Path) -> None:
    schema = "$schema: http://json-schema.org/draft-04/schema#\nproperties: {n: {maximum: 3, exclusiveMaximum: true}}"
    (problem,) = problems(tmp_path, "  web: {server: {n: 3}}\n", schema=schema)
    assert problem.brief.startswith("web:server:n: 3 is greater than or equal to the maximum of 3")


def test_every_bundled_formula_has_a_schema_for_each_role_with_classes() -> None:
    for root in sorted(bundled_root().iterdir()):
        roles = {path.stem for path in (root / "metadata" / "service").iterdir()}
        schemas, wrong = load_schemas([Formula(root.name, root)])
        assert wrong == ()
        assert {schema.path for schema in schemas} == {(root.name, role) for role in roles}
