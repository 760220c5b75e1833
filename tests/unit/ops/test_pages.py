"""Pages about a cloud: golden folders, and what formulas may tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.documents import Answers, Document, Role, Setting, read_documents
from saltern.ops.pages import pages

from .docs_cases import CASES, texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path) -> None:
    expected = {path.name: path.read_text() for path in (case / "expected").iterdir()}
    assert texts(case) == expected


def test_no_nodes() -> None:
    assert list(pages("lab", [])) == ["index.md"]


def test_a_document() -> None:
    doc: dict[str, Any] = {
        "name": "Web",
        "description": "Shows\nit.",
        "role": {"server": {"endpoint": {"a": {"address": "x:1"}}, "param": {"b": {"value": True}}}, "client": None},
        "unknown": 1,
    }
    assert read_documents("n", {"web": {"sphinx": {"doc": doc}}, "old": {"sphinx": {"doc": None}}, "db": {}}) == (
        Document(
            "web",
            "Web",
            "Shows it.",
            (Role("client"), Role("server", (Answers("a", address="x:1"),), (Setting("b", ("true",)),))),
        ),
    )


def test_all_problems_at_once() -> None:
    raw = {"a": {"sphinx": {"doc": {}}}, "b": {"sphinx": {"doc": {"name": "B", "role": {"x": {"param": {"y": {}}}}}}}}
    with pytest.raises(FormulaError) as caught:
        read_documents("n", raw)
    assert [problem.brief for problem in caught.value.problems] == [
        "a/meta/sphinx.yml, rendered for n: doc: 'name' is a required property",
        "b/meta/sphinx.yml, rendered for n: doc:role:x:param:y: 'value' is a required property",
    ]
