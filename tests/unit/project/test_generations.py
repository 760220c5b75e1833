"""A fresh instance beside the old one: forth, killed or failed in between, and back to the one that is still there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import RolloutError
from saltern.images.engine import Container, Mount
from saltern.plan.plan import Plan
from saltern.project import applying, planning, pruning, recording
from saltern.project.applying import Applied, Terms
from saltern.project.generations import jobs_of_others
from saltern.project.rendering import ledger_of
from saltern.rollout.execute import Executor
from saltern.rollout.ledger import Ledger
from saltern.targets.compose import LABEL_GENERATION, LABEL_WORKLOAD
from saltern.targets.workload import Cloud
from tests.unit.project.cloud import World, render
from tests.unit.rollout.fakes import Script
from tests.unit.targets.clouds import workload

OLD, NEW = ("3.10.8-1", "k310"), ("4.0.5-8", "k405")
FORTH = ["command:mq:web:check:holds nothing that must live on", "start:mq-g2", "job:mq-g2-after-00000000k405"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """mq of the old version, and web, which needs it; they run."""
    found = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    mq(found, OLD)
    found.node("web", needs=["mq"])
    apply(found)
    assert sorted(found.engine.running) == ["lab-mq", "lab-web"]
    return found


def mq(world: World, version: tuple[str, str], **more: Any) -> None:
    world.node("mq", fresh=True, version=version[0], image=version[1], **more)


def apply(world: World, **terms: Any) -> Applied:
    return applying.apply(world.project(), Terms(**terms))


def plan(world: World) -> Plan:
    return planning.plan(world.project())


def keys(made: Plan) -> list[str]:
    return [step.key for step in made.steps.changes]


def there(world: World) -> dict[str, str]:
    """Container → its id."""
    return {name: container.id for name, container in world.engine.running.items()}


def pruned(made: Plan) -> list[str]:
    """The volumes that its notes say are left over."""
    return [name for note in made.notes if "saltern prune" in note for name in re.findall(r"lab-[a-z0-9-]+", note)]


def generation(world: World) -> int:
    return ledger_of(world.project()).generations.get("mq", 1)


def stopped(world: World, monkeypatch: pytest.MonkeyPatch, act: str, service: str) -> None:
    """Killed when that act on that service begins."""
    real = Executor._carry

    def carry(self: Executor, step: Any) -> Any:
        if (step.act, step.service or step.container) == (act, service):
            raise KeyboardInterrupt
        return real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Executor, "_carry", carry)
        with pytest.raises(KeyboardInterrupt):
            apply(world)


def test_the_whole_way(world: World) -> None:
    mq(world, NEW)
    assert keys(plan(world)) == [*FORTH, "remove:lab-mq", "verify:mq", "verify:web"]
    apply(world)
    assert sorted(there(world)) == ["lab-mq-g2", "lab-web"]
    assert plan(world).is_empty
    assert generation(world) == 2


MOMENTS = {
    "before it is created": ("start", "mq-g2"),
    "before its job": ("job", "mq-g2-after-00000000k405"),
    "before the old one goes": ("remove", "lab-mq"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_between_it_goes_back_to_the_one_that_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = there(world)
    mq(world, NEW)
    stopped(world, monkeypatch, *MOMENTS[moment])
    assert generation(world) == 2
    mq(world, OLD)
    made = plan(world)
    created = "lab-mq-g2" in there(world)
    assert keys(made) == ["remove:lab-mq-g2"] * created + ["verify:mq", "verify:web"]
    came = "an earlier instance took its place" if created else "an earlier rollout did not come that far"
    assert made.steps.changes[0].reason == came
    [note] = made.notes
    assert note.startswith("mq: the instance before the newest is still there, and serves again (mq)")
    world.engine.acts.clear()
    apply(world)
    assert there(world) == before, "neither made anew nor replaced"
    assert not [act for act in world.engine.acts if act.startswith("create")], "its jobs were done"
    assert generation(world) == 1
    assert plan(world).is_empty
    assert pruned(plan(world)) == (["lab-mq-g2-data"] if created else [])


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_between_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    mq(world, NEW)
    stopped(world, monkeypatch, *MOMENTS[moment])
    assert "lab-mq" in there(world)
    apply(world)
    assert sorted(there(world)) == ["lab-mq-g2", "lab-web"]
    assert generation(world) == 2
    assert plan(world).is_empty


def test_a_fresh_instance_that_fails_is_rolled_back(world: World) -> None:
    before = there(world)
    world.engine.scripts["mq-g2"] = Script(probe_codes=(1,), state="exited", exit_code=1)
    mq(world, NEW)
    with pytest.raises(RolloutError) as caught:
        apply(world, auto_rollback=True)
    assert "rolled back: the cloud is at revision" in caught.value.problems[-1].resolution
    assert there(world) == before
    assert generation(world) == 1


def test_the_command_rollback_does_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = there(world)
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    revision = recording.before_last(world.project())
    assert revision is not None
    assert keys(applying.plan_revision(world.project(), revision, planning.Asked()))[0] == "remove:lab-mq-g2"
    applying.apply_revision(world.project(), revision, Terms("rollback"))
    assert there(world) == before


def test_when_the_old_one_is_gone_the_way_back_is_a_fresh_one(world: World) -> None:
    mq(world, NEW)
    apply(world)
    mq(world, OLD)
    assert keys(plan(world))[1] == "start:mq-g3"
    apply(world)
    assert sorted(there(world)) == ["lab-mq-g3", "lab-web"]
    assert generation(world) == 3


def test_a_number_is_never_given_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume of the instance that was given up is still there."""
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    mq(world, OLD)
    apply(world)
    mq(world, NEW)
    assert "start:mq-g3" in keys(plan(world))
    apply(world)
    assert sorted(there(world)) == ["lab-mq-g3", "lab-web"]


