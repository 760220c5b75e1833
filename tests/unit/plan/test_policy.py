"""Which kinds of change a plan is of, and what a policy and an approval make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saltern.base.schema import load_schema
from saltern.model.settings import OperateSettings
from saltern.plan.changes import Changes, ImageChange
from saltern.plan.plan import Effect, Impact, Plan
from saltern.plan.policy import Kind, kinds_of, refusal
from saltern.plan.steps import Act, Undo
from tests.unit.plan.test_plan import BASE, ROLL, VERIFY, WAIT, plan, step, steps

IMAGES = Changes(images=(ImageChange("web", ("web",), "old", "new", "pulled"),))
EXPAND = step(Act.COMMAND, stage="web:expand:sync", undo=Undo.STAYS)
ALL = [str(kind) for kind in Kind]


def impact(effect: Effect, **more: Any) -> dict[str, Any]:
    return {"impacts": (Impact("web", effect, (), **more),)}


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (plan(WAIT), []),
        (plan(ROLL, VERIFY), ["config"]),
        (plan(VERIFY), ["config"]),
        (plan(step(Act.RELOAD)), ["config"]),
        (plan(step(Act.JOB, undo=Undo.STAYS)), ["config"]),
        (plan(ROLL, changes=IMAGES), ["image"]),
        (plan(EXPAND, ROLL, changes=IMAGES), ["schema"]),
        (plan(EXPAND, ROLL), ["schema"]),
        (plan(replace(ROLL, undo=Undo.RESTORE), changes=IMAGES), ["restore"]),
        (plan(replace(EXPAND, undo=Undo.RESTORE)), ["restore"]),
        (plan(replace(ROLL, down=True), changes=IMAGES), ["image", "restart"]),
        (plan(step(), **impact(Effect.NEW)), ["config", "workloads"]),
        (plan(steps=steps(removals=(step(Act.REMOVE),)), **impact(Effect.REMOVED)), ["config", "workloads"]),
        (plan(steps=steps(leftovers=(step(Act.REMOVE),)), **impact(Effect.FEWER)), ["config", "workloads"]),
        (plan(ROLL, **impact(Effect.ROLLED, data_plane=True)), ["config", "data-plane"]),
    ],
)
def test_kinds(made: Plan, kinds: list[str]) -> None:
    assert list(kinds_of(made)) == kinds


def test_a_policy_may_name_all_kinds_but_the_last() -> None:
    automatic = load_schema("saltern.model", "settings")["properties"]["operate"]["properties"]["automatic"]
    assert [*automatic["items"]["enum"], "restore"] == ALL
    assert tuple(automatic["default"]) == OperateSettings().automatic


@pytest.mark.parametrize(
    ("made", "automatic", "lacking"),
    [
        (BASE, ["config"], ""),
        (BASE, [], "config"),
        (BASE, ["image", "schema"], "config"),
        (plan(replace(ROLL, down=True)), ["config"], "restart"),
        (plan(replace(ROLL, down=True)), ["config", "restart"], ""),
        (plan(step(), changes=IMAGES, **impact(Effect.NEW)), ["config"], "image, workloads"),
        (plan(replace(ROLL, undo=Undo.RESTORE)), ALL, "restore"),
    ],
)
def test_every_kind_must_be_allowed(made: Plan, automatic: list[str], lacking: str) -> None:
    assert refusal(made, automatic, "") == (f"the policy does not allow {lacking}" if lacking else "")


@pytest.mark.parametrize("made", [BASE, plan(replace(ROLL, undo=Undo.RESTORE))])
def test_an_approval_is_for_that_plan_alone(made: Plan) -> None:
    assert refusal(made, [], made.id) == ""
    assert refusal(made, [], made.id, is_retry=True) == ""
    assert refusal(made, [], "0" * 12).endswith(f"{'0' * 12} was approved, which is another plan")
    assert refusal(made, [], made.id[:-1]) != "", "the start of an id is no id"


def test_what_failed_is_not_tried_again_by_the_policy() -> None:
    assert refusal(BASE, ["config"], "", is_retry=True) == "it failed before"
