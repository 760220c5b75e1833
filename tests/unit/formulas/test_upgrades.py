"""``meta/upgrade.yml``: what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError
from saltern.formulas.metadata import read_metadata
from saltern.formulas.upgrades import Allowed, Command, Downgrade, Otherwise, Release, Upgrade, read_upgrades

CONTAINER = {"volumes": [{"name": "data", "path": "/var/lib/db"}]}


def upgrade(**component: Any) -> dict[str, Any]:
    return {"components": [{"name": "db", "package": "db-server", **component}]}


def problems(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(FormulaError) as caught:
        read_upgrades("db01", read_metadata("db01", raw).raw)
    return [f"{p.brief} {p.resolution}" for p in caught.value.problems]


def test_nothing_said() -> None:
    assert read_upgrades("db01", {}) == ()
    assert read_upgrades("db01", {"db": {"upgrade": None}, "x": {}, "y": {"upgrade": {}}}) == ()
    assert read_upgrades("db01", {"db": {"upgrade": upgrade()}}) == (Upgrade("db", "db", "db-server"),)


def test_everything_said() -> None:
    raw = upgrade(
        order=7,
        releases=[{"name": "a", "version": "1"}, {"name": "b", "version": "2", "slurp": True}],
        jumps=[
            {"from": "a", "to": "2.5", "source": "doc", "at_least": "1.9"},
            {"from": "*", "to": "*", "source": "test", "tested": True},
        ],
        free="minor",
        downgrade={"allowed": "otherwise", "source": "doc"},
        otherwise={"way": "fresh", "volume": "data", "unless_holding": {"command": ["count"]}, "source": "doc"},
        stages={
            "check": [
                {
                    "name": "look",
                    "command": ["db", "check"],
                    "where": "process",
                    "process": "db",
                    "user": "root",
                    "environment": {"B": True, "A": 1},
                    "timeout": 9,
                    "codes": {"1": "warning", "3": "ok"},
                }
            ],
            "contract": [],
        },
    )
    meta = read_metadata("db01", {"db": {"upgrade": raw, "container": CONTAINER}})
    look = Command(
        *("look", ("db", "check"), "process", "db", "root"),
        {"A": "1", "B": "true"},
        timeout=9,
        codes={1: "warning", 3: "ok"},
    )
    (got,) = read_upgrades("db01", meta.raw)
    assert got == Upgrade(
        "db",
        "db",
        "db-server",
        order=7,
        releases=(Release("a", "1"), Release("b", "2", slurp=True)),
        jumps=(Allowed("1", "2.5", "doc", at_least="1.9"), Allowed("*", "*", "test", tested=True)),
        free="minor",
        downgrade=Downgrade("otherwise", "doc"),
        otherwise=Otherwise("fresh", "data", Command("holds nothing that must live on", ("count",), "process"), "doc"),
        stages={"check": (look,)},
    )
    assert got.stage("check") == (look,)
    assert got.stage("contract") == ()
    assert [look.meaning(code) for code in (0, 1, 2, 3, 255)] == ["ok", "warning", "stop", "ok", "stop"]


def test_steps_are_written_out() -> None:
    names = ("a", "b", "c", "d")
    raw = upgrade(
        releases=[{"name": n, "version": str(i), "slurp": n in "bd"} for i, n in enumerate(names, 1)],
        jumps=[{"step": "next", "source": "every"}, {"step": "slurp", "source": "second"}],
    )
    (got,) = read_upgrades("db01", {"db": {"upgrade": raw}})
    steps = [(jump.old, jump.new, jump.source) for jump in got.jumps]
    assert steps == [("1", "2", "every"), ("2", "3", "every"), ("3", "4", "every"), ("2", "4", "second")]


def test_lower_orders_come_first() -> None:
    raw = {
        "a": {
            "upgrade": {"components": [{"name": "late", "package": "x", "order": 60}, {"name": "mid", "package": "x"}]}
        },
        "b": {"upgrade": {"components": [{"name": "first", "package": "x", "order": 1}]}},
    }
    assert [u.name for u in read_upgrades("n", raw)] == ["first", "mid", "late"]


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ({"jumps": [{"from": "a", "to": "2", "source": "s"}]}, "'a', which is no release and no version"),
        ({"jumps": [{"step": "next", "source": "s"}]}, "there are no releases to step over"),
        ({"releases": [{"name": "a", "version": "1"}] * 2}, "two releases are called a"),
        ({"downgrade": {"allowed": "otherwise", "source": "s"}}, "'otherwise' is missing"),
        (
            {"otherwise": {"way": "fresh", "volume": "log", "unless_holding": {"command": ["x"]}, "source": "s"}},
            "'log' is not in meta/container.yml Volumes: data.",
        ),
        ({"jumps": [{"from": "1", "to": "2"}]}, "'source' is a required property"),
        ({"jumps": [{"step": "next", "from": "1", "to": "2", "source": "s"}]}, "is not valid under"),
        ({"stages": {"expand": [{"name": "x", "command": ["x"]}]}}, "'where' is a required property"),
        ({"stages": {"expand": [{"name": "x", "command": ["x"], "where": "image", "codes": {"1": "fine"}}]}}, "'fine'"),
        ({"stages": {"roll": []}}, "'roll' is not one of ['check', 'expand', 'migrate', 'contract']"),
        ({"releases": [{"name": "a", "version": "1.x"}]}, "does not match"),
        ({"package": ""}, "non-empty"),
    ],
)
def test_refused(component: dict[str, Any], said: str) -> None:
    (found,) = problems({"db": {"upgrade": upgrade(**component), "container": CONTAINER}})
    assert said in found
    assert found.startswith("db/meta/upgrade.yml, rendered for db01: ")


def test_all_problems_at_once_and_names_are_unique() -> None:
    wrong = {"jumps": [{"step": "slurp", "source": "s"}, {"from": "x", "to": "y", "source": "s"}]}
    found = problems({"db": {"upgrade": upgrade(**wrong)}, "zz": {"upgrade": upgrade()}})
    assert len(found) == 4
    assert (
        "zz/meta/upgrade.yml, rendered for db01: db: db/meta/upgrade.yml has a component of that name too" in found[-1]
    )
