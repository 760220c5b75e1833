from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.backups import CommandItem, VolumeItem, read_items
from saltern.formulas.metadata import Metadata, read_metadata

COMMAND = {"name": "tables", "kind": "command", "dump": {"command": ["d"]}, "restore": {"command": ["r"]}}
CONTAINER = {"volumes": [{"name": "data", "path": "/d"}, {"name": "run", "path": "/run/x", "kind": "runtime"}]}


def metadata(*items: dict[str, Any]) -> Metadata:
    return read_metadata("db.example", {"db": {"container": CONTAINER, "backup": {"items": list(items)}}})


def test_items_keep_their_order_and_get_defaults() -> None:
    full = {**COMMAND, "name": "more", "dump": {"command": ["d"], "user": "root"}, "process": "db", "timeout": 5}
    full |= {"compare": "json", "ignore": ["v"]}
    found = read_items("db.example", metadata({"name": "keys", "kind": "volume", "volume": "data"}, COMMAND, full))
    assert found == (
        VolumeItem("keys", "data", 3600),
        CommandItem("tables", ("d",), ("r",)),
        CommandItem("more", ("d",), ("r",), "root", "db", "json", ("v",), 5),
    )


def test_a_formula_without_backups_has_no_items() -> None:
    assert read_items("n", read_metadata("n", {"a": {"backup": None}, "b": {}})) == ()


@pytest.mark.parametrize(
    "item",
    [
        {"name": "x", "kind": "command"},
        {"name": "x", "kind": "volume"},
        {"name": "x", "kind": "volume", "volume": "data", "dump": {"command": ["d"]}},
        {**COMMAND, "volume": "data"},
        {**COMMAND, "kind": "copy"},
        {**COMMAND, "name": "../x"},
        {**COMMAND, "compare": "bytes"},
    ],
)
def test_what_has_no_meaning_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(FormulaError):
        metadata(item)


def test_all_wrong_names_are_told() -> None:
    volumes = [{"name": name, "kind": "volume", "volume": volume} for name, volume in (("a", "run"), ("a", "gone"))]
    with pytest.raises(FormulaError) as caught:
        read_items("db.example", metadata(*volumes))
    assert [problem.brief.partition("item ")[2] for problem in caught.value.problems] == [
        "'a' is of the volume 'run', which is none of the node's data volumes (data)",
        "'a' is there twice",
        "'a' is of the volume 'gone', which is none of the node's data volumes (data)",
    ]
