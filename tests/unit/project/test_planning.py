"""Plans of a model against what runs: causes, masks, packages, groups, and always the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import PlanError, UsageError
from saltern.plan.changes import FileChange, PackageChange
from saltern.plan.plan import Effect, Plan, WayBack
from saltern.plan.revision import Revision
from saltern.project import applying, planning, recording, upgrading
from saltern.project.applying import Terms
from saltern.project.planning import Asked
from tests.trees import write_tree
from tests.unit.project.cloud import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """db, and web, which needs it; nothing runs yet."""
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    return found.node("db", conf={"size": 1}).node("web", conf={"workers": 4, "password": "s3cret-one"}, needs=["db"])


@pytest.fixture
def up(world: World) -> World:
    applying.apply(world.project())
    return world


def plan(world: World) -> Plan:
    return planning.plan(world.project())


def effects(made: Plan) -> dict[str, Effect]:
    return {impact.workload: impact.effect for impact in made.impacts}


def test_of_a_cloud_that_is_not_there_all_is_new(world: World) -> None:
    made = plan(world)
    assert effects(made) == {"db": Effect.NEW, "web": Effect.NEW}
    assert [s.key for s in made.steps.changes] == ["start:db", "start:web", "verify:db", "verify:web"]
    assert (made.old, made.changes.values, made.changes.files) == ("", (), ())
    assert [(i.name, i.old, i.action, i.packages) for i in made.changes.images] == [
        ("db", "", "built", ()),
        ("web", "", "built", ()),
    ]
    assert world.engine.acts == [], "a plan touches nothing"


def test_of_a_cloud_that_is_as_the_model_says_nothing_is_to_be_done(up: World) -> None:
    made = plan(up)
    assert made.is_empty
    assert made.old == made.new
    assert effects(made) == {"db": Effect.UNTOUCHED, "web": Effect.UNTOUCHED}
    assert made.way_back is WayBack.NOTHING
    assert made.as_json()["files"] == made.as_json()["values"] == made.as_json()["images"] == []


def test_a_changed_value_with_its_line(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-one"}, needs=["db"])
    made = plan(up)
    place = up.line("web", "workers")
    (value,) = made.changes.values
    assert (value.path, value.old, value.new, value.nodes, value.place) == (
        *("parameters:conf:workers", 4, 8, ("web",)),
        place,
    )
    diff = "--- a/etc/web.conf\n+++ b/etc/web.conf\n@@ -1,2 +1,2 @@\n-workers = 4\n+workers = 8\n password = ***\n"
    assert made.changes.files == (FileChange("web", "/etc/web.conf", "changed", diff, (place,)),)
    assert made.changes.images == ()
    assert effects(made) == {"db": Effect.UNTOUCHED, "web": Effect.RESTARTED}
    assert made.way_back is WayBack.CONFIG
    assert [s.key for s in made.steps.changes] == ["start:web", "verify:web"]
    assert made.steps.changes[0].down


def test_only_what_stands_in_the_diff_is_to_blame_for_it(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-one"}, needs=["db"], elsewhere="x")
    (file,) = plan(up).changes.files
    assert file.causes == (up.line("web", "workers"),)


def test_a_value_that_goes_is_blamed_by_its_old_line(up: World) -> None:
    old = up.line("web", "workers")
    up.node("web", conf={"password": "s3cret-one"}, needs=["db"])
    made = plan(up)
    (value,) = made.changes.values
    assert (value.kind, value.gone, value.place) == ("removed", True, old)
    assert made.changes.files[0].causes == (old,)


def test_a_rotated_secret_is_shown_neither_as_it_was_nor_as_it_is(up: World) -> None:
    up.node("web", conf={"workers": 4, "password": "s3cret-two"}, needs=["db"])
    made = plan(up)
    (file,) = made.changes.files
    assert (file.kind, file.diff, file.causes) == ("secret", "", (up.line("web", "password"),))
    up.node("web", conf={"workers": 8, "password": "s3cret-two"}, needs=["db"])
    both = plan(up)
    assert both.changes.files[0].kind == "changed"
    for one in (made, both):
        text = json.dumps(one.as_json())
        assert "s3cret" not in text
        assert "***" in text


def test_a_changed_formula(up: World) -> None:
    write_tree(up.root.parent / "formula", {"init.sls": "a:\n  test.nop: []\n", "map.jinja": "x\n"})
    up.node("db", conf={"size": 1}, image="k2")
    made = plan(up)
    (formula,) = made.changes.formulas
    assert (formula.formula, formula.files) == ("web", ("init.sls", "map.jinja"))
    (image,) = made.changes.images
    assert image.causes == (up.line("db", "image"), "web: init.sls", "web: map.jinja")


def test_a_security_patch(up: World) -> None:
    up.node("web", conf={"workers": 4, "password": "s3cret-one"}, needs=["db"], image="k2", version="1.1")
    made = plan(up)
    (image,) = made.changes.images
    assert (image.name, image.workloads, image.action) == ("web", ("web",), "built")
    assert (image.old, image.new) == ("localhost/lab/web:k1", "localhost/lab/web:k2")
    assert (image.base, image.packages) == (("debian-12", "debian-12"), (PackageChange("web", "1.0", "1.1"),))
    assert made.way_back is WayBack.IMAGE
    impact = next(i for i in made.impacts if i.workload == "web")
    assert impact.reasons == ("image web",)


def test_an_image_that_several_share_is_told_once(up: World) -> None:
    for name in ("a", "b", "c"):
        up.node(name, image_name="api")
    applying.apply(up.project())
    for name in ("a", "b"):
        up.node(name, image_name="api", image="k2", version="1.1")
    up.node("c", image_name="api", version="1.1")
    made = plan(up)
    (image,) = made.changes.images
    assert (image.name, image.workloads) == ("api", ("a", "b"))
    assert image.packages == (PackageChange("web", "1.0", "1.1"),)
    assert image.causes == tuple(up.line(name, text) for name in "ab" for text in ("image:", "version"))
    assert effects(made)["c"] is Effect.UNTOUCHED


def test_replicas_roll(world: World) -> None:
    world.node("web", conf={"workers": 4}, replicas=2)
    applying.apply(world.project())
    world.node("web", conf={"workers": 8}, replicas=2)
    made = plan(world)
    assert [s.key for s in made.steps.changes] == ["roll:web-1", "roll:web-2", "verify:web"]
    assert effects(made)["web"] is Effect.ROLLED


def test_fewer_replicas(world: World) -> None:
    world.node("web", replicas=3)
    applying.apply(world.project())
    world.node("web", replicas=2)
    made = plan(world)
    assert effects(made)["web"] is Effect.FEWER
    assert [s.key for s in made.steps.changes] == ["remove:lab-web-3"]


def test_a_node_that_comes_and_one_that_goes(up: World) -> None:
    up.without("web").node("mq")
    made = plan(up)
    assert effects(made) == {"db": Effect.UNTOUCHED, "mq": Effect.NEW, "web": Effect.REMOVED}
    assert [s.key for s in made.steps.changes] == ["start:mq", "verify:mq", "remove:lab-web"]


def test_the_way_there_is_told_against_what_runs_and_not_what_was_tried(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-one"}, needs=["db"])
    up.engine.failing["db"] = "no"
    up.node("db", conf={"size": 2})
    with pytest.raises(applying.RolloutError):
        applying.apply(up.project())
    made = plan(up)
    assert [f.workload for f in made.changes.files] == ["web"], "db has its new configuration, web has not"
    assert made.changes.files[0].causes == (up.line("web", "workers"),)


# ---- always the same


def test_two_plans_of_one_state_are_equal_bytes(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-two"}, needs=["db"], image="k2", version="1.1").node("mq")
    first, second = (json.dumps(plan(up).as_json()) for _ in range(2))
    assert first == second


def test_any_change_of_model_or_world_makes_another_plan(up: World) -> None:
    up.node("db", conf={"size": 2})
    ids = [plan(up).id]
    (up.root / "README").write_text("x")
    ids.append(plan(up).id)
    up.engine.running.pop("lab-web")
    ids.append(plan(up).id)
    with_checks, without = (planning.plan(up.project(), Asked(verify=verify)).id for verify in (True, False))
    assert len({*ids, with_checks, without}) == 4
    assert with_checks == ids[-1]


# ---- between revisions


def test_between_two_revisions_nothing_of_what_runs_counts(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-one"}, needs=["db"])
    applying.apply(up.project())
    project = up.project()
    one, two = recording.named(project, "1"), recording.named(project, "2")
    up.engine.running.clear()
    forth, back = planning.plan_between(project, one, two), planning.plan_between(project, two, one)
    for made, (old, new) in ((forth, (4, 8)), (back, (8, 4))):
        assert [s.key for s in made.steps.changes] == ["start:web", "verify:web"]
        assert [(v.old, v.new) for v in made.changes.values] == [(old, new)]
        assert f"-workers = {old}\n+workers = {new}\n" in made.changes.files[0].diff
    assert (forth.old, forth.new) == (back.new, back.old) == (one.id, two.id)
    up.node("db", conf={"size": 3})
    now = planning.plan_between(up.project(), one, None)
    assert effects(now) == {"db": Effect.RESTARTED, "web": Effect.RESTARTED}
    assert planning.plan_between(project, two, two).is_empty


Z22, Z27, Z29 = "2:22.0.2-1", "2:27.0.0-3", "2:29.0.0-1"
STAGED = ["backup:api", "command:api:web:check:check", "command:api:web:expand:expand", "start:api", "verify:api"]


def release(world: World, version: str, **more: Any) -> Revision:
    """Bring a version of api, whose rules have stages; the revision."""
    world.node("api", staged=True, version=version, image=version.replace(":", "."), needs=["db"], **more)
    applying.apply(world.project(), Terms(asked=Asked(**more)))
    return recording.named(world.project(), recording.rollouts(world.project())[0].target)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups are not what these tests are about."""
    monkeypatch.setattr(upgrading, "backup_locked", lambda *_: None)


