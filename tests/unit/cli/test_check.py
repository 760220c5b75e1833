"""``saltern check``: everything that is wrong is told at once, and nothing hides anything else."""

from __future__ import annotations

from saltern.base.errors import ExitCode
from tests.unit.cli.test_cli import Model, model, place

__all__ = ["model"]


def test_the_model_alone_needs_no_worker(model: Model) -> None:
    model.write({"../formula/web/init.sls": "{% for %}\n"})
    said = model("check", "--model-only", "--worker", "container")
    assert (said.code, said.out) == (ExitCode.OK, "1 node: no errors, 0 warnings\n"), said.err
    assert model("check", "--model-only", "--json").json == {"nodes": 1, "states": None, "warnings": []}


def test_all_kinds_of_problems_in_one_run(model: Model) -> None:
    model.write(
        {
            "nodes/a.yml": "classes:\n- gone\n",
            "nodes/b.yml": "parameters:\n  x: ${nothing}\n",
            "nodes/c.yml": "classes: [service]\nparameters:\n  web: [1]\n  saltern: {memory: lots}\n",
            "nodes/d.yml": "classes: [service]\n",
            "classes/idle.yml": "parameters: [\n",
            "../formula/schemas/web.yml": "type: object\n",
        }
    )
    briefs = [problem["brief"] for problem in model.wrong(ExitCode.MODEL)]
    for part in (
        "'gone' does not exist",
        "reference to nothing",
        "wrong YAML",
        "memory",
        "web: [1] is not of type",
        "Jinja",
    ):
        assert sum(part in brief for brief in briefs) == 1, (part, briefs)
    assert len(briefs) == 6


def test_errors_and_warnings_are_told_together(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes: [service]\nparameters:\n  web: {name: on}\n  x: ${nothing}\n"})
    said = model("check", "--model-only", "--json")
    assert said.code == ExitCode.MODEL
    assert [problem["brief"] for problem in said.problems()] == ["reference to nothing: ${nothing}"]
    assert '"kind": "yaml-boolean"' in said.err
    plain = model("check", "--model-only")
    assert "warning: on is the boolean true in YAML 1.1 [yaml-boolean]" in plain.err


def test_warnings_are_told_once_and_can_be_allowed(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes: [service]\nparameters:\n  web: {name: a, name: b}\n  token: hunter2\n"})
    said = model("check", "--model-only")
    assert said.out == "1 node: no errors, 2 warnings\n"
    assert said.err.count("warning: ") == 2
    assert "hunter2" not in said.err
    problems = model.wrong(ExitCode.MODEL, "check", "--model-only", "--strict")
    assert [(problem["kind"], place(problem)) for problem in problems] == [
        ("duplicate-key", "web01.yml:3:9"),
        ("plain-secret", "web01.yml:4:10"),
    ]
    allow = "check: {allow: [{kind: duplicate-key, files: 'nodes/*'}, {kind: plain-secret}]}\n"
    model.write({"saltern.yml": f"formulas: [{{name: web, path: ../formula}}]\n{allow}"})
    assert model("check", "--model-only", "--strict").out == "1 node: no errors, 0 warnings\n"


def test_a_schema_of_a_formula_that_is_wrong(model: Model) -> None:
    model.write({"../formula/schemas/web.yml": "type: objekt\n"})
    (problem,) = model.wrong(ExitCode.FORMULA, "check", "--model-only")
    assert place(problem) == "web.yml"