def test_back_with_another_configuration_it_is_replaced_in_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    mq(world, OLD, conf={"size": 2})
    assert keys(plan(world))[:2] == ["start:mq", "remove:lab-mq-g2"]
    apply(world)
    assert sorted(there(world)) == ["lab-mq", "lab-web"]


def test_killed_on_the_way_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = there(world)
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    mq(world, OLD)
    stopped(world, monkeypatch, "remove", "lab-mq-g2")
    assert keys(plan(world))[0] == "remove:lab-mq-g2"
    apply(world)
    assert there(world) == before


def test_another_version_than_either_is_a_fresh_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    mq(world, ("4.2.0-1", "k420"))
    assert "start:mq-g3" in keys(plan(world))
    apply(world)
    assert sorted(there(world)) == ["lab-mq-g3", "lab-web"]


def test_the_data_of_replaced_instances_can_be_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "render_locked", render)
    assert pruning.prunable(world.project()) == ()
    mq(world, NEW)
    stopped(world, monkeypatch, "remove", "lab-mq")
    assert pruning.prunable(world.project()) == (), "it may be the way back"
    assert plan(world).notes == ()
    apply(world)
    world.engine.there.add("lab-old-node-data")
    assert pruning.prunable(world.project()) == ("lab-mq-data",)
    assert plan(world).is_empty
    assert pruned(plan(world)) == ["lab-mq-data"]
    assert pruning.prune(world.project(), ("lab-old-node-data", "lab-mq-g2-data")) == ()
    assert pruning.prune(world.project(), ("lab-mq-data",)) == ("lab-mq-data",)
    assert world.engine.there == {"lab-mq-g2-data", "lab-old-node-data", "toolchain-t1"}
    assert plan(world).notes == ()


def test_data_that_a_container_has_is_never_left_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "render_locked", render)
    mq(world, NEW)
    apply(world)
    other = Container("id", "by-hand", "i", "running", 0, {}, mounts=(Mount("lab-mq-data", "/data"),))
    world.engine.running["by-hand"] = other
    assert pruning.prunable(world.project()) == ()


def test_ledgers_of_before_are_read(tmp_path: Path) -> None:
    path = tmp_path / "upgrades.json"
    path.write_text(json.dumps({"upgrades": {}, "generations": {"mq": 2}}))
    ledger = Ledger(path)
    assert (ledger.next("mq"), ledger.next("web")) == (3, 2)
    ledger.go_back({"mq": 1})
    assert (Ledger(path).generations, Ledger(path).next("mq")) == ({"mq": 1}, 3)


def test_jobs_of_instances_that_are_there() -> None:
    cloud = Cloud("lab", (workload({"name": "mq", "generation": 2}), workload({"name": "web"})))
    names = {"lab-mq-after-1", "lab-mq-before-2", "lab-mq-g2-after-3", "lab-mq-g3-after-4", "lab-web-after-5"}

    def container(number: int) -> Container:
        labels = {LABEL_WORKLOAD: "mq", LABEL_GENERATION: str(number)}
        return Container("id", f"lab-mq-{number}", "i", "running", 0, labels)

    assert jobs_of_others(cloud, [container(1), container(2)], names) == {"lab-mq-after-1", "lab-mq-before-2"}
    assert jobs_of_others(cloud, [container(3)], names) == {"lab-mq-g3-after-4"}
    assert jobs_of_others(cloud, [container(2)], names) == set()
