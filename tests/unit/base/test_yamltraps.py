"""What YAML 1.1 reads otherwise than people do."""

from __future__ import annotations

from datetime import date

import pytest

from saltern.base.yamltraps import TrapKind, find_traps


def found(text: str) -> list[tuple[str, str, object, str]]:
    return [(str(trap.kind), trap.text, trap.value, str(trap.place)) for trap in find_traps(text.encode(), "f")]


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_booleans_that_look_like_words(word: str) -> None:
    value = word.lower() in ("yes", "on")
    assert found(f"{word}: 1\n") == [("boolean", word, value, "f:1:1")]
    assert found(f"a: [x, {word}]\n") == [("boolean", word, value, "f:1:8")]
    assert found(f"a:\n  b: {word}\n") == [("boolean", word, value, "f:2:6")]


def test_quoted_words_and_true_are_what_they_look_like() -> None:
    assert found("'on': 'yes'\na: \"no\"\nb: true\nc: |\n  no\nd: !!str off\ne: one\n") == []


@pytest.mark.parametrize(
    ("text", "value"), [("0644", 420), ("22:22", 1342), ("52:54:00:12:34:56", 41135085296), ("-017", -15)]
)
def test_numbers_that_are_other_numbers(text: str, value: int) -> None:
    assert found(f"a: {text}\n") == [("number", text, value, "f:1:4")]


@pytest.mark.parametrize("text", ["0", "00", "7", "1.5", "089", "12:99", "10.0.0.1"])
def test_numbers_that_are_what_they_look_like(text: str) -> None:
    assert found(f"a: {text}\n") == []


def test_keys_that_are_no_text() -> None:
    assert found("1: a\n~: b\n2020-01-01: c\n1.5: d\ntrue: e\ng: {2: x}\n? [3]\n: 4\n") == [
        ("key", "1", 1, "f:1:1"),
        ("key", "~", None, "f:2:1"),
        ("key", "2020-01-01", date(2020, 1, 1), "f:3:1"),
        ("key", "1.5", 1.5, "f:4:1"),
        ("key", "true", True, "f:5:1"),
        ("key", "2", 2, "f:6:5"),
    ]


def test_merge_keys_and_aliases_are_no_traps() -> None:
    assert found("a: &x {b: 1}\nc:\n  <<: *x\n  d: *x\n  e: text\n") == []


def test_every_tab_that_other_parsers_refuse() -> None:
    text = "a: b\t\nc: d \t# why\ne:\n- f\t\ng: 'tab\there'\nh: |\n  x\ty\n"
    assert [(kind, place) for kind, _, _, place in found(text)] == [
        ("tab", "f:1:5"),
        ("tab", "f:2:6"),
        ("tab", "f:4:4"),
    ]


def test_a_file_that_is_no_yaml_has_no_traps() -> None:
    assert found("on: 1\nb: [\n") == []
    assert find_traps(b"\xff\xfe\x00", "f") == ()


def test_places_count_on_in_the_order_of_the_file() -> None:
    kinds = [trap.kind for trap in find_traps(b"on: x\t\n2: 0644\n", "f")]
    assert kinds == [TrapKind.BOOLEAN, TrapKind.TAB, TrapKind.KEY, TrapKind.NUMBER]
