"""YAML with marks: the values of SafeLoader, every place, and one clear problem for what is no YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saltern.base.errors import Place
from saltern.base.yamlmarks import Document, MarkedDict, MarkedList, MarkedScalar, WrongYamlError, parse, read

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.dates()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=12
)


@given(values)
def test_values_are_those_of_safe_load(value: object) -> None:
    text = yaml.safe_dump(value)
    assert parse(text, "f").data == yaml.safe_load(text)


YAML_1_1 = [
    *("a: yes", "a: On", "a: off", "a: 0600", "a: 0o17", "a: 1:30", "a: 1_000", "a: 1e3", "a: .5", "a: ~", "a:"),
    *("a: 2020-01-02", "a: 2020-01-02 03:04:05", "a: !!str 1", "a: !!binary aGk=", "a: !!set {x, y}", "a: !!str"),
    *("1: x", "true: x", "null: x", "1.5: x", "=: x", "? k\n: v", "", "# only a comment", "a: '1'", "a: &b [1]\nc: *b"),
    *("a: &b {c: 1}\nd: {<<: *b, e: 2}", "a: &b {c: 1}\nd: {c: 3, <<: *b}", "x: &x {k: 1}\nz: {<<: [*x, {k: 2}]}"),
    *("a: 1\t\nb: 2\t", "a: |\n  x\n  y\n", "a: >-\n  x\n  y\n"),
]


@pytest.mark.parametrize("text", YAML_1_1)
def test_yaml_1_1_as_safe_load(text: str) -> None:
    assert parse(text, "f").data == yaml.load(text, yaml.CSafeLoader)


def test_every_key_and_value_has_its_place() -> None:
    root = parse("a:\n  b: 1\n  c:\n  - x\n  - y: 2\n", "f").root
    assert isinstance(root, MarkedDict)
    (a,) = root.entries
    assert (a.line, a.column) == (1, 1)
    assert isinstance(a.value, MarkedDict)
    b, c = a.value.entries
    assert (b.key, b.line, b.column) == ("b", 2, 3)
    assert b.value == MarkedScalar(1, 2, 6)
    assert isinstance(c.value, MarkedList)
    assert c.value.items[0] == MarkedScalar("x", 4, 5)


def test_place_of_a_path() -> None:
    document = parse("a:\n  b: 1\n  c:\n  - x\n  - y: 2\n", "f")
    assert document.place(("a", "b")) == Place("f", 2, 3)
    assert document.place(("a", "c", 1, "y")) == Place("f", 5, 5)
    assert document.place(("a", "none", "deeper")) == Place("f", 1, 1)
    assert Document("f", None).place(("a",)) == Place("f")


def test_a_key_defined_twice_is_reported_with_both_places_and_the_last_one_wins() -> None:
    document = parse("a:\n  b: 1\n  c: 2\n  b: 3\n", "f")
    assert document.data == {"a": {"b": 3, "c": 2}}
    (duplicate,) = document.duplicates
    assert (duplicate.first, duplicate.second) == (Place("f", 2, 3), Place("f", 4, 3))
    assert duplicate.as_problem().places == (duplicate.first, duplicate.second)


def test_an_aliased_mapping_reports_its_duplicates_once() -> None:
    assert len(parse("a: &x {k: 1, k: 2}\nb: *x\n", "f").duplicates) == 1


WRONG = [
    ("a: [1", 2, 1, "did not find expected ',' or ']'", "Close the bracket"),
    ("a: b: c", 1, 5, "mapping values are not allowed", "Quote a value"),
    ("\ta: 1", 1, 1, "cannot start any token", "Indent with spaces"),
    ("{{ x }}: 1", 1, 1, "key is expected", "Quote the key"),
    ("a: =", 1, 4, "lone =", "Quote"),
    ("a: *x", 1, 4, "undefined alias", "starts with *"),
    ("a: 2020-13-45", 1, 4, "no valid value", "Quote"),
    ("&a [*a]", 1, 1, "part of", "Remove the alias"),
    ("a: 1\n---\nb: 1", 2, 1, "another document", "one document"),
    ("a: 'x", 1, 6, "unexpected end of stream", "Close the quote"),
    ("a: !!python/object:x 1", 1, 4, "cannot be read", ""),
    ("a: {<<: 1}", 1, 9, "merge key", ""),
    ("a:\n- b\n  c: 1", 3, 4, "mapping values", "indentation"),
]


@pytest.mark.parametrize(("text", "line", "column", "brief", "resolution"), WRONG)
def test_wrong_yaml_has_a_place_and_a_hint(text: str, line: int, column: int, brief: str, resolution: str) -> None:
    with pytest.raises(WrongYamlError) as caught:
        parse(text, "f")
    problem = caught.value.problem
    assert problem.places == (Place("f", line, column),)
    assert brief in problem.brief
    assert resolution in problem.resolution


def test_bytes_that_are_no_utf_8_have_a_place() -> None:
    with pytest.raises(WrongYamlError) as caught:
        parse(b"a: 1\nb: \xff", "f")
    assert caught.value.problem.places == (Place("f", 2, 4),)
    assert "UTF-8" in caught.value.problem.resolution


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "[" * 100_000, "- " * 50_000 + "x"])
def test_nesting_has_a_limit(text: str) -> None:
    with pytest.raises(WrongYamlError, match="nested"):
        parse(text, "f")


def test_read_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: 1\n")
    assert read(path).file == str(path)
    assert read(path, "x.yml").place(("a",)) == Place("x.yml", 1, 1)
