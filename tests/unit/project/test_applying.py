"""Rollouts of whole plans, on an engine in memory: what is recorded, refused, stopped and taken back."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import LockedError, PlanError, Problem, RolloutError, UsageError
from saltern.plan.plan import Plan
from saltern.project import applying, planning, recording, running
from saltern.project.applying import Applied, Terms
from saltern.project.revealing import Revealer
from saltern.rollout.rollouts import JOURNAL, Outcome, Past
from saltern.targets.compose import LABEL_HASH
from tests.unit.project.cloud import World

WEB: dict[str, Any] = {"needs": ["db"]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """db, and web, which needs it; they run."""
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    found.node("db", conf={"size": 1}).node("web", conf={"workers": 4}, **WEB)
    apply(found)
    return found


def apply(world: World, **terms: Any) -> Applied:
    return applying.apply(world.project(), Terms(**terms))


def plan(world: World) -> Plan:
    return planning.plan(world.project())


def pasts(world: World) -> tuple[Past, ...]:
    return recording.rollouts(world.project())


def wrong(world: World, **terms: Any) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        apply(world, **terms)
    return caught.value


def hashes(world: World) -> dict[str, str]:
    """What runs: container → id and configuration."""
    return {name: c.id for name, c in world.engine.running.items()}


# ---- doing it


def test_the_plan_that_was_shown_is_what_is_done(world: World) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    shown = plan(world)
    world.engine.acts.clear()
    done = apply(world, expected=shown.id)
    assert done.plan.as_json() == shown.as_json()
    assert world.engine.acts[:5] == ["probe lab-db", "remove lab-web", "create lab-web", "probe lab-web", "check web"]
    assert [(p.workload, p.text) for p in done.proofs] == [("web", "web works")]
    assert {line.service: line.ready for line in done.lines} == {"db": True, "web": True}
    assert plan(world).is_empty


def test_the_journal_holds_the_plan_and_each_act(world: World) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    done = apply(world)
    newest = pasts(world)[0]
    assert (newest.number, newest.kind, newest.outcome) == (done.number, "apply", Outcome.DONE)
    assert newest.plan == json.loads(json.dumps(done.plan.as_json()))
    events = [(line["event"], line.get("step")) for line in newest.lines]
    assert events == [
        ("begin", None),
        *(("act", "start:web"), ("done", "start:web"), ("act", "verify:web"), ("done", "verify:web")),
        ("end", None),
    ]


def test_without_changes_nothing_is_recorded(world: World) -> None:
    done = apply(world)
    assert (done.number, done.proofs, done.plan.is_empty) == (0, (), True)
    assert [past.number for past in pasts(world)] == [1]


# ---- refusing


@pytest.mark.parametrize("change", ["model", "formula", "world"])
def test_another_plan_than_was_shown_is_refused(world: World, change: str) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    shown = plan(world)
    if change == "model":
        world.node("db", conf={"size": 2})
    elif change == "formula":
        (world.root.parent / "formula" / "init.sls").write_text("b:\n  test.nop\n")
    else:
        world.engine.running.pop("lab-db")
    before = hashes(world)
    with pytest.raises(PlanError) as caught:
        apply(world, expected=shown.id)
    (problem,) = caught.value.problems
    assert f"shown was {shown.id}, now it is {plan(world).id}" in problem.details
    assert hashes(world) == before
    assert len(pasts(world)) == 1, "nothing was begun"


def test_two_applies_exclude_each_other(world: World) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    before = hashes(world)
    one, other = world.project(), world.project()
    with one.locked():
        assert other.is_locked()
        for act in (
            lambda: applying.apply(other),
            lambda: planning.plan(other),
            lambda: applying.apply_revision(other, recording.named(other, "1"), Terms("rollback")),
        ):
            with pytest.raises(LockedError):
                act()
    assert hashes(world) == before
    assert not other.is_locked()
    applying.apply(other)


def test_what_cannot_be_recorded_is_not_done(world: World) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    before = hashes(world)
    folder = world.project().state / "rollouts"
    folder.rename(folder.with_name("kept"))
    folder.write_text("a file")
    assert "cannot be written" in str(wrong(world))
    assert hashes(world) == before
    folder.unlink()
    folder.with_name("kept").rename(folder)
    assert apply(world).number == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_cannot_be_written_is_no_defect(world: World, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    before = hashes(world)

    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        (problem,) = wrong(world).problems
    assert problem.brief.startswith(str(world.state))
    assert problem.brief.endswith(f"cannot be written: {os.strerror(number)}")
    assert hashes(world) == before
    apply(world)
    assert plan(world).is_empty


# ---- what is missing


def test_a_container_that_is_gone_is_told(world: World) -> None:
    world.engine.running.pop("lab-db")
    lines = {line.service: line for line in running.status(world.project()).lines}
    assert (lines["db"].state, lines["db"].ready, lines["db"].why) == ("missing", False, "its container is gone")
    assert lines["web"].ready
    apply(world)
    assert all(line.ready for line in running.status(world.project()).lines)


def test_what_a_newer_rollout_took_away_is_not_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.without("web")
    with monkeypatch.context() as patch:
        patch.setattr(applying.Record, "end", lambda *_: None)  # SIGKILL writes no end
        apply(world)
    assert [line.service for line in running.status(world.project()).lines] == ["db"]


def test_a_cloud_that_was_taken_down_misses_nothing(world: World) -> None:
    world.engine.running.clear()
    assert running.status(world.project()).lines == ()


# ---- failing


def test_a_failed_gate_stops_and_says_how_to_go_back(world: World) -> None:
    world.node("db", conf={"size": 2}).node("web", conf={"workers": 8}, **WEB)
    world.engine.failing["db"] = "no such table"
    web = hashes(world)["lab-web"]
    (problem,) = wrong(world).problems
    assert (problem.brief, problem.details) == ("db does not pass the check 'answers'", "no such table")
    assert problem.resolution.endswith("correct the model and apply again, or go back: `saltern rollback`")
    assert hashes(world)["lab-web"] == web, "nothing after it was done"
    newest = pasts(world)[0]
    assert (newest.outcome, newest.done_steps, newest.open_steps) == (Outcome.FAILED, 1, ())
    assert newest.problems == ("db does not pass the check 'answers'\nno such table",)
    found = running.status(world.project())
    assert found.newest is not None
    assert (found.newest.number, found.newest.outcome) == (2, Outcome.FAILED)


def test_going_on_after_a_failure(world: World) -> None:
    world.node("db", conf={"size": 2}).node("web", conf={"workers": 8}, **WEB)
    world.engine.failing["db"] = "no"
    wrong(world)
    world.engine.failing.clear()
    world.engine.acts.clear()
    apply(world)
    assert "create lab-db" not in world.engine.acts, "it has been done"
    assert "create lab-web" in world.engine.acts
    assert world.engine.acts.count("check db") == 1, "the gate that it did not pass"
    assert plan(world).is_empty


def test_a_failed_gate_is_not_forgotten_where_nothing_else_is_to_be_done(world: World) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    world.engine.failing["web"] = "no"
    wrong(world)
    (step,) = plan(world).steps.changes
    assert (step.key, step.reason) == ("verify:web", "an earlier rollout did not come that far")
    wrong(world)
    world.engine.failing.clear()
    assert [proof.text for proof in apply(world).proofs] == ["web works"]
    assert plan(world).is_empty
    assert pasts(world)[0].outcome is Outcome.DONE


def test_what_was_killed_before_its_last_line_is_brought_to_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.node("web", conf={"workers": 8}, **WEB)
    with monkeypatch.context() as patch:
        patch.setattr(applying.Record, "end", lambda *_: None)  # SIGKILL writes no end
        apply(world)
    assert pasts(world)[0].outcome is Outcome.INTERRUPTED
    assert plan(world).is_empty
    done = apply(world)
    assert (done.number, done.proofs) == (3, ())
    assert (pasts(world)[0].outcome, pasts(world)[0].target) == (Outcome.DONE, pasts(world)[1].target)
    assert apply(world).number == 0


def test_a_rollback_to_what_runs_already_ends_what_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    good = plan(world).new
    world.node("web", conf={"workers": 8}, **WEB)

    def refuse(*_: Any) -> None:
        raise RolloutError(Problem("no"))

    with monkeypatch.context() as patch:
        patch.setattr(applying, "find_composer", refuse)
        wrong(world)
    target = recording.before_last(world.project())
    assert target is not None
    done = applying.apply_revision(world.project(), target, Terms("rollback"))
    assert done.plan.steps.changes == ()
    assert [(past.kind, past.outcome, past.target) for past in pasts(world)][:1] == [("rollback", Outcome.DONE, good)]


class KilledError(BaseException):
    """Nothing catches it."""


def test_a_rollout_that_was_killed_shows_how_far_it_came_and_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.node("db", conf={"size": 2}).node("web", conf={"workers": 8}, **WEB)

    def die(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(applying.Record, "end", lambda *_: None)  # SIGKILL writes no end
        patch.setattr(world.engine, "run", die)
        with pytest.raises(KilledError):
            apply(world)
    newest = pasts(world)[0]
    assert (newest.outcome, newest.done_steps, newest.open_steps) == (Outcome.INTERRUPTED, 1, ("verify:db",))
    done = apply(world)
    assert sorted(proof.workload for proof in done.proofs) == ["db", "web"]
    assert plan(world).is_empty
    assert [past.outcome for past in pasts(world)] == [Outcome.DONE, Outcome.INTERRUPTED, Outcome.DONE]


def test_an_interruption_by_the_user_is_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.node("db", conf={"size": 2})

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.engine, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        apply(world)
    assert pasts(world)[0].outcome is Outcome.INTERRUPTED
    assert pasts(world)[0].lines[-1]["event"] == "end"


def test_secrets_get_into_no_journal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret-of-web")
    monkeypatch.setattr(Revealer, "compiled", lambda _self, _bases, one: one)  # there is no worker here
    world.node("web", conf={"password": "?{env:PASSWORD}"}, **WEB)
    world.engine.failing["web"] = "access denied for s3cret-of-web"
    (problem,) = wrong(world).problems
    assert problem.details == "access denied for ?{env:PASSWORD}"
    record = world.project().state / "rollouts" / "000002"
    for file in record.iterdir():
        assert b"s3cret-of-web" not in file.read_bytes(), file
    assert "access denied for" in (record / JOURNAL).read_text()


# ---- the way back


def test_rollback_brings_back_what_ran(world: World) -> None:
    first = plan(world).new
    world.node("db", conf={"size": 2}).node("web", conf={"workers": 8}, replicas=2, **WEB)
    apply(world)
    target = recording.before_last(world.project())
    assert target is not None
    assert target.id == first
    shown = applying.plan_revision(world.project(), target, planning.Asked())
    done = applying.apply_revision(world.project(), target, Terms("rollback", expected=shown.id))
    assert (done.plan.new, pasts(world)[0].kind, pasts(world)[0].outcome) == (first, "rollback", Outcome.DONE)
    assert sorted(world.engine.running) == ["lab-db", "lab-web"]
    assert planning.plan_between(world.project(), target, target).is_empty
    assert not plan(world).is_empty, "the model is as it was"
    world.node("db", conf={"size": 1}).node("web", conf={"workers": 4}, **WEB)
    assert plan(world).is_empty


@pytest.mark.parametrize("times", [1, 2])
def test_auto_rollback_goes_to_what_ran_well(world: World, times: int) -> None:
    good = plan(world).new
    world.node("db", conf={"size": 2})
    world.engine.good["lab-db"] = world.engine.running["lab-db"].labels[LABEL_HASH]
    for _ in range(times - 1):
        wrong(world)
    if times > 1:  # the revision that fails is the newest that is known by now
        world.engine.running.pop("lab-db")
    error = wrong(world, auto_rollback=True)
    assert error.problems[-1].resolution.endswith(f"rolled back: the cloud is at revision {good} again")
    assert [past.kind for past in pasts(world)][:2] == ["rollback", "apply"]
    assert pasts(world)[0].outcome is Outcome.DONE
    assert pasts(world)[0].target == good


def test_auto_rollback_without_anything_to_go_back_to(world: World) -> None:
    world.engine.running.clear()
    world.engine.failing["web"] = "no"
    said = wrong(world, auto_rollback=True).problems[-1].resolution
    assert said.endswith("there is no earlier revision that could be brought back")


def test_a_rollback_that_fails_too_says_so(world: World) -> None:
    world.node("db", conf={"size": 2})
    world.engine.failing["db"] = "no"
    error = wrong(world, auto_rollback=True)
    assert len(error.problems) == 2
    assert "failed as well: see `saltern status`" in error.problems[-1].resolution


def test_before_last(world: World) -> None:
    ids = [plan(world).new]
    for size in (2, 3):
        world.node("db", conf={"size": size})
        apply(world)
        ids.append(plan(world).new)

    def back() -> str:
        found = recording.before_last(world.project())
        return found.id if found else ""

    assert back() == ids[1]
    world.engine.failing["db"] = "no"
    world.node("db", conf={"size": 4})
    wrong(world)
    assert back() == ids[2], "what ran before the rollout that failed"


# ---- revisions by name


def test_named(world: World) -> None:
    project = world.project()
    first = pasts(world)[0].target
    for name in ("1", "#1", first, first[:4], first[:8]):
        assert recording.named(project, name).id == first
    for name in ("2", first[:3], "", "zzzz"):
        with pytest.raises(UsageError) as caught:
            recording.named(project, name)
        assert f"#1 {first}" in (caught.value.problems[0].resolution)


def test_a_damaged_revision_is_as_if_it_were_not_kept(world: World) -> None:
    project = world.project()
    first = pasts(world)[0].target
    path = project.state / "revisions" / f"{first}.json"
    for damage in ("", "{", "[]", "{}", '{"workloads": [], "formulas": {}, "commit": "", "snapshot": ""}'):
        path.write_text(damage)
        assert recording.load(project, first) is None
        assert recording.known(project) == ()
    with pytest.raises(UsageError):
        recording.named(project, first)
    world.node("db", conf={"size": 2})
    assert not plan(world).is_empty, "it is planned from what runs all the same"


def test_revisions_are_kept_as_long_as_they_are_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "KEPT", 2)
    for size in (2, 3):
        world.node("db", conf={"size": size})
        apply(world)
    world.engine.failing["db"] = "no"
    for size in (4, 5):
        world.node("db", conf={"size": size})
        wrong(world)
    project = world.project()
    recording.forget(project)
    targets = [past.target for past in pasts(world)]
    kept = {path.stem for path in (project.state / "revisions").iterdir()}
    assert kept == {*targets[:2], *targets[2:4]}, "the newest two, and the last two that went well"
    snapshots = {one.snapshot for name in kept if (one := recording.load(project, name))}
    assert {path.stem for path in (project.state / "snapshots").iterdir()} == snapshots
