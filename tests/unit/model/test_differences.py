"""Which leaves of two values differ."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.model.differences import differences


def found(old: Any, new: Any) -> list[tuple[str, str, str, Any, Any]]:
    def shown(path: tuple[str | int, ...]) -> str:
        return ":".join(str(step) for step in path)

    return [(d.kind.value, shown(d.old_path), shown(d.new_path), d.old, d.new) for d in differences(old, new)]


def test_scalars_and_dictionaries() -> None:
    old = {"same": 1, "a": {"b": 1, "gone": {"x": 1, "y": []}}}
    new = {"same": 1, "a": {"b": 2}, "new": {"z": None}}
    assert found(old, new) == [
        ("changed", "a:b", "a:b", 1, 2),
        ("removed", "a:gone:x", "", 1, None),
        ("removed", "a:gone:y", "", [], None),
        ("added", "", "new:z", None, None),
    ]


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0, False), ("1", 1), (None, ""), ([], {})])
def test_equal_is_of_one_type(old: Any, new: Any) -> None:
    assert found({"a": old}, {"a": new}) == [("changed", "a", "a", old, new)]
    assert found({"a": old}, {"a": old}) == []


def test_a_leaf_that_becomes_a_dictionary() -> None:
    assert found({"a": 1}, {"a": {"b": 2}}) == [("removed", "a", "", 1, None), ("added", "", "a:b", None, 2)]


def test_an_item_that_is_put_in_front_is_one_addition() -> None:
    assert found({"l": ["b", "c"]}, {"l": ["a", "b", "c"]}) == [("added", "", "l:0", None, "a")]


def test_an_item_that_is_taken_away_and_one_that_changed() -> None:
    old = [{"name": "a"}, {"name": "b", "port": 1}, "c"]
    new = [{"name": "b", "port": 2}, "c"]
    assert found(["x", *old[1:]], ["x", *new]) == [("changed", "1:port", "1:port", 1, 2)]
    assert found(["x", "y", "z"], ["y", "z"]) == [("removed", "0", "", "x", None)]


def test_a_change_behind_an_insertion_knows_both_paths() -> None:
    assert found(["s", "t", {"a": 1}], ["r", "s", "t", {"a": 2}]) == [
        ("added", "", "0", None, "r"),
        ("changed", "2:a", "3:a", 1, 2),
    ]
