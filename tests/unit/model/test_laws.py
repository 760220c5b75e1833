"""Laws of merging and interpolation, over random trees."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from saltern.model.interpolate import Renderer, lift
from saltern.model.merge import merge
from saltern.model.options import Options
from saltern.model.terms import Branch, Mark, Source

EVERYTHING = Options(
    allow_scalar_over_dict=True, allow_scalar_over_list=True, allow_list_over_scalar=True, allow_dict_over_scalar=True
)
MARK = Mark(Source("f", "c"), 1, 1)
keys = st.sampled_from("abc")
scalars = st.integers() | st.text(alphabet="xyz", max_size=3)
flat = st.dictionaries(keys, scalars, max_size=3)
trees = st.recursive(
    scalars | st.lists(scalars, max_size=3), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
dictionaries = st.dictionaries(keys, trees, max_size=3)
Tree = dict[str, Any]


def term(value: Tree) -> Branch:
    result = lift(value, MARK)
    assert isinstance(result, Branch)
    return result


def rendered(value: Branch, options: Options = EVERYTHING) -> Any:
    problems: list[Any] = []
    result = Renderer(value, options).collect(value, problems)
    return result if not problems else "problems"


def merged(*values: Tree) -> Any:
    result = term({})
    for value in values:
        result = merge(result, term(value))  # type: ignore[assignment]
    return rendered(result)


@given(dictionaries)
def test_nothing_merges_to_nothing_new(value: Tree) -> None:
    assert merged(value, {}) == merged({}, value) == value


@given(flat, flat)
def test_scalars_are_replaced(below: Tree, above: Tree) -> None:
    assert merged(below, above) == {**below, **above}


@given(dictionaries, dictionaries, dictionaries)
def test_grouping_does_not_matter_where_types_agree(one: Tree, two: Tree, three: Tree) -> None:
    strict = Options()
    left = rendered(merge(merge(term(one), term(two)), term(three)), strict)  # type: ignore[arg-type]
    right = rendered(merge(term(one), merge(term(two), term(three))), strict)  # type: ignore[arg-type]
    assert left == right


@given(dictionaries, dictionaries)
def test_merging_changes_neither_side(below: Tree, above: Tree) -> None:
    one, two = term(below), term(above)
    rendered(merge(one, two))  # type: ignore[arg-type]
    assert rendered(one) == below
    assert rendered(two) == above


@given(st.lists(st.lists(scalars, max_size=3), min_size=1, max_size=4))
def test_lists_are_joined_in_order(lists: list[list[Any]]) -> None:
    assert merged(*({"l": items} for items in lists)) == {"l": [item for items in lists for item in items]}


@given(dictionaries)
def test_rendering_twice_gives_equal_and_separate_values(value: Tree) -> None:
    tree = term(value)
    first = rendered(tree)
    first["a"] = "changed"
    assert rendered(tree) == value
