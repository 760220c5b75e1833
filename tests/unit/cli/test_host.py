"""``saltern host``: what is asked for, and how the answer is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from saltern.ops.hosts import Guest, Host
from saltern.project import hosting
from saltern.project.hosting import Listed, Order, Worked
from tests.trees import write_tree
from tests.unit.cli.conftest import Run, Said

HOST = Host("hv1", enabled=False, up=True, reason="another disk", guests=2, running=1)
STOPPED = Guest("web", "1-2", "stopped", "SHUTOFF", "hv1", 4.25)
FAILED = Guest("db", "3-4", "left", "ACTIVE", "hv1", 600.0, "No valid host was found.")


@pytest.fixture
def call(run: Run, tmp_path: Path) -> Callable[..., Said]:
    write_tree(tmp_path / "model", {"nodes/kvm1.yml": "applications: [nova]\n", "classes/a.yml": "{}\n"})
    return lambda *words: run("host", *words, "--model", str(tmp_path / "model"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []

    def drain(_project: object, *words: Any) -> Worked:
        found.append(("drain", *words))
        return Worked("kvm1", HOST, (STOPPED, FAILED), complete=False)

    def take_back(_project: object, *words: Any) -> Worked:
        found.append(("return", *words))
        return Worked("kvm1", Host("hv1", True, True, "", 0, 0), (), complete=True)  # noqa: FBT003

    monkeypatch.setattr(hosting, "drain", drain)
    monkeypatch.setattr(hosting, "take_back", take_back)
    monkeypatch.setattr(hosting, "list_hosts", lambda _: (Listed("kvm1", HOST), Listed("", HOST)))
    return found


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ((), Order("migrate", "drained by saltern", 600)),
        (("--guests", "stop", "--reason", "x", "--timeout", "5"), Order("stop", "x", 5)),
    ],
)
def test_drain_shows_each_guest_and_returns_10_where_not_all_was_done(
    call: Callable[..., Said], asked: list[tuple[Any, ...]], words: tuple[str, ...], order: Order
) -> None:
    said = call("drain", "kvm1", *words)
    assert (said.code, asked) == (ExitCode.ROLLOUT, [("drain", "kvm1", order)])
    _, *rows, _, last = said.out.splitlines()
    assert [row.split() for row in rows] == [
        ["web", "1-2", "stopped", "SHUTOFF", "hv1", "4.2", "s"],
        ["db", "3-4", "left", "ACTIVE", "hv1", "600.0", "s", "No", "valid", "host", "was", "found."],
    ]
    assert last == "kvm1 is disabled (another disk); 1 of its 2 guests run"


@pytest.mark.usefixtures("asked")
def test_drain_for_programs(call: Callable[..., Said]) -> None:
    said = call("drain", "kvm1", "--json")
    assert said.code == ExitCode.ROLLOUT
    host = {"host": "hv1", "enabled": False, "up": True, "reason": "another disk", "guests": 2, "running": 1}
    assert {key: value for key, value in said.json.items() if key != "guests"} == {
        "node": "kvm1",
        "host": host,
        "complete": False,
    }
    assert said.json["guests"][0] == {
        "guest": "web",
        "id": "1-2",
        "did": "stopped",
        "status": "SHUTOFF",
        "host": "hv1",
        "seconds": 4.25,
        "problem": "",
    }


def test_return_without_guests_is_a_sentence(call: Callable[..., Said], asked: list[tuple[Any, ...]]) -> None:
    said = call("return", "kvm1", "--timeout", "7")
    assert (said.code, said.out) == (ExitCode.OK, "kvm1 is enabled; 0 of its 0 guests run\n")
    assert asked == [("return", "kvm1", 7)]


@pytest.mark.usefixtures("asked")
def test_list_names_nodes_where_there_are_some(call: Callable[..., Said]) -> None:
    head, *rows = (line.split() for line in call("list").out.splitlines())
    assert head == ["node", "host", "status", "state", "guests", "running", "reason"]
    assert rows == [[node, "hv1", "disabled", "up", "2", "1", "another", "disk"] for node in ("kvm1", "-")]
    assert [one["node"] for one in call("list", "--json").json] == ["kvm1", ""]


def test_guests_are_migrated_stopped_or_left(call: Callable[..., Said]) -> None:
    said = call("drain", "kvm1", "--guests", "kill")
    assert said.code == ExitCode.USAGE
    assert "'migrate', 'stop', 'leave'" in said.err
