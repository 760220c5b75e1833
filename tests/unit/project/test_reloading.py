"""A process that takes over changed configuration while it runs: planned, done, refused, killed and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import RolloutError
from saltern.plan.plan import Effect, Plan, WayBack
from saltern.project import applying, planning, recording, rendering
from saltern.project.applying import Applied, Terms
from saltern.rollout import delivery
from saltern.rollout.reloading import Reloading
from saltern.rollout.rollouts import Outcome
from tests.unit.project.cloud import World, render
from tests.unit.rollout.fakes import Script


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """lb, which reloads, and web, which does not; they run."""
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    found.node("web", conf={"workers": 4})
    lb(found, 1)
    apply(found)
    return found


def lb(world: World, size: int, **more: Any) -> None:
    world.node("lb", conf={"size": size}, reloads=True, **{"fixed": "same", **more})


def apply(world: World, **terms: Any) -> Applied:
    return applying.apply(world.project(), Terms(**terms))


def plan(world: World) -> Plan:
    return planning.plan(world.project())


def keys(made: Plan) -> list[str]:
    return [step.key for step in made.steps.changes]


def ids(world: World) -> dict[str, str]:
    return {name: container.id for name, container in world.engine.running.items()}


def runs(world: World) -> str:
    """The configuration with which the process of lb runs."""
    return world.engine.loaded["lab-lb"]


RELOAD = ["reload:lb", "verify:lb"]
OWED = ["verify:lb"]
"""After a rollout that failed or was killed: its checks were not made."""


def test_changed_configuration_is_taken_over(world: World) -> None:
    before = ids(world)
    lb(world, 2)
    made = plan(world)
    assert keys(made) == RELOAD
    assert made.steps.changes[0].reason == "configuration changed, taken over without a restart"
    assert {i.workload: (i.effect, i.reasons) for i in made.impacts} == {
        "lb": (Effect.RELOADED, ("/etc/lb.d/lb.conf",)),
        "web": (Effect.UNTOUCHED, ()),
    }
    assert [(f.path, f.causes) for f in made.changes.files] == [("/etc/lb.d/lb.conf", (world.line("lb", "size"),))]
    assert made.way_back is WayBack.CONFIG
    world.engine.acts.clear()
    assert keys(apply(world, expected=made.id).plan) == RELOAD
    acts = [act for act in world.engine.acts if act != "probe lab-web"]
    assert acts[:4] == ["check lb config", "reload lab-lb", "probe lab-lb", "check lb"]
    assert runs(world) == "size = 2\nsame"
    assert ids(world) == before
    assert plan(world).is_empty


@pytest.mark.parametrize("change", [{"image": "k2"}, {"fixed": "another"}], ids=["image", "a file elsewhere"])
def test_another_change_is_a_new_container_with_the_new_configuration(world: World, change: dict[str, str]) -> None:
    before = ids(world)
    lb(world, 2, **change)
    assert keys(plan(world)) == ["start:lb", "verify:lb"]
    apply(world)
    assert ids(world)["lab-lb"] != before["lab-lb"]
    assert runs(world) == f"size = 2\n{change.get('fixed', 'same')}"
    assert plan(world).is_empty


def test_a_new_container_shows_what_it_takes_over_next(world: World) -> None:
    lb(world, 2, image="k2")
    apply(world)
    lb(world, 3, image="k2")
    assert keys(plan(world)) == RELOAD
    apply(world)
    assert runs(world) == "size = 3\nsame"


def test_what_the_check_refuses_changes_nothing(world: World) -> None:
    world.engine.failing["lb config"] = "line 7: unknown keyword"
    lb(world, 2)
    with pytest.raises(RolloutError) as caught:
        apply(world)
    [problem] = caught.value.problems
    assert "nothing was changed" in problem.brief
    assert "line 7: unknown keyword" in problem.details
    assert runs(world) == "size = 1\nsame"
    assert not [act for act in world.engine.acts if act.startswith("reload")]
    lb(world, 1)
    assert keys(plan(world)) == OWED


def test_what_is_not_taken_over_is_put_back(world: World) -> None:
    world.engine.scripts["lb"] = Script(reload_codes=(1, 0))
    lb(world, 2)
    with pytest.raises(RolloutError) as caught:
        apply(world)
    assert "it runs with the previous one again: reload ended with 1" in caught.value.problems[0].brief
    assert runs(world) == "size = 1\nsame"
    lb(world, 1)
    assert keys(plan(world)) == OWED


def test_what_can_not_be_put_back_either_is_told_as_it_is(world: World) -> None:
    world.engine.scripts["lb"] = Script(reload_codes=(1, 1, 0))
    lb(world, 2)
    with pytest.raises(RolloutError) as caught:
        apply(world)
    assert "nothing says what it runs with now" in caught.value.problems[0].brief
    lb(world, 1)
    made = plan(world)
    assert keys(made) == RELOAD
    assert "began to take over another configuration" in made.steps.changes[0].reason
    apply(world)
    assert runs(world) == "size = 1\nsame"
    assert plan(world).is_empty


@pytest.mark.parametrize("moment", ["_refused", "_told", "took"])
@pytest.mark.parametrize("then", [2, 1], ids=["go on", "go back"])
def test_killed_at_any_moment(world: World, monkeypatch: pytest.MonkeyPatch, moment: str, then: int) -> None:
    """Before the check, before the process is told, and before it is written down."""

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(delivery if moment == "took" else Reloading, moment, killed)
        lb(world, 2)
        with pytest.raises(KeyboardInterrupt):
            apply(world)
    assert recording.rollouts(world.project())[0].outcome is Outcome.INTERRUPTED
    lb(world, then)
    made = plan(world)
    assert keys(made) == (OWED if (moment, then) == ("_refused", 1) else RELOAD)
    apply(world)
    assert runs(world) == f"size = {then}\nsame"
    assert plan(world).is_empty


def test_a_lost_state_only_means_that_it_is_told_once_more(world: World) -> None:
    before = ids(world)
    (world.state / "lab/live/lb" / delivery.TAKEN).unlink()
    made = plan(world)
    assert keys(made) == RELOAD
    assert "nothing says" in made.steps.changes[0].reason
    apply(world)
    assert ids(world) == before
    assert plan(world).is_empty


def test_a_container_that_does_not_see_the_folder_is_found(world: World) -> None:
    """Somebody put another folder in its place: what the container mounts is the old one."""
    made = world.engine.made["lab-lb"]
    old = world.state / "elsewhere"
    old.mkdir()
    (old / delivery.DATA).symlink_to("..older")
    for volume in made["volumes"]:
        if volume["target"] == "/etc/lb.d":
            volume["source"] = str(old)
    lb(world, 2)
    with pytest.raises(RolloutError) as caught:
        apply(world)
    assert "does not see" in caught.value.problems[0].brief
    assert "remove the container" in caught.value.problems[0].details


def test_a_gate_that_fails_takes_the_configuration_back(world: World) -> None:
    lb(world, 2)
    world.engine.failing["lb"] = "HTTP status 503"
    with pytest.raises(RolloutError):
        apply(world)
    assert runs(world) == "size = 2\nsame"
    assert keys(plan(world)) == OWED, "it runs; that it is no good is what the gate says"
    del world.engine.failing["lb"]
    before = recording.before_last(world.project())
    assert before is not None
    applying.apply_revision(world.project(), before, Terms("rollback"))
    assert runs(world) == "size = 1\nsame"


def test_between_two_revisions(world: World) -> None:
    lb(world, 2)
    apply(world)
    first, second = (past.target for past in reversed(recording.rollouts(world.project())))
    project = world.project()
    made = planning.plan_between(project, recording.named(project, first), recording.named(project, second))
    assert keys(made) == RELOAD
    same = planning.plan_between(project, recording.named(project, second), recording.named(project, second))
    assert same.is_empty


def test_down_and_up(world: World) -> None:
    world.engine.running.clear()
    lb(world, 2)
    assert keys(plan(world)) == ["start:lb", "start:web", "verify:lb", "verify:web"]
    apply(world)
    assert runs(world) == "size = 2\nsame"
    assert plan(world).is_empty


def test_who_starts_it_by_hand_gets_what_was_rendered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "render_locked", render)
    lb(world, 2)
    rendering.render(world.project())
    folder = world.state / "lab/live/lb/now/etc-lb.d"
    assert (folder / "lb.conf").read_text() == "size = 1\n", "a crash shall not bring what was not checked"
    world.engine.running.clear()
    rendering.render(world.project())
    assert (folder / "lb.conf").read_text() == "size = 2\n"


def test_replicas_reload_one_after_the_other(world: World) -> None:
    world.node("lb", conf={"size": 1}, reloads=True, replicas=2)
    apply(world)
    world.node("lb", conf={"size": 2}, reloads=True, replicas=2)
    assert keys(plan(world)) == ["reload:lb-1", "reload:lb-2", "verify:lb"]
    world.engine.acts.clear()
    apply(world)
    assert [act for act in world.engine.acts if act.startswith("reload")] == ["reload lab-lb-1", "reload lab-lb-2"]
    assert plan(world).is_empty


def test_only_what_is_used_is_kept(world: World) -> None:
    for size in (2, 3, 4):
        lb(world, size, fixed=f"fixed {size}")
        apply(world)
    folder = world.state / "lab/live/lb"
    assert len([*folder.glob("now/etc-lb.d/..*")]) == 2, "what is shown, and the link to it"
    assert len([*folder.glob("*/lb.fixed")]) == 1
    world.without("lb")
    apply(world)
    assert not folder.exists()
