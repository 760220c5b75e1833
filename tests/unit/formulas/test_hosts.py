from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.hosts import Control, Hosted, read_controls, read_hosted
from saltern.formulas.metadata import Metadata, read_metadata

CONTROL = {"list": ["l"], "drain": ["d", "x"], "return": ["r"]}


def metadata(**hosts: Any) -> Metadata:
    return read_metadata("kvm1.example", {formula: {"host": content} for formula, content in hosts.items()})


def test_a_node_runs_guests_or_is_in_charge_of_them_or_both() -> None:
    found = metadata(nova={"name": "kvm1", "control": {**CONTROL, "process": "nova-api"}}, other={"control": CONTROL})
    assert read_hosted(found) == (Hosted("nova", "kvm1"),)
    assert read_controls(found) == (
        Control("nova", ("l",), ("d", "x"), ("r",), "nova-api"),
        Control("other", ("l",), ("d", "x"), ("r",)),
    )


def test_most_nodes_are_neither() -> None:
    found = metadata(a=None, b={})
    assert (read_hosted(found), read_controls(found)) == ((), ())


@pytest.mark.parametrize(
    "content",
    [
        {"name": ""},
        {"name": 1},
        {"names": ["a"]},
        {"control": {}},
        {"control": {**CONTROL, "drain": []}},
        {"control": {**CONTROL, "enable": ["e"]}},
        {"control": {"list": ["l"], "drain": ["d"]}},
    ],
)
def test_what_has_no_meaning_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(FormulaError, match=r"nova/meta/host\.yml, rendered for kvm1\.example"):
        metadata(nova=content)
