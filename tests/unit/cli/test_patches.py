"""``saltern outdated`` and ``affected``: what needs no engine, and how results are shown."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from saltern.cli.context import Caller
from saltern.cli.patches import _hit_row, _outdated_json, _print_updates
from saltern.ops.affected import find_hits, parse_questions
from saltern.ops.index import Suite
from saltern.ops.outdated import Update
from saltern.ops.tracker import Fix
from saltern.project.inspecting import Outdated
from tests.trees import write_tree
from tests.unit.cli.conftest import Run
from tests.unit.ops.lists import contents_of

WEB = contents_of("web", libc6="2-1", nginx="1-1 nginx 1-1", own="libc6")


def update(package: str, **more: Any) -> Update:
    given = {"suite": "bookworm", "security": False, "source": package, "in_base": False, **more}
    return Update("web", package, "1", "2", **given)


def printed(*updates: Update) -> str:
    caller = Caller(ExitStack(), {"json": False})
    caller.stdout = Console(file=io.StringIO(), width=200)
    found = Outdated((WEB,), updates, (("debian-12", Suite("bookworm")),), ())
    _print_updates(caller, found, list(updates))
    text: str = caller.stdout.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_questions_are_read_before_anything_is_done(run: Run, tmp_path: Path) -> None:
    model = write_tree(tmp_path / "model", {"nodes/a.yml": "", "classes/a.yml": ""})
    said = run("affected", "a<x", "b c", "--json", "--model", str(model))
    assert said.code == 2
    assert [problem["brief"] for problem in said.problems()] == [
        "'a<x' asks for no package",
        "'b c' asks for no package",
    ]


def test_a_tracker_that_is_none(run: Run, tmp_path: Path) -> None:
    model = write_tree(tmp_path / "model", {"nodes/a.yml": "", "classes/a.yml": ""})
    (tmp_path / "tracker.json").write_text("[]")
    said = run("outdated", "--tracker", str(tmp_path / "tracker.json"), "--model", str(model))
    assert said.code == 2
    assert "tracker" in said.err


def test_the_table_of_updates() -> None:
    fixes = tuple(Fix(f"CVE-2026-000{number}", "low", "2") for number in range(5))
    text = printed(update("nginx", security=True, fixes=fixes), update("libc6", in_base=True, stale=True))
    first, second = text.splitlines()[1:3]
    assert "CVE-2026-0002 and 2 more CVEs" in first
    assert "CVE-2026-0003" not in first
    assert "web (runs, old)" in second
    assert "(of the base)" in second
    assert "2 updates, 1 of them security updates, of 2 packages in 1 images" in text
    assert printed() == "Nothing to update: 2 packages in 1 images\n"


def test_updates_as_json() -> None:
    one = update("nginx", fixes=(Fix("CVE-1", "high", "2"),))
    found = _outdated_json(Outdated((WEB,), (one,), (("debian-12", Suite("bookworm-security")),), ()), [one])
    assert found["updates"][0]["fixes"] == [{"cve": "CVE-1", "urgency": "high", "fixed": "2"}]
    assert found["suites"][0]["security"]
    assert found["images"][0]["packages"] == 2


@pytest.mark.parametrize(("state", "word"), [({}, ""), ({"running": True}, "runs")])
def test_a_row_of_what_is_affected(state: dict[str, bool], word: str) -> None:
    (hit,) = find_hits([replace(WEB, nodes=("a", "b"), **state)], parse_questions(["nginx"]))
    assert _hit_row(hit) == ("web", "nginx", "1-1", "nginx 1-1", "a, b", word)