@pytest.mark.usefixtures("quiet")
def test_between_two_releases_there_are_the_stages_of_the_upgrade(up: World) -> None:
    old = release(up, Z22)
    up.node("api", staged=True, version=Z27, image="2.27", needs=["db"])
    project = up.project()
    expected = planning.plan(project)
    ahead = planning.plan_between(project, old, None)
    assert [s.key for s in ahead.steps.changes] == STAGED == [s.key for s in expected.steps.changes]
    assert (ahead.notes, ahead.way_back) == (expected.notes, WayBack.EXPANDED)
    new = release(up, Z27)
    forth = planning.plan_between(project, old, new)
    assert [s.key for s in forth.steps.changes] == STAGED, "as if the old one ran, and nothing had been done"
    back = planning.plan_between(project, new, old)
    assert [s.key for s in back.steps.changes] == ["start:api", "verify:api"]
    assert "the schema stays expanded" in back.notes[0]
    assert "command:api:web:contract:contract" in [
        s.key for s in planning.plan_between(project, new, new, Asked(contract=True)).steps.changes
    ]


@pytest.mark.usefixtures("quiet")
def test_between_two_releases_what_is_not_allowed_is_refused(up: World) -> None:
    old, new = release(up, Z22), release(up, Z27)
    up.node("api", staged=True, version=Z29, image="2.29", needs=["db"])
    with pytest.raises(PlanError, match="may not go from"):
        planning.plan_between(up.project(), new, None)
    up.node("api", staged=True, version=Z27, image="2.27", needs=["db"])
    applying.apply(up.project(), Terms(asked=Asked(contract=True)))
    with pytest.raises(PlanError, match="cannot go back"):
        planning.plan_between(up.project(), new, old)


