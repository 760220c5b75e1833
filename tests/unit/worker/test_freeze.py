"""Chunks that need pillar and templates → chunks that do not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from saltern.base.errors import FormulaError, Place
from saltern.formulas.worker import Frozen

from .conftest import Formula


def frozen(formula: Formula, text: str) -> Frozen:
    return formula.freeze(formula.sls(text).chunks)


def only(formula: Formula, text: str) -> dict[str, Any]:
    (chunk,) = frozen(formula, text).chunks
    return dict(chunk)


def test_template_becomes_its_exact_text(formula: Formula) -> None:
    formula.pillar = {"port": 80}
    formula.write({"web/files/x": "port {{ pillar.port }} {{ extra }}\n\n\n", "web/files/other": "plain"})
    result = frozen(
        formula,
        "/etc/x:\n  file.managed:\n  - source: salt://web/files/x\n  - template: jinja\n  - context: {extra: 1}\n"
        "  - defaults: {extra: 2}\n"
        "/etc/other:\n  file.managed:\n  - source: salt://web/files/other\n",
    )
    rendered, plain = result.chunks
    assert rendered["contents"] == "port 80 1\n\n\n"
    assert not {"source", "template", "context", "defaults"} & set(rendered)
    assert plain["source"] == "salt://web/files/other"
    assert result.files == {"web/files/other": hashlib.sha256(b"plain").hexdigest()}


def test_first_existing_source_is_taken_and_keep_becomes_a_mode(formula: Formula) -> None:
    formula.write({"web/b": "b {{ grains.host }}"})
    (formula.root / "web/b").chmod(0o750)
    chunk = only(
        formula,
        "/etc/x:\n  file.managed:\n  - source: [salt://web/a, salt://web/b]\n  - template: jinja\n  - mode: keep\n",
    )
    assert (chunk["contents"], chunk["mode"]) == ("b web01", "0750")


def test_contents_forms(formula: Formula) -> None:
    formula.pillar = {"a": {"b": "x\ny", "t": "{{ grains.host }}"}}
    assert only(formula, "/x:\n  file.managed:\n  - contents_pillar: a:b\n")["contents"] == "x\ny"
    assert only(formula, "/x:\n  file.managed:\n  - contents_grains: host\n")["contents"] == "web01"
    templated = only(formula, "/x:\n  file.managed:\n  - contents_pillar: a:t\n  - template: jinja\n")
    assert templated["contents"] == "web01\n"
    assert "contents_pillar" not in templated


def test_serialize_append_and_blockreplace(formula: Formula) -> None:
    formula.pillar = {"a": {"b": 1}}
    formula.write({"web/t": "b={{ pillar.a.b }}\n"})
    assert only(formula, "/x:\n  file.serialize:\n  - dataset_pillar: a\n")["dataset"] == {"b": 1}
    arguments = "  - source: salt://web/t\n  - template: jinja\n"
    assert only(formula, f"/x:\n  file.append:\n{arguments}")["text"] == ["b=1\n"]
    assert only(formula, f"/x:\n  file.blockreplace:\n{arguments}")["content"] == "b=1\n"


def test_accumulated_texts_reach_the_template(formula: Formula) -> None:
    formula.write({"web/t": "{% for x in accumulator['acc'] %}{{ x }};{% endfor %}"})
    result = frozen(
        formula,
        "/etc/x:\n  file.managed:\n  - source: salt://web/t\n  - template: jinja\n"
        "one:\n  file.accumulated:\n  - name: acc\n  - filename: /etc/x\n  - text: [a, b]\n"
        "  - require_in: [{file: /etc/x}]\n"
        "two:\n  file.accumulated:\n  - name: acc\n  - filename: /etc/x\n  - text: c\n"
        "  - require_in: [{file: /etc/x}]\n",
    )
    assert result.chunks[-1]["contents"] == "a;b;c;"


def test_recurse(formula: Formula) -> None:
    formula.pillar = {"x": 1}
    formula.write({"web/tree/a": "a{{ pillar.x }}", "web/tree/sub/b": "b{{ pillar.x }}", "web/tree/skip.bak": ""})
    arguments = "  - source: salt://web/tree\n  - exclude_pat: '*.bak'\n  - file_mode: '0640'\n"
    plain = frozen(formula, f"/etc/t:\n  file.recurse:\n{arguments}")
    assert sorted(plain.files) == ["web/tree/a", "web/tree/skip.bak", "web/tree/sub/b"]
    rendered = frozen(formula, f"tree:\n  file.recurse:\n  - name: /etc/t\n{arguments}  - template: jinja\n")
    assert [(c["__id__"], c["name"], c["fun"], c.get("contents")) for c in rendered.chunks] == [
        ("tree", "/etc/t/a", "managed", "a1"),
        ("tree", "/etc/t/sub/b", "managed", "b1"),
        ("tree", "/etc/t", "directory", None),
    ]


def test_template_error_names_template_and_line(formula: Formula) -> None:
    formula.write({"web/files/x": "one\n{{ pillar.no.no }}\n"})
    with pytest.raises(FormulaError) as caught:
        frozen(formula, "/etc/x:\n  file.managed:\n  - source: salt://web/files/x\n  - template: jinja\n")
    (problem,) = caught.value.problems
    assert problem.places == (Place("web/files/x", 2),)
    assert "/etc/x" in problem.brief


def test_missing_source_names_the_state(formula: Formula) -> None:
    with pytest.raises(FormulaError) as caught:
        frozen(formula, "/etc/x:\n  file.managed:\n  - source: salt://web/gone\n  - template: jinja\n")
    (problem,) = caught.value.problems
    assert problem.places == (Place("web/init.sls", 1),)
    assert "web/gone" in problem.brief
