"""What has to be done, from what runs to what is rendered: a table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.images.engine import Container
from saltern.plan.steps import Act, Around, Running, Step, Steps, Undo, Wants, plan_up
from saltern.rollout.execute import taken_ports
from saltern.targets import compose
from saltern.targets.compose import LABEL_HASH, LABEL_PUBLISH, LABEL_ROLE, LABEL_WORKLOAD
from saltern.targets.workload import Cloud
from tests.unit.targets.clouds import GOLDEN, read_cloud, workload

PAIR = read_cloud(GOLDEN / "pair")
RENDERED = compose.project(PAIR, "podman")
BEFORE, AFTER = "lab-db-before-aaaaaaaaaaaa", "lab-db-after-bbbbbbbbbbbb"


def container(name: str, state: str = "running", code: int = 0, hashed: str = "") -> Container:
    known: dict[str, Any] = RENDERED["services"].get(name.removeprefix("lab-"), {"labels": {}})
    return Container("id", name, "i", state, code, {**known["labels"], **({LABEL_HASH: hashed} if hashed else {})})


def plan(*containers: Container, done: tuple[str, ...] = ()) -> Steps:
    return plan_up(PAIR, RENDERED, Running(containers, frozenset(done)))


def lines(steps: Steps) -> list[str]:
    flat = [s for wave in steps.waves for workload in wave for s in workload]
    flat = [*steps.removals, *flat, *steps.leftovers]
    return [f"{s.act}{' replacing' if s.replaces else ''} {s.container}: {s.reason}" for s in flat]


NEW = "what it does is new or changed"
DB, WEB = container("lab-db"), container("lab-web")


@pytest.mark.parametrize(
    ("there", "done", "expected"),
    [
        pytest.param(
            *((), ()),
            [
                f"job {BEFORE}: {NEW}",
                "start lab-db: is not there",
                f"job {AFTER}: {NEW}",
                "start lab-web: is not there",
            ],
            id="nothing is there",
        ),
        pytest.param(
            *((DB, WEB), (BEFORE, AFTER)),
            ["wait lab-db: is as it should be", "wait lab-web: is as it should be"],
            id="all is there",
        ),
        pytest.param(
            *((DB, WEB), (BEFORE,)),
            ["wait lab-db: is as it should be", f"job {AFTER}: {NEW}", "wait lab-web: is as it should be"],
            id="a changed job",
        ),
        pytest.param(
            *((container("lab-db", hashed="other"), WEB), (BEFORE, AFTER)),
            ["start replacing lab-db: image, configuration or settings changed", "wait lab-web: is as it should be"],
            id="a changed process",
        ),
        pytest.param(
            *((container("lab-db", "exited", 1), WEB), (BEFORE, AFTER)),
            ["start replacing lab-db: is exited", "wait lab-web: is as it should be"],
            id="a process that ended",
        ),
        pytest.param(
            *((DB, container(AFTER, "exited", 1)), (BEFORE,)),
            [
                "wait lab-db: is as it should be",
                f"job replacing {AFTER}: failed before (exit code 1)",
                "start lab-web: is not there",
            ],
            id="a job that failed",
        ),
        pytest.param(
            *((DB, container(AFTER)), (BEFORE,)),
            [
                "wait lab-db: is as it should be",
                f"job replacing {AFTER}: did not finish",
                "start lab-web: is not there",
            ],
            id="a job that was left alone",
        ),
        pytest.param(
            *((DB, WEB, container("lab-old"), container("lab-db-after-999999999999", "exited", 1)), (BEFORE, AFTER)),
            [
                *("wait lab-db: is as it should be", "wait lab-web: is as it should be"),
                "remove lab-old: the model has it no more",
                "remove lab-db-after-999999999999: the model has it no more",
            ],
            id="what the model has no more",
        ),
    ],
)
def test_steps(there: tuple[Container, ...], done: tuple[str, ...], expected: list[str]) -> None:
    steps = plan(*there, done=done)
    assert lines(steps) == expected
    assert [s.act for s in steps.changes] == [Act(line.split()[0]) for line in expected if not line.startswith("wait")]


def test_a_job_that_is_done_again_says_why() -> None:
    gone = "what it did is gone: there is no volume lab-db-data"
    steps = plan_up(PAIR, RENDERED, Running((DB, WEB), frozenset({BEFORE}), {AFTER: gone}))
    assert [f"{step.key}: {step.reason}" for step in steps.changes if step.act is Act.JOB] == [
        f"job:{AFTER.removeprefix('lab-')}: {gone}"
    ]


@pytest.mark.parametrize(
    ("owed", "expected"),
    [((), []), (("web",), ["web"]), (("web", "db"), ["db", "web"]), (("web", "unknown", "unchecked"), ["web"])],
)
def test_checks_that_are_owed_are_made_without_a_change(owed: tuple[str, ...], expected: list[str]) -> None:
    running = Running((DB, WEB), frozenset({BEFORE, AFTER}))
    steps = plan_up(PAIR, RENDERED, running, Wants(verified=("db", "web"), owed=owed))
    assert [(s.act, s.workload) for s in steps.changes] == [(Act.VERIFY, name) for name in expected]
    assert {s.reason for s in steps.changes} <= {"an earlier rollout did not come that far"}


def test_a_check_that_is_owed_is_made_once_where_its_workload_changes() -> None:
    running = Running((DB, container("lab-web", hashed="old")), frozenset({BEFORE, AFTER}))
    steps = plan_up(PAIR, RENDERED, running, Wants(verified=("db", "web"), owed=("web",)))
    assert [step.key for step in steps.changes] == ["start:web", "verify:web"]


def test_workloads_come_after_what_they_need() -> None:
    assert [[steps[0].workload for steps in wave] for wave in plan().waves] == [["db"], ["web"]]


def test_replicas_start_one_after_the_other() -> None:
    cloud = read_cloud(GOLDEN / "replicas")
    steps = plan_up(cloud, compose.project(cloud, "podman"), Running((), frozenset()))
    found = {workload[0].workload: [s.service for s in workload] for wave in steps.waves for workload in wave}
    assert found == {
        "api": ["api-before-aaaaaaaaaaaa", "api-1", "api-2", "api-after-bbbbbbbbbbbb"],
        "proxy": ["proxy"],
        "worker": ["worker-fast-1", "worker-slow-1", "worker-fast-2", "worker-slow-2"],
    }


# ---- ports


def test_a_taken_port_names_itself() -> None:
    asked: list[tuple[str, int]] = []

    def is_free(address: str, port: int) -> bool:
        asked.append((address, port))
        return False

    (problem,) = taken_ports(RENDERED, plan(), is_free)
    assert asked == [("127.0.0.1", 5000)]
    assert problem.brief == "web is to be published on 127.0.0.1:5000, but that port is taken"
    assert "saltern:publish" in problem.resolution


def test_a_free_port_is_no_problem() -> None:
    assert taken_ports(RENDERED, plan(), lambda _address, _port: True) == ()


def test_a_port_that_our_own_container_holds_is_not_asked_for() -> None:
    for there in (WEB, container("lab-web", hashed="other")):
        assert taken_ports(RENDERED, plan(DB, there), lambda _address, _port: False) == ()


# ---- replicas

NO_WANTS = Wants()
REPLICAS = read_cloud(GOLDEN / "replicas")
OF_REPLICAS = compose.project(REPLICAS, "podman")


def replica(service: str, state: str = "running", *, old: bool = False) -> Container:
    labels = OF_REPLICAS["services"][service]["labels"]
    return Container("id", f"lab-{service}", "i", state, 0, {**labels, **({LABEL_HASH: "old"} if old else {})})


def roll(*there: Container, wants: Wants = NO_WANTS, cloud: Cloud = REPLICAS) -> Steps:
    rendered = compose.project(cloud, "podman")
    done = frozenset(f"lab-{w.job_name(job)}" for w in cloud.workloads for job in w.jobs)
    return plan_up(cloud, rendered, Running(there, done), wants)


def acts(steps: Steps, workload: str = "") -> list[str]:
    flat = [s for wave in steps.waves for chain in wave for s in chain if workload in ("", s.workload)]
    return [f"{s.act} {s.service or s.workload}" for s in flat]


REST = tuple(replica(s) for s in ("proxy", "worker-fast-1", "worker-fast-2", "worker-slow-1", "worker-slow-2"))


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((replica("api-1", old=True), replica("api-2", old=True)), ["roll api-1", "roll api-2"]),
        ((replica("api-1", old=True), replica("api-2", "exited", old=True)), ["start api-2", "roll api-1"]),
        ((replica("api-1", old=True),), ["start api-2", "roll api-1"]),
        ((replica("api-1", old=True), replica("api-2")), ["wait api-2", "roll api-1"]),
        ((replica("api-1", "exited"), replica("api-2")), ["start api-1", "wait api-2"]),
        ((), ["start api-1", "start api-2"]),
    ],
)
def test_replicas_that_serve_are_rolled_when_the_others_are_well(
    there: tuple[Container, ...], expected: list[str]
) -> None:
    assert acts(roll(*there, *REST), "api") == expected


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        ("", ["roll worker-fast-1", "roll worker-slow-1", "roll worker-fast-2", "roll worker-slow-2"]),
        # where it started first, it would go again with the container whose network it has
        ("slow-1", ["roll worker-fast-1", "start worker-slow-1", "roll worker-fast-2", "roll worker-slow-2"]),
        ("slow-2", ["roll worker-fast-2", "start worker-slow-2", "roll worker-fast-1", "roll worker-slow-1"]),
    ],
)
def test_the_processes_of_a_replica_stay_together(dead: str, expected: list[str]) -> None:
    there = [
        replica(f"worker-{name}", "exited" if name == dead else "running", old=True)
        for name in ("fast-1", "fast-2", "slow-1", "slow-2")
    ]
    assert acts(roll(replica("proxy"), *there), "worker") == expected


def test_only_a_workload_of_one_replica_is_down_meanwhile() -> None:
    there = [replica("api-1", old=True), replica("api-2"), replica("proxy", old=True), *REST[1:]]
    assert {s.service: s.down for s in roll(*there).changes} == {"api-1": False, "proxy": True}
    there[2] = replica("proxy", "exited", old=True)
    assert not any(s.down for s in roll(*there).changes), "it served nobody before"


def test_keys_are_unlike_in_one_plan() -> None:
    old = [
        replica(name, old=True) for name, s in OF_REPLICAS["services"].items() if s["labels"][LABEL_ROLE] == "process"
    ]
    gone = Container("id", "lab-old", "i", "running", 0, {})
    for there in ((), (*old, gone)):
        keys = [s.key for s in roll(*there, wants=Wants(verified=("api", "proxy", "worker"))).changes]
        assert len(keys) == len({*keys}) > 5


# ---- what may be done side by side


def small(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "needs": list(needs), "processes": [{"name": name, "command": [name]}], **more}


def of(*workloads: dict[str, Any]) -> Cloud:
    return Cloud("lab", tuple(workload(one) for one in workloads))


def there_of(cloud: Cloud, *old: str) -> tuple[Container, ...]:
    services = compose.project(cloud, "podman")["services"]
    return tuple(
        Container(
            *("id", s["container_name"], "i", "running", 0),
            {**s["labels"], **({LABEL_HASH: "old"} if name in old else {})},
        )
        for name, s in services.items()
    )


FLAT = of(small("a"), small("b"), small("c"), small("d"))


def test_new_workloads_start_side_by_side() -> None:
    assert [[c[0].workload for c in wave] for wave in roll(cloud=FLAT).waves] == [["a", "b", "c", "d"]]


def test_what_replaces_does_so_alone() -> None:
    there = [c for c in there_of(FLAT, "b", "d") if c.name != "lab-c"]
    steps = roll(*there, cloud=FLAT)
    assert [[c[0].workload for c in wave] for wave in steps.waves] == [["a", "c"], ["b"], ["d"]]


# ---- checks

LINE = of(small("db"), small("mid", "db"), small("web", "mid"), small("else"))
ALL = Wants(verified=("db", "mid", "web", "else"))


def test_all_that_needs_what_changed_is_checked_in_the_end() -> None:
    steps = roll(*there_of(LINE, "db"), wants=ALL, cloud=LINE)
    assert [f"{s.act} {s.workload}: {s.reason}" for s in steps.changes] == [
        "start db: image, configuration or settings changed",
        "verify db: it changed",
        "verify mid: what it needs changed",
        "verify web: what it needs changed",
    ]
    assert [s.undo for s in steps.changes[1:]] == [Undo.NOTHING] * 3


def test_what_is_new_is_checked_when_all_of_it_is_there() -> None:
    steps = roll(wants=ALL, cloud=LINE)
    assert acts(steps)[-4:] == ["verify db", "verify else", "verify mid", "verify web"]
    assert acts(steps)[:4] == ["start db", "start else", "start mid", "start web"]


def test_nothing_changed_and_nothing_is_checked() -> None:
    assert roll(*there_of(LINE), wants=ALL, cloud=LINE).changes == ()


def test_only_what_has_checks_is_checked() -> None:
    steps = roll(*there_of(LINE, "mid"), wants=Wants(verified=("web",)), cloud=LINE)
    assert [s.key for s in steps.changes] == ["start:mid", "verify:web"]


# ---- steps around a change


def test_steps_of_rules_stand_around_the_own_ones() -> None:
    before = Step(Act.COMMAND, "db", "db", "lab-db", "expand", stage="db:expand:sync", undo=Undo.STAYS)
    after = replace(before, stage="db:contract:sync", undo=Undo.RESTORE)
    wants = Wants(verified=("db",), around={"db": Around((before,), (after,))})
    steps = roll(*there_of(LINE, "db"), wants=wants, cloud=LINE)
    assert [s.key for s in steps.changes] == [
        "command:db:db:expand:sync",
        "start:db",
        "command:db:db:contract:sync",
        "verify:db",
    ]


# ---- removals


def gone(name: str, workload: str, *addresses: str) -> Container:
    labels = {LABEL_WORKLOAD: workload, LABEL_PUBLISH: json.dumps([{"address": a, "port": 80} for a in addresses])}
    return Container("id", name, "i", "running", 0, labels)


PUBLISHING = of(small("web", publish=[{"port": 80, "address": "127.0.0.1:8080"}]))


@pytest.mark.parametrize(
    ("address", "there", "first"),
    [
        ("127.0.0.1:8080", (), True),
        ("127.0.0.1:8081", (), False),
        ("127.0.0.1:808", (), False),
        ("127.0.0.1:8080", there_of(PUBLISHING), False),
    ],
    ids=["its address is needed", "another port", "the start of a port", "nothing starts"],
)
def test_what_goes_goes_last_unless_it_is_in_the_way(address: str, there: tuple[Container, ...], first: bool) -> None:
    old = gone("lab-old", "old", address)
    steps = roll(old, *there, cloud=PUBLISHING)
    removal = Step(Act.REMOVE, "old", "", "lab-old", "the model has it no more")
    assert (steps.removals, steps.leftovers) == (((removal,), ()) if first else ((), (removal,)))


@pytest.mark.parametrize(("volume", "first"), [({}, True), ({"shared": True}, False), ({"kind": "runtime"}, False)])
def test_who_holds_the_data_of_another_goes_first(volume: dict[str, Any], first: bool) -> None:
    cloud = of(small("db", volumes=[{"name": "data", "path": "/data", **volume}]))
    steps = roll(gone("lab-db-1", "db"), cloud=cloud)
    assert bool(steps.removals) is first
    assert bool(steps.leftovers) is not first


# ---- always the same

STATES = st.sampled_from(["running", "old", "exited", "none"])


@given(st.lists(STATES, min_size=7, max_size=7), st.permutations(range(7)))
def test_the_order_of_what_the_engine_lists_is_no_matter(states: list[str], order: list[int]) -> None:
    names = ["api-1", "api-2", "proxy", "worker-fast-1", "worker-fast-2", "worker-slow-1", "worker-slow-2"]
    there = [
        replica(name, "exited" if state == "exited" else "running", old=state == "old")
        for name, state in zip(names, states, strict=True)
        if state != "none"
    ]
    mixed = [there[i] for i in order if i < len(there)]
    first, second = roll(*there, wants=ALL_OF), roll(*mixed, wants=ALL_OF)
    assert first == second
    wanted = {f"lab-{name}" for name, state in zip(names, states, strict=True) if state != "running"}
    assert {s.container for s in first.changes if s.act in (Act.START, Act.ROLL)} == wanted
    rolled = [s for s in first.changes if s.act is Act.ROLL]
    assert all(states[names.index(s.service)] == "old" for s in rolled)


ALL_OF = Wants(verified=("api", "proxy", "worker"))


@pytest.mark.parametrize(("role", "undo"), [("job", Undo.NOTHING), ("process", Undo.YES)])
def test_a_job_that_goes_need_not_come_back(role: str, undo: Undo) -> None:
    old = gone("lab-old", "old")
    (step,) = roll(replace(old, labels={**old.labels, LABEL_ROLE: role}), cloud=PUBLISHING).leftovers
    assert step.undo is undo
