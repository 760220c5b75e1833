"""``plan``, ``apply``, ``rollback``, ``history`` and ``status`` for people and programs, on an engine in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from saltern.cli import context
from saltern.project import pruning
from tests.unit.cli.conftest import Run, Said
from tests.unit.project.cloud import Machine, World, render


@dataclass(frozen=True)
class Cloud:
    """``cloud("plan", …)`` runs a verb on the world's model."""

    world: World
    run: Run

    def __call__(self, *words: str) -> Said:
        said = self.run(*words, "--model", str(self.world.root))
        assert "s3cret" not in said.out + said.err
        return said


@pytest.fixture
def cloud(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """db, and web, which needs it; nothing runs."""
    world = World(tmp_path / "model", tmp_path / "state" / "saltern", tmp_path / "cache").install(monkeypatch)
    monkeypatch.setattr(context, "LocalRunner", lambda **_: Machine(world.engine))
    world.node("db", conf={"size": 1}).node("web", conf={"workers": 4, "password": "s3cret-one"}, needs=["db"])
    return Cloud(world, run)


@pytest.fixture
def up(cloud: Cloud) -> Cloud:
    assert cloud("apply", "--yes").code == ExitCode.OK
    return cloud


def workers(cloud: Cloud, count: int, **more: Any) -> None:
    cloud.world.node("web", conf={"workers": count, "password": "s3cret-one"}, needs=["db"], **more)


# ---- plan


def test_a_plan_for_people(up: Cloud) -> None:
    workers(up, 8)
    said = up("plan")
    assert (said.code, up.world.engine.running["lab-web"].image) == (ExitCode.OK, "i")
    lines = [line.rstrip() for line in said.out.splitlines()]
    place = up.world.line("web", "workers")
    assert lines[0] == "Values of the model:"
    assert lines[2].split() == ["parameters:conf:workers", "4", "8", place, "web"]
    at = lines.index("-workers = 4")
    assert lines[at - 4] == f"web /etc/web.conf  because of {place}"
    assert lines[at : at + 3] == ["-workers = 4", "+workers = 8", " password = ***"]
    assert "web       restarted  /etc/web.conf" in lines
    assert "db        untouched" in lines
    assert any(line.split()[:3] == ["1", "start", "web"] and line.endswith("yes") for line in lines)
    assert any(line.split()[:3] == ["2", "verify", "web"] for line in lines)
    assert "the data plane is not touched." in lines[-2]
    assert lines[-1] == "Way back: config-only."


def test_a_plan_for_programs_is_always_the_same(up: Cloud) -> None:
    workers(up, 8)
    first, second = up("plan", "--json"), up("plan", "--json")
    assert first.out == second.out
    found = first.json
    assert [step["key"] for step in found["steps"]] == ["start:web", "verify:web"]
    assert f"Plan {found['id']}: 2 steps" in up("plan").out


def test_a_rotated_secret(up: Cloud) -> None:
    up.world.node("web", conf={"workers": 4, "password": "s3cret-two"}, needs=["db"])
    assert "/etc/web.conf (only secret values differ)" in up("plan").out


def test_nothing_to_do(up: Cloud) -> None:
    revision = up("history", "--json").json[0]["revision"]
    assert up("plan").out == f"Nothing to do: what runs is revision {revision}.\n"
    assert up("plan", "--exit-code").code == ExitCode.OK
    assert "Nothing to do: the cloud is as the model says" in up("apply").out
    assert len(up("history", "--json").json) == 1


def test_the_exit_code_says_that_there_is_something_to_do(cloud: Cloud) -> None:
    assert cloud("plan").code == ExitCode.OK
    said = cloud("plan", "--exit-code", "--json")
    assert said.code == ExitCode.DIFFERENT
    assert said.json["old"] == ""


def test_between_two_rollouts(up: Cloud) -> None:
    workers(up, 8)
    up("apply", "--yes")
    found = up("plan", "--from", "2", "--to", "1", "--json").json
    assert [(v["old"], v["new"]) for v in found["values"]] == [(8, 4)]
    (problem,) = up("plan", "--from", "7", "--json").problems()
    assert problem["brief"] == "there is no revision '7'"


# ---- apply


def test_the_plan_in_a_file(up: Cloud, tmp_path: Path) -> None:
    workers(up, 8)
    file = tmp_path / "change.plan"
    shown = up("plan", "--out", str(file), "--json").json
    assert json.loads(file.read_text()) == shown
    done = up("apply", str(file), "--json")
    assert (done.code, done.json["plan"], done.json["rollout"]) == (ExitCode.OK, shown["id"], 2)
    again = up("apply", str(file), "--json")
    assert again.code == ExitCode.PLAN
    assert again.problems()[0]["brief"] == "the plan is no more the one that was shown"


@pytest.mark.parametrize("text", ["", "{}", "[]", "\xff"])
def test_a_file_that_holds_no_plan(up: Cloud, tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_bytes(text.encode("latin-1"))
    said = up("apply", str(tmp_path / "x"), "--json")
    assert said.code == ExitCode.USAGE
    assert "holds no plan" in said.problems()[0]["brief"]


@pytest.mark.parametrize("words", [("apply",), ("apply", "--json"), ("rollback", "1")], ids=" ".join)
def test_where_nobody_can_be_asked_nothing_is_done(up: Cloud, words: tuple[str, ...]) -> None:
    workers(up, 8)
    before = dict(up.world.engine.running)
    if words[0] == "rollback":
        up("apply", "--yes")
        before = dict(up.world.engine.running)
    said = up(*words)
    assert said.code == ExitCode.USAGE
    assert "nobody can be asked whether to go on" in said.err
    assert up.world.engine.running == before


def test_what_was_done(up: Cloud) -> None:
    workers(up, 8)
    said = up("apply", "--yes")
    assert "Plan " in said.out, "what is agreed to is shown"
    assert "✓ web: web works" in said.out
    assert "The cloud is up: 2 steps in " in said.out
    workers(up, 9)
    found = up("apply", "--yes", "--json").json
    assert {p["service"]: p["ready"] for p in found["processes"]} == {"db": True, "web": True}
    assert [p["workload"] for p in found["proofs"]] == ["web"]
    assert [s["act"] for s in found["steps"]] == ["start", "verify"]


def test_without_checks(up: Cloud) -> None:
    workers(up, 8)
    found = up("apply", "--yes", "--no-verify", "--json").json
    assert ([s["act"] for s in found["steps"]], found["proofs"]) == (["start"], [])


def test_a_failure_resume_and_rollback(up: Cloud) -> None:
    workers(up, 8)
    up.world.engine.failing["web"] = "no"
    said = up("apply", "--yes", "--json")
    assert said.code == ExitCode.ROLLOUT
    assert "saltern rollback" in said.problems()[-1]["resolution"]
    assert up("status", "--json").json["rollout"] == {
        "number": 2,
        "kind": "apply",
        "outcome": "failed",
        "open_steps": [],
        "revision": up("history", "--json").json[0]["revision"],
    }
    assert "failed: `saltern apply` goes on to the model as it is, `saltern rollback` goes back." in up("status").out
    up.world.engine.failing.clear()
    workers(up, 9)
    up.world.engine.running.pop("lab-web")
    assert up("apply", "--resume", "--yes").code == ExitCode.OK
    first, second, third = (one["revision"] for one in up("history", "--json").json)
    assert first == second != third, "what was begun, and not the model as it is now"
    back = up("rollback", "--yes", "--json")
    assert back.code == ExitCode.OK, back.err
    assert back.json["revision"] == third
    newest = up("history", "--json").json[0]
    assert (newest["kind"], newest["outcome"], newest["old"]) == ("rollback", "done", first)
    assert "Rollout" not in up("status").out


def test_nothing_to_resume_or_to_go_back_to(cloud: Cloud) -> None:
    for words, text in ((("apply", "--resume"), "no rollout to go on with"), (("rollback",), "no earlier revision")):
        said = cloud(*words, "--json")
        assert said.code == ExitCode.USAGE
        assert text in said.problems()[0]["brief"]


# ---- history


def test_no_history(cloud: Cloud) -> None:
    assert cloud("history").out == "No rollout yet.\n"
    assert cloud("history", "--json").json == []
    assert cloud("history", "3").code == ExitCode.USAGE


def test_history(up: Cloud) -> None:
    workers(up, 8)
    up.world.engine.failing["web"] = "it said no"
    up("apply", "--yes")
    table = [line.split() for line in up("history").out.splitlines()]
    assert [(row[0], row[3], row[5], row[6]) for row in table[1:]] == [
        ("#2", "apply", "failed", "1/2"),
        ("#1", "apply", "done", "4/4"),
    ]
    second, first = up("history", "--json").json
    assert set(second) == {
        *("number", "kind", "outcome", "begun", "seconds", "revision", "old", "way_back"),
        *("done_steps", "steps", "open_steps", "problems", "endpoints"),
    }
    assert (second["old"], second["way_back"], second["done_steps"]) == (first["revision"], "config-only", 1)
    assert second["problems"] == ["web does not pass the check 'answers'\nit said no"]
    assert [one["number"] for one in up("history", "--limit", "1", "--json").json] == [2]


def test_one_rollout(up: Cloud) -> None:
    found = up("history", "1", "--json").json
    assert [line["event"] for line in found["lines"]] == ["begin", *["act", "done"] * 4, "end"]
    assert [step["key"] for step in found["plan"]["steps"]] == ["start:db", "start:web", "verify:db", "verify:web"]
    out = up("history", "1").out
    assert out.startswith(f"Rollout 1: apply to revision {found['revision']}, done, begun ")
    assert "start:web" in out


def test_a_rollout_at_work_and_one_that_was_killed(up: Cloud) -> None:
    folder = up.world.state / "lab"
    journal = folder / "rollouts" / "000001" / "journal.jsonl"
    journal.write_text("".join(f"{line}\n" for line in journal.read_text().splitlines()[:4]))
    said = up("status", "--json").json["rollout"]
    assert (said["outcome"], said["open_steps"]) == ("interrupted", ["start:web"])
    assert "was interrupted in start:web: `saltern apply` goes on" in up("status").out
    assert up("history", "--json").json[0]["open_steps"] == ["start:web"]
    with up.world.project().locked():
        assert up("history", "--json").json[0]["outcome"] == "running"
        assert "is at work: start:web." in up("status").out
        busy = up("apply", "--yes", "--json")
        assert busy.code == ExitCode.LOCKED


# ---- prune


def test_data_of_replaced_instances_is_listed_and_removed(up: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "render_locked", render)
    assert up("prune").out == "There is nothing to remove.\n"
    for version, image in (("3.10.8-1", "k310"), ("4.0.5-8", "k405")):
        up.world.node("mq", fresh=True, version=version, image=image)
        assert up("apply", "--yes").code == ExitCode.OK
    refused = up("prune")
    assert (refused.code, refused.out) == (ExitCode.USAGE, "lab-mq-data\n")
    assert "give --yes" in refused.err
    assert "lab-mq-data" in up.world.engine.there
    assert up("prune", "--yes", "--json").json == {"volumes": ["lab-mq-data"]}
    assert "lab-mq-data" not in up.world.engine.there
    assert up("prune", "--yes", "--json").json == {"volumes": []}
