"""What a formula's upgrade rules add to a plan: a table of jumps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saltern.formulas.upgrades import Allowed, Command, Downgrade, Otherwise, Release, Upgrade
from saltern.plan.plan import WayBack
from saltern.plan.staging import Component, Staged, backups, combined, stage
from saltern.plan.steps import Act, Undo
from saltern.plan.upgrade import Verdict

API = Upgrade(
    formula="api",
    name="api",
    package="api",
    releases=(Release("old", "22"), Release("mid", "23"), Release("new", "27")),
    jumps=(Allowed("22", "23", "the guide"), Allowed("22", "27", "our tests", tested=True)),
    free="minor",
    downgrade=Downgrade("before-contract", "the guide"),
    stages={
        "check": (Command("status", ("api-status",)),),
        "expand": (Command("expand", ("api-manage", "expand")),),
        "contract": (Command("contract", ("api-manage", "contract")),),
    },
)
OLD, NEW = "2:22.0.2-1", "2:27.0.0-3"
EXPANDED = ("api:check:status", "api:expand:expand")


def component(old: str, new: str, rules: Upgrade = API, begun: tuple[str, str] = ("", ""), *done: str) -> Component:
    return Component("api", "api.example", rules, old, new, begun, done)


def stages(found: Staged) -> tuple[list[str], list[str], list[str]]:
    parts = (found.around.before, found.around.after, found.contract)
    before, after, contract = ([step.stage for step in steps] for steps in parts)
    return before, after, contract


@pytest.mark.parametrize(
    ("one", "contract", "expected"),
    [
        (component("", NEW), False, ([], [], [])),
        (component(OLD, OLD), False, ([], [], [])),
        (component(OLD, "2:22.0.2-1+deb12u1"), False, ([], [], [])),
        (component(OLD, NEW), False, ([*EXPANDED], [], [])),
        (component(OLD, NEW), True, ([*EXPANDED], [], ["api:contract:contract"])),
        (component(OLD, NEW, API, (OLD, NEW), *EXPANDED), False, ([], [], [])),
        (component(NEW, NEW, API, (OLD, NEW), *EXPANDED), False, ([], [], [])),
        (component(NEW, NEW, API, (OLD, NEW), *EXPANDED), True, ([], [], ["api:contract:contract"])),
        (component(NEW, NEW, API, (OLD, NEW), *EXPANDED, "api:contract:contract"), True, ([], [], [])),
    ],
    ids=[
        *("new", "same", "patch", "jump", "jump and contract", "killed in between", "through", "contract"),
        "all is done",
    ],
)
def test_stages(one: Component, contract: bool, expected: tuple[list[str], list[str], list[str]]) -> None:
    found = stage(one, contract=contract)
    assert stages(found) == expected
    assert found.problems == ()


def test_what_can_be_undone() -> None:
    found = stage(component(OLD, NEW), contract=True)
    undo = [step.undo for step in (*found.around.before, *found.contract)]
    assert undo == [Undo.NOTHING, Undo.STAYS, Undo.RESTORE]
    assert found.needs_backup
    assert str(WayBack.EXPANDED) == "schema expanded"


def test_the_point_of_no_return_is_named_until_it_is_asked_for() -> None:
    [tested, later] = stage(component(OLD, NEW), contract=False).notes
    assert "tested here (our tests)" in tested
    assert "--contract" in later
    assert f"cannot go back to {OLD}" in later
    assert stage(component(OLD, "2:23.0.0-1"), contract=False).notes == (later,)


def test_a_forbidden_jump_names_the_rule_and_the_way() -> None:
    rules = replace(API, jumps=(Allowed("22", "23", "the guide"), Allowed("23", "27", "the guide")))
    [problem] = stage(component(OLD, NEW, rules), contract=False).problems
    assert problem.brief == f"api: api may not go from {OLD} to {NEW}"
    assert problem.details == "rule: the guide"
    assert "mid → new" in problem.resolution


@pytest.mark.parametrize("running", [NEW, OLD], ids=["all replicas", "some replicas"])
def test_back_before_the_contract_needs_no_jobs(running: str) -> None:
    found = stage(component(running, OLD, API, (OLD, NEW), *EXPANDED), contract=False)
    assert found.problems == ()
    assert found.around.without_jobs
    assert found.taken_back


@pytest.mark.parametrize("running", [NEW, OLD], ids=["all replicas", "some replicas"])
def test_back_after_the_contract_is_refused(running: str) -> None:
    one = component(running, OLD, API, (OLD, NEW), *EXPANDED, "api:contract:contract")
    [problem] = stage(one, contract=False).problems
    assert "contracted" in problem.brief
    assert "restore" in problem.resolution


def test_back_where_nothing_is_known_of_the_upgrade_is_refused() -> None:
    assert stage(component(NEW, OLD), contract=False).problems


def test_a_database_cannot_go_back() -> None:
    rules = replace(API, downgrade=Downgrade("never", "the manual"), stages={"migrate": API.stages["expand"]})
    forth = stage(component(OLD, NEW, rules), contract=False)
    assert forth.around.irreversible
    assert [step.undo for step in forth.around.after] == [Undo.RESTORE]
    [problem] = stage(component(NEW, OLD, rules, (OLD, NEW)), contract=False).problems
    assert "cannot go back" in problem.brief


def test_a_fresh_instance_only_where_the_old_one_holds_nothing() -> None:
    otherwise = Otherwise("fresh", "data", Command("holds nothing", ("true",), where="process"), "the docs")
    rules = replace(API, jumps=(Allowed("22", "23", "the docs"),), otherwise=otherwise)
    found = stage(component(OLD, NEW, rules), contract=False)
    assert found.jump.verdict is Verdict.FRESH
    assert found.fresh
    assert stages(found)[0] == ["api:check:holds nothing"]
    assert "fresh instance" in found.notes[0]


def test_parts_of_one_workload_and_its_backups() -> None:
    first = stage(component(OLD, NEW), contract=False)
    both = combined([first.around, first.around])
    assert len(both.before) == 4
    steps = backups({"api": [first], "web": []}, {"api": ["api", "db"], "web": ["web"]})
    assert [(step.act, step.workload) for step in steps] == [(Act.BACKUP, "api"), (Act.BACKUP, "db")]
