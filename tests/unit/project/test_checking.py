"""A check where there is no container engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from saltern.base.errors import EngineError, ModelError
from saltern.base.process import Completed, LocalRunner
from saltern.project.checking import check
from saltern.project.compiling import try_members
from saltern.project.workers import Bases
from tests.unit.project.compiled import Nodes


class NoCommands(LocalRunner):
    """A machine on which no command exists."""

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(tuple(argv), 127, "", f"{argv[0]}: command not found")


def test_a_missing_engine_does_not_hide_the_models_problems(nodes: Nodes) -> None:
    nodes.write(a="", b="parameters: {x: '${nothing}'}")
    with pytest.raises(ModelError) as caught:
        check(nodes.project(NoCommands()))
    first, *rest = caught.value.problems
    assert first.brief == "reference to nothing: ${nothing}"
    assert rest


def test_a_missing_engine_hides_no_warnings(nodes: Nodes) -> None:
    nodes.write(a="applications: [memcached]\nparameters: {x: on}\n")
    with pytest.raises(EngineError) as caught:
        check(nodes.project(NoCommands()))
    assert [warning.kind for warning in caught.value.warnings] == ["yaml-boolean"]


def test_the_model_alone_needs_none(nodes: Nodes) -> None:
    nodes.write(a="", b="parameters: {}")
    checked = check(nodes.project(NoCommands()), model_only=True)
    assert (checked.nodes, checked.states, checked.warnings) == (2, None, ())


def test_an_application_that_no_formula_has_is_told_where_it_is_asked_for(nodes: Nodes) -> None:
    nodes.write(a="classes: [more]\napplications: [keyston]\n", b="applications: [memcached, nothing.here]\n")
    (nodes.root / "classes/more.yml").write_text("applications:\n- keyston\n- other\n- ~other\n")
    project = nodes.project(NoCommands())
    done, error = try_members(project, [project.members[0]], Bases(project))
    assert (done, [problem.node for problem in error.problems] if error else []) == ((), ["a"])
    (problem,) = error.problems if error else []
    assert [str(place) for place in problem.places] == ["classes/more.yml:2:3", "nodes/a.yml:2:16"]
    assert problem.resolution == "Did you mean 'keystone'?"
    _, error = try_members(project, [project.members[1]], Bases(project))
    (problem,) = error.problems if error else []
    assert "'nothing.here'" in problem.brief
    assert "nothing/here.sls or nothing/here/init.sls" in problem.details