def test_between_two_revisions_of_other_generations(up: World) -> None:
    applying.apply(up.node("mq", fresh=True, version="3.10.8-1", image="k310").project())
    applying.apply(up.node("mq", fresh=True, version="4.0.5-8", image="k405").project())
    project = up.project()
    old, new = recording.named(project, "2"), recording.named(project, "3")
    check = "command:mq:web:check:holds nothing that must live on"
    for first, second, service in ((old, new, "lab-mq"), (new, old, "lab-mq-g2")):
        made = planning.plan_between(project, first, second)
        keys = [step.key for step in made.steps.changes]
        assert [keys[0], keys[1], keys[3]] == [check, "start:mq-g3", f"remove:{service}"]
        assert "a fresh instance comes up" in made.notes[0]
    assert planning.plan_between(project, new, new).is_empty


def test_the_way_back_is_the_plan_of_the_reverse(up: World) -> None:
    up.node("web", conf={"workers": 8, "password": "s3cret-one"}, needs=["db"])
    applying.apply(up.project())
    project = up.project()
    target = recording.before_last(project)
    assert target is not None
    made = applying.plan_revision(project, target, Asked())
    assert made.new == target.id
    assert [(v.old, v.new) for v in made.changes.values] == [(8, 4)]
    assert applying.apply_revision(project, target, Terms("rollback", expected=made.id)).plan.id == made.id


def test_a_revision_whose_model_was_not_kept(up: World) -> None:
    project = up.project()
    target = recording.named(project, "1")
    (project.state / "snapshots" / f"{target.snapshot}.tar").unlink()
    with pytest.raises(UsageError, match="not kept"):
        applying.plan_revision(project, target, Asked())
