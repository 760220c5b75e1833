"""``saltern inventory diff``: what it prints and returns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from tests.unit.cli.conftest import Run
from tests.unit.project.history import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    found = History(tmp_path / "repository").start()
    text = "classes: [c]\nparameters: {own: x}\n"
    files: dict[str, str | None] = {f"nodes/n{number}.yml": text for number in range(1, 11)}
    found.commit("Base", {**files, "classes/c.yml": "parameters:\n  port: 80\n"})
    commit = {"classes/c.yml": "parameters:\n  port: 81\n", "nodes/n1.yml": "classes: [c]\nparameters: {own: y}\n"}
    found.commit("Move the port", {**commit, "nodes/n11.yml": text})
    return found


def test_for_people(history: History, run: Run) -> None:
    said = run("inventory", "diff", "HEAD~1", "HEAD", "--model", str(history.model))
    name, date = history.git("log", "-1", "--abbrev=10", "--format=%h %as").split()
    by = f"{name} Move the port (Ann, {date})"
    assert said.code == ExitCode.OK, said.err
    assert said.out.splitlines() == [
        "node n11 added",
        f"      nodes/n11.yml  {by}",
        "",
        "10 nodes: n1, n10, n2, n3, n4, n5, n6, n7 … and 2 more",
        f"  classes/c.yml:2:9  {by}",
        "    ~ parameters:port  80 → 81",
        "",
        "node n1",
        f"  nodes/n1.yml:2:19  {by}",
        '    ~ parameters:own  "x" → "y"',
        "",
        "10 of 10 nodes changed, 1 added, 0 removed",
    ]


def test_for_programs(history: History, run: Run) -> None:
    found = run("inventory", "diff", "HEAD~1", "--json", "--model", str(history.model)).json
    assert (found["old"], found["new"]) == (history.git("rev-parse", "HEAD~1"), "")
    (change,) = found["groups"][1]["changes"]
    assert change["variants"] == [{"old": "x", "new": "y", "nodes": ["n1"]}]
    assert change["cause"]["commit"]["name"] == history.git("rev-parse", "HEAD")
    assert (change["cause"]["file"], change["cause"]["line"], change["cause"]["gone"]) == ("nodes/n1.yml", 2, False)


def test_exit_code(history: History, run: Run) -> None:
    model = ("--model", str(history.model))
    assert run("inventory", "diff", "HEAD~1", "--exit-code", *model).code == ExitCode.DIFFERENT
    same = run("inventory", "diff", "HEAD", "--exit-code", *model)
    assert (same.code, same.out) == (ExitCode.OK, "Nothing differs.\n")
    history.write({"nodes/n2.yml": "parameters: {x: '${gone}'}\n"})
    broken = run("inventory", "diff", "HEAD", "--exit-code", *model)
    assert broken.code == ExitCode.MODEL
    assert "problem: the working tree: reference to nothing: ${gone}" in broken.err


def test_numbers_that_json_does_not_have(history: History, run: Run) -> None:
    def no_json(name: str) -> None:
        raise AssertionError(name)

    history.write({"nodes/n1.yml": "parameters: {high: .inf, low: [-.inf], not: .nan, .inf: 1}\n"})
    found = [
        json.loads(run(*words, "--json", "--model", str(history.model)).out, parse_constant=no_json)
        for words in (("inventory", "diff", "HEAD"), ("explain", "n1", "parameters"), ("inventory", "-n", "n1"))
    ]
    value = found[1]["value"]
    assert (value["high"], value["low"], value["not"], value["inf"]) == ("inf", ["-inf"], "nan", 1)
    assert found[2]["parameters"]["high"] == "inf"
    for words in (("-o", "json"), ("--salt", "pillar", "--json")):  # as reclass writes it; Salt's module reads it
        assert "Infinity" in run("inventory", "-n", "n1", *words, "--model", str(history.model)).out
