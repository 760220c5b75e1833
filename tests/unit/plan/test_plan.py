"""Plans: ids, what they mean for each workload, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.plan.changes import Changes, FileChange, ImageChange, PackageChange, ValueChange
from saltern.plan.plan import Effect, Impact, Plan, WayBack, impacts_of
from saltern.plan.steps import Act, Step, Steps, Undo
from tests.unit.plan.revisions import record, revision


def step(act: Act = Act.START, workload: str = "web", **more: Any) -> Step:
    return Step(act, workload, f"{workload}-1", f"lab-{workload}-1", "is not there", **more)


def steps(*chain: Step, removals: tuple[Step, ...] = (), leftovers: tuple[Step, ...] = ()) -> Steps:
    return Steps(((chain,),) if chain else (), removals, leftovers)


def plan(*chain: Step, **more: Any) -> Plan:
    known: dict[str, Any] = {
        "cloud": "lab",
        "old": "r1",
        "new": "r2",
        "changes": Changes(),
        "impacts": (),
        "steps": steps(*chain),
        "world": "w1",
    }
    return Plan(**{**known, **more})


ROLL = step(Act.ROLL, replaces=True)
WAIT = step(Act.WAIT, undo=Undo.NOTHING)
VERIFY = step(Act.VERIFY, undo=Undo.NOTHING)
BASE = plan(ROLL, VERIFY)


# ---- ids


@pytest.mark.parametrize(
    "other",
    [
        {"new": "r3"},
        {"world": "w2"},
        {"notes": ("a rule",)},
        {"steps": steps(ROLL)},
        {"steps": steps(VERIFY, ROLL)},
        {"steps": steps(replace(ROLL, reason="other"), VERIFY)},
        {"steps": steps(replace(ROLL, down=True), VERIFY)},
        {"steps": steps(replace(ROLL, undo=Undo.RESTORE), VERIFY)},
        {"steps": steps(replace(ROLL, replaces=False), VERIFY)},
        {"steps": steps(replace(ROLL, stage="db:expand:x"), VERIFY)},
        {"steps": steps(ROLL, VERIFY, removals=(step(Act.REMOVE, "old"),))},
    ],
    ids=str,
)
def test_another_plan_has_another_id(other: dict[str, Any]) -> None:
    assert replace(BASE, **other).id != BASE.id


def test_equal_plans_have_equal_ids_and_bytes() -> None:
    again = plan(step(Act.ROLL, replaces=True), step(Act.VERIFY, undo=Undo.NOTHING))
    assert again.id == BASE.id
    assert json.dumps(again.as_json()) == json.dumps(BASE.as_json())


def test_what_does_nothing_is_no_part_of_the_id() -> None:
    assert plan(ROLL, WAIT, VERIFY).id == BASE.id
    assert replace(BASE, old="r0").id == BASE.id, "what is done is told by what runs, not by what was planned once"


STEPS = st.builds(
    Step,
    act=st.sampled_from(Act),
    workload=st.sampled_from(["web", "db"]),
    service=st.sampled_from(["web-1", "web-2", ""]),
    container=st.sampled_from(["lab-web-1", ""]),
    reason=st.sampled_from(["new", "changed"]),
    replaces=st.booleans(),
    undo=st.sampled_from(Undo),
    stage=st.sampled_from(["", "db:expand:sync"]),
    down=st.booleans(),
)
CHAINS = st.lists(STEPS, max_size=3)


@given(CHAINS, CHAINS)
def test_ids_tell_plans_apart(first: list[Step], second: list[Step]) -> None:
    one, two = plan(*first), plan(*second)
    assert (one.id == two.id) is (one.steps.changes == two.steps.changes)


# ---- what it is


def test_an_empty_plan() -> None:
    assert plan(WAIT).is_empty
    assert plan().is_empty
    assert not plan(VERIFY).is_empty
    assert not plan(steps=steps(leftovers=(step(Act.REMOVE),))).is_empty


def test_json_is_complete() -> None:
    changes = Changes(
        (ValueChange("a:b", "changed", 1, 2, ("web.example.com",), "nodes/web.yml:2"),),
        (),
        (FileChange("web", "/etc/web.conf", "changed", "-a\n+b\n", ("nodes/web.yml:2",)),),
        (ImageChange("web", ("web",), "old", "new", "built", packages=(PackageChange("nginx", "1", "2"),)),),
    )
    impact = Impact("web", Effect.ROLLED, ("image web",), data_plane=True)
    one = replace(BASE, changes=changes, impacts=(impact,), notes=("n",))
    found = json.loads(json.dumps(one.as_json()))
    assert found["id"] == one.id
    assert found["values"][0] == {
        "path": "a:b",
        "kind": "changed",
        "old": 1,
        "new": 2,
        "nodes": ["web.example.com"],
        "place": "nodes/web.yml:2",
        "gone": False,
    }
    assert found["files"][0]["diff"] == "-a\n+b\n"
    assert found["images"][0]["packages"] == [{"name": "nginx", "old": "1", "new": "2"}]
    assert found["impacts"] == [
        {"workload": "web", "effect": "rolled", "reasons": ["image web"], "data_plane": True},
    ]
    assert found["data_plane"] is True
    assert [s["act"] for s in found["steps"]] == ["roll", "verify"]
    assert (found["way_back"], found["world"], found["notes"]) == ("image-only", "w1", ["n"])


IMAGES = Changes(images=(ImageChange("web", ("web",), "old", "new", "built"),))
COMMAND = step(Act.COMMAND, stage="keystone:expand:sync", undo=Undo.STAYS)


@pytest.mark.parametrize(
    ("chain", "changes", "way"),
    [
        ((), Changes(), WayBack.NOTHING),
        ((VERIFY, WAIT), IMAGES, WayBack.NOTHING),
        ((ROLL, VERIFY), Changes(), WayBack.CONFIG),
        ((ROLL, VERIFY), IMAGES, WayBack.IMAGE),
        ((step(Act.JOB, undo=Undo.STAYS),), Changes(), WayBack.CONFIG),
        ((COMMAND, ROLL), IMAGES, WayBack.EXPANDED),
        ((COMMAND, ROLL, replace(COMMAND, undo=Undo.RESTORE)), IMAGES, WayBack.RESTORE),
    ],
)
def test_the_hardest_step_decides_about_the_way_back(chain: tuple[Step, ...], changes: Changes, way: WayBack) -> None:
    assert plan(*chain, changes=changes).way_back is way


# ---- impact

WEB, DB = record("web"), record("db", data_plane=True)
BOTH = revision(WEB, DB)


@pytest.mark.parametrize(
    ("own", "known", "effect"),
    [
        ((), ("db",), Effect.UNTOUCHED),
        ((WAIT,), ("db",), Effect.UNTOUCHED),
        ((VERIFY,), ("db",), Effect.UNTOUCHED),
        ((step(Act.START),), (), Effect.NEW),
        ((step(Act.JOB), step(Act.START)), (), Effect.NEW),
        ((step(Act.START),), ("db",), Effect.STARTED),
        ((step(Act.START, replaces=True, down=True),), ("db",), Effect.RESTARTED),
        ((step(Act.START), step(Act.ROLL, replaces=True)), ("db",), Effect.ROLLED),
        ((step(Act.RELOAD),), ("db",), Effect.RELOADED),
        ((step(Act.START), step(Act.RELOAD)), ("db",), Effect.STARTED),
        ((step(Act.JOB), step(Act.RELOAD)), ("db",), Effect.RELOADED),
        ((step(Act.JOB),), ("db",), Effect.JOBS),
        ((step(Act.BACKUP),), ("db",), Effect.JOBS),
        ((COMMAND,), ("db",), Effect.JOBS),
        ((step(Act.REMOVE),), ("db",), Effect.FEWER),
        ((step(Act.REMOVE, undo=Undo.NOTHING),), ("db",), Effect.UNTOUCHED),
        ((step(Act.ROLL, replaces=True), step(Act.REMOVE)), ("db",), Effect.ROLLED),
    ],
)
def test_effects(own: tuple[Step, ...], known: tuple[str, ...], effect: Effect) -> None:
    chain = tuple(replace(one, workload="db") for one in own)
    found = {i.workload: i for i in impacts_of(BOTH, steps(*chain), known, Changes())}
    assert list(found) == ["db", "web"], "all workloads, by name"
    assert found["db"].effect is effect
    assert found["db"].data_plane is (effect not in (Effect.UNTOUCHED, Effect.JOBS))
    assert found["web"].effect is Effect.UNTOUCHED


def test_what_the_model_has_no_more_is_removed() -> None:
    gone = step(Act.REMOVE, "old")
    (impact,) = impacts_of(revision(), steps(leftovers=(gone,)), ("old",), Changes())
    assert (impact.workload, impact.effect, impact.reasons) == ("old", Effect.REMOVED, ("is not there",))


def test_what_is_not_of_the_data_plane_never_touches_it() -> None:
    (impact,) = impacts_of(revision(WEB), steps(ROLL), ("web",), Changes())
    assert (impact.effect, impact.data_plane) == (Effect.ROLLED, False)
    assert not plan(ROLL, impacts=(impact,)).touches_data_plane
    assert plan(impacts=(impact, replace(impact, data_plane=True))).touches_data_plane


def files(count: int) -> tuple[FileChange, ...]:
    return tuple(FileChange("web", f"/etc/{n}", "changed") for n in range(count))


@pytest.mark.parametrize(
    ("changes", "chain", "reasons"),
    [
        (IMAGES, (ROLL,), ("image web",)),
        (replace(IMAGES, files=files(1)), (ROLL,), ("image web", "/etc/0")),
        (Changes(files=files(3)), (ROLL,), ("/etc/0, /etc/1, /etc/2",)),
        (Changes(files=files(5)), (ROLL,), ("/etc/0, /etc/1, /etc/2 and 2 more files",)),
        (Changes(files=(FileChange("db", "/x", "changed"),)), (ROLL,), ("is not there",)),
        (IMAGES, (step(Act.JOB), VERIFY), ("is not there",)),
        (Changes(), (step(Act.JOB), replace(ROLL, reason="is exited"), ROLL), ("is not there", "is exited")),
        (IMAGES, (VERIFY,), ()),
    ],
)
def test_reasons(changes: Changes, chain: tuple[Step, ...], reasons: tuple[str, ...]) -> None:
    (impact,) = impacts_of(revision(WEB), steps(*chain), ("web",), changes)
    assert impact.reasons == reasons


# ---- steps


def test_the_keys_of_steps() -> None:
    assert step(Act.ROLL).key == "roll:web-1"
    assert COMMAND.key == "command:web-1:keystone:expand:sync"
    assert Step(Act.REMOVE, "web", "", "lab-old", "x").key == "remove:lab-old"
    assert Step(Act.VERIFY, "web", "", "", "x").key == "verify:web"
