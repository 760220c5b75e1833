"""A check where there is no container engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from saltern.base.errors import EngineError, ModelError
from saltern.base.process import Completed, LocalRunner
from saltern.project.checking import check
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
    nodes.write(a="applications: [web]\nparameters: {x: on}\n")
    with pytest.raises(EngineError) as caught:
        check(nodes.project(NoCommands()))
    assert [warning.kind for warning in caught.value.warnings] == ["yaml-boolean"]


def test_the_model_alone_needs_none(nodes: Nodes) -> None:
    nodes.write(a="", b="parameters: {}")
    checked = check(nodes.project(NoCommands()), model_only=True)
    assert (checked.nodes, checked.states, checked.warnings) == (2, None, ())
