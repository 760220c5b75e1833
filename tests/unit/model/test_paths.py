"""Paths as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.model.paths import Kind, Subject, join_path, parse_subject, split_words


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("parameters:a:b", Subject(Kind.PARAMETERS, ("a", "b"))),
        ("a:b", Subject(Kind.PARAMETERS, ("a", "b"))),
        ("parameters:exports:a", Subject(Kind.PARAMETERS, ("exports", "a"))),
        ("exports:a", Subject(Kind.EXPORTS, ("a",))),
        ("parameters", Subject(Kind.PARAMETERS)),
        ("class:system.linux.single", Subject(Kind.CLASS, ("system.linux.single",))),
        ("classes", Subject(Kind.CLASSES)),
        ('a:"b:c":d', Subject(Kind.PARAMETERS, ("a", "b:c", "d"))),
        ("a:'b:\"c'", Subject(Kind.PARAMETERS, ("a", 'b:"c'))),
        (r"a:b\:c", Subject(Kind.PARAMETERS, ("a", "b:c"))),
        ('it"s:0', Subject(Kind.PARAMETERS, ('it"s', "0"))),
        ('a:"":b', Subject(Kind.PARAMETERS, ("a", "", "b"))),
        ("""'it''s "x": y':0""", Subject(Kind.PARAMETERS, ('it\'s "x": y', "0"))),
        ("""a:"b\\":c""", Subject(Kind.PARAMETERS, ("a", "b\\", "c"))),
    ],
)
def test_subjects(text: str, subject: Subject) -> None:
    assert parse_subject(text) == subject
    assert parse_subject(subject.shown()) == subject


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("", "a key is empty"),
        ("a::b", "a key is empty"),
        ("a:", "a key is empty"),
        ('a:"b', "the quote before 'b' is not closed"),
        ('"a"b', "':' is expected before 'b'"),
    ],
)
def test_wrong_paths(text: str, brief: str) -> None:
    with pytest.raises(ValueError, match=brief):
        parse_subject(text)


def test_another_delimiter() -> None:
    assert split_words("a:b/c", "/") == ("a:b", "c")


@given(
    st.lists(st.text(alphabet="ab:.'-\"\\\\ ", max_size=4), min_size=1, max_size=4), st.sampled_from((":", "::", "."))
)
def test_what_is_joined_splits_again(path: list[str], delimiter: str) -> None:
    assert split_words(join_path(path, delimiter), delimiter) == tuple(path)
