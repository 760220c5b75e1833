"""The grammar of references, as the reference's parser reads it (each case was checked against kapicorp-reclass)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.model.template import QueryText, Reference, Syntax, Template, TemplateError, compile_text


def shape(text: str) -> object:
    compiled = compile_text(text)
    return compiled if isinstance(compiled, str) else [_part(part) for part in compiled.parts]


def _part(part: object) -> object:
    if isinstance(part, Reference):
        return [_part(inner) for inner in part.parts]
    return {"query": part.text} if isinstance(part, QueryText) else part


CASES: list[tuple[str, object]] = [
    ("plain } ] \\ text", "plain } ] \\ text"),
    ("${a}", [["a"]]),
    ("x ${a:b} y", ["x ", ["a:b"], " y"]),
    ("${a}${b}", [["a"], ["b"]]),
    ("${a:${b:${c}}}", [["a:", ["b:", ["c"]]]]),
    ("${${a}}", [[["a"]]]),
    (r"\${a}", "${a}"),
    (r"\\${a}", ["\\", ["a"]]),
    (r"\\\${a}", ["\\\\", ["a"]]),
    (r"x\y ${a}", ["x\\y ", ["a"]]),
    (r"a\\} ${x}", ["a\\\\} ", ["x"]]),
    (r"${x}\\} b", [["x"], "\\} b"]),
    (r"${a\}b}", [["a}b"]]),
    (r"${a\b}", [["a\\b"]]),
    ("${a$b}", [["a$b"]]),
    ("${a{b}", [["a{b"]]),
    ("$${a}", ["$", ["a"]]),
    ("${a$[b]c}", [["a$[b]c"]]),
    ("a } b ${c}", ["a } b ", ["c"]]),
    ("$[ exports:a ] x", [{"query": " exports:a "}, " x"]),
    (r"\$[ a ] ${x}", ["$[ a ] ", ["x"]]),
    (r"\$[ a ]", "$[ a ]"),
    ("a\tb ${c}", ["a       b ", ["c"]]),
    ("a\n${c}\n", ["a\n", ["c"], "\n"]),
]


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_grammar(text: str, parts: object) -> None:
    assert shape(text) == parts


@pytest.mark.parametrize("text", ["${a", "${}", "${a}${", "$[a", "$[ ]", "${a:${b}"])
def test_wrong_references(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_text(text)


def test_paths() -> None:
    compiled = compile_text("${a:b}")
    assert isinstance(compiled, Template)
    assert isinstance(compiled.whole, Reference)
    assert compiled.whole.path == ("a", "b")
    nested = compile_text("${a:${b}}")
    assert isinstance(nested, Template)
    assert isinstance(nested.whole, Reference)
    assert nested.whole.path is None


@given(st.text(alphabet="ab${}[]\\:\t "))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compiled = compile_text(text)
    except TemplateError:
        return
    assert isinstance(compiled, str) or any(not isinstance(part, str) for part in compiled.parts)


def test_other_sentinels() -> None:
    syntax = Syntax(delimiter="/", reference=("<<", ">>"), query=("<?", "?>"), escape="!")
    compiled = compile_text("${a} <<b/<<c>>>> !<<d>> !!<<e>> <? exports/f ?>", syntax)
    assert isinstance(compiled, Template)
    assert [_part(part) for part in compiled.parts] == [
        "${a} ", ["b/", ["c"]], " <<d>> !", ["e"], " ", {"query": " exports/f "}
    ]  # fmt: skip
    assert "".join(str(part) for part in compiled.parts) == "${a} <<b/<<c>>>> <<d>> !<<e>> <? exports/f ?>"
    path = compile_text("<<a/b>>", syntax)
    assert isinstance(path, Template)
    assert isinstance(path.whole, Reference)
    assert path.whole.path == ("a", "b")
