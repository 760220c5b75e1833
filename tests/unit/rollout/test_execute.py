"""A rollout with an engine in memory: order, gates, failures, and going on after them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from saltern.base.errors import EngineError, Problem, RolloutError
from saltern.base.events import State
from saltern.formulas.metadata import Balancer, Probe
from saltern.plan.steps import Act, Around, Step, Wants
from saltern.rollout import balancing, launch, probe
from saltern.rollout.execute import Unwatched
from saltern.rollout.journal import Journal
from saltern.targets.workload import Cloud
from tests.unit.rollout.fakes import BALANCER, Lab, Script
from tests.unit.targets.clouds import GOLDEN, read_cloud

BEFORE, AFTER = "db-before-aaaaaaaaaaaa", "db-after-bbbbbbbbbbbb"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "JOB_TIMEOUT", 0.5)
    monkeypatch.setattr(probe, "INTERVAL", 0.001)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The pair of the golden folder: db with a job before and one after, and web, which needs it."""
    cloud = read_cloud(GOLDEN / "pair")
    ready = Probe("exec", command=("ready",), timeout=1)
    workloads = tuple(replace(w, processes=(replace(w.processes[0], probe=ready),)) for w in cloud.workloads)
    return Lab(replace(cloud, workloads=workloads), Journal(tmp_path / "jobs.json"))


def failed(lab: Lab) -> Problem:
    with pytest.raises(RolloutError) as caught:
        lab.run()
    (problem,) = caught.value.problems
    return problem


ALL = [
    *(f"create lab-{BEFORE}", f"remove lab-{BEFORE}", "create lab-db", "probe lab-db"),
    *(f"create lab-{AFTER}", f"remove lab-{AFTER}", "create lab-web", "probe lab-web"),
]


def test_the_order(lab: Lab) -> None:
    assert lab.run() == ALL
    assert lab.journal.done == {f"lab-{BEFORE}", f"lab-{AFTER}"}
    assert sorted(lab.engine.running) == ["lab-db", "lab-web"]


def test_what_is_seen_of_it(lab: Lab) -> None:
    lab.run()
    assert [(e.stage, e.subject, e.state, e.text) for e in lab.events[:4]] == [
        ("job", BEFORE, State.STARTED, "what it does is new or changed"),
        ("job", BEFORE, State.DONE, "done"),
        ("start", "db", State.STARTED, "is not there"),
        ("start", "db", State.DONE, "ready"),
    ]


def test_a_second_rollout_only_looks_and_says_nothing(lab: Lab) -> None:
    lab.run()
    lab.events.clear()
    assert lab.run() == ["probe lab-db", "probe lab-web"]
    assert lab.events == []


def test_a_process_is_waited_for_before_what_needs_it_starts(lab: Lab) -> None:
    lab.scripts["db"] = Script(probe_codes=(1, 1, 0))
    acts = lab.run()
    start = acts.index("create lab-db")
    assert acts[start : start + 5] == ["create lab-db", *["probe lab-db"] * 3, f"create lab-{AFTER}"]


def test_what_shares_the_network_of_a_process_goes_before_it_and_comes_after_it(tmp_path: Path) -> None:
    (glance,) = (w for w in read_cloud(GOLDEN / "several").workloads if w.name == "glance")
    ready = Probe("exec", command=("ready",), timeout=1)
    glance = replace(glance, needs=(), jobs=(), processes=tuple(replace(p, probe=ready) for p in glance.processes))
    lab = Lab(Cloud("lab", (glance,)), Journal(tmp_path / "jobs.json"))
    lab.run()
    api, scrubber = glance.processes
    lab.cloud = Cloud("lab", (replace(glance, processes=(replace(api, stop_timeout=99), scrubber)),))
    assert lab.run() == [
        *("remove lab-glance-glance-scrubber", "remove lab-glance-glance-api"),
        *("create lab-glance-glance-api", "probe lab-glance-glance-api"),
        *("remove lab-glance-glance-scrubber", "create lab-glance-glance-scrubber", "probe lab-glance-glance-scrubber"),
    ]


def test_a_failing_probe_shows_the_last_log_lines_and_stops(lab: Lab) -> None:
    lab.scripts["db"] = Script(probe_codes=(7,), log="\n".join(f"line {n}" for n in range(100)))
    problem = failed(lab)
    assert problem.brief == "db did not become ready: not ready after 1 s: ready: exit code 7: not yet"
    assert problem.details.splitlines() == [f"line {n}" for n in range(80, 100)]
    assert "saltern logs db" in problem.resolution
    assert problem.node == "db.example.com"
    assert lab.events[-1].state is State.FAILED
    assert not {f"create lab-{AFTER}", "create lab-web"} & set(lab.engine.acts)


def test_a_crash_loop_is_given_up_early(lab: Lab) -> None:
    forever = Probe("exec", command=("ready",), timeout=10)
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, processes=(replace(db.processes[0], probe=forever),)), web))
    lab.scripts["db"] = Script(state="restarting", crashes=True, probe_codes=(1,), log="no space left")
    problem = failed(lab)
    assert "its process ends again and again" in problem.brief
    assert problem.details == "no space left"


def test_a_process_that_ended_is_given_up_early(lab: Lab) -> None:
    forever = Probe("exec", command=("ready",), timeout=10)
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, processes=(replace(db.processes[0], probe=forever),)), web))
    lab.scripts["db"] = Script(state="exited", exit_code=1, probe_codes=(1,))
    assert "did not become ready" in failed(lab).brief


def answer(*results: dict[str, object]) -> str:
    common = {"name": "n", "changes": {}, "seconds": 0.1}
    return json.dumps({"id": 1, "ok": False, "results": [{**common, **r} for r in results]})


def test_a_failed_job_names_the_failed_state_and_its_place(lab: Lab) -> None:
    good = {"id": "fine", "function": "cmd.run", "ok": True, "comment": ""}
    bad = {"id": "sync", "function": "cmd.run", "ok": False, "comment": "it said no\nmore"}
    bad |= {"file": "db/server.sls", "line": 12}
    log = f"progress\n{answer(good, bad)}\nlast words\n"
    lab.scripts[BEFORE] = Script("exited", 1, log=log)
    problem = failed(lab)
    assert problem.brief == f"{BEFORE}: the job failed: state 'sync' failed: it said no"
    assert [str(place) for place in problem.places] == ["db/server.sls:12"]
    assert "more" in problem.details
    assert "run `saltern up` again" in problem.resolution
    assert lab.journal.done == frozenset()
    assert "create lab-db" not in lab.engine.acts


@pytest.mark.parametrize("log", ["Traceback\nMemoryError", '{"id" broken', '{"id": 1, "ok": false, "results": 3}', ""])
def test_a_failed_job_without_an_answer_shows_its_log(lab: Lab, log: str) -> None:
    lab.scripts[AFTER] = Script("exited", 137, log=log)
    problem = failed(lab)
    assert problem.brief == f"{AFTER}: the job failed"
    assert problem.details == log


def test_a_job_that_does_not_end(lab: Lab) -> None:
    lab.scripts[BEFORE] = Script("running", log="still at it")
    problem = failed(lab)
    assert problem.brief == f"{BEFORE}: the job did not end within 0.5 s"
    assert problem.node == "db.example.com"
    assert problem.details == "still at it"


def test_going_on_after_a_failure(lab: Lab) -> None:
    lab.scripts[AFTER] = Script("exited", 1)
    failed(lab)
    assert lab.journal.done == {f"lab-{BEFORE}"}
    assert f"lab-{AFTER}" in lab.engine.running, "what failed is kept to be looked at"
    lab.scripts.clear()
    assert lab.run() == [
        *("probe lab-db", f"remove lab-{AFTER}", f"create lab-{AFTER}", f"remove lab-{AFTER}"),
        *("create lab-web", "probe lab-web"),
    ]


def test_what_the_engine_refuses_is_shown_in_its_own_words(lab: Lab) -> None:
    lab.scripts["db"] = Script(refused="no such image")
    problem = failed(lab)
    assert problem.brief == "db: the container could not be created"
    assert problem.details == "no such image"


def test_workloads_of_one_wave_all_get_their_chance(lab: Lab) -> None:
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, jobs=()), replace(web, needs=())))
    lab.scripts["db"] = Script(refused="no")
    lab.scripts["web"] = Script(refused="never")
    with pytest.raises(RolloutError) as caught:
        lab.run()
    assert [p.details for p in caught.value.problems] == ["no", "never"]


def test_what_the_model_has_no_more_is_removed(lab: Lab) -> None:
    lab.run()
    db, _web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(db,))
    assert lab.run() == ["probe lab-db", "remove lab-web"]


def test_what_the_model_has_no_more_makes_place_where_its_address_is_needed(lab: Lab) -> None:
    lab.run()
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(db, replace(web, name="www", node="www")))
    acts = lab.run()
    assert acts.index("remove lab-web") < acts.index("create lab-www")


def test_what_the_model_has_no_more_goes_only_when_the_rest_is_well(lab: Lab) -> None:
    lab.run()
    db, _web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, image="localhost/lab/db:new"),))
    lab.scripts["db"] = Script(probe_codes=(1,))
    failed(lab)
    assert "lab-web" in lab.engine.running


@pytest.mark.parametrize(("script", "why"), [(Script("exited", 3), "its process ended with exit code 3")])
def test_a_process_without_a_probe_must_stay(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, script: Script, why: str
) -> None:
    monkeypatch.setattr(launch, "STEADY", 0.05)
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, processes=(replace(db.processes[0], probe=None),)), web))
    lab.scripts["db"] = script
    assert why in failed(lab).brief
    lab.scripts["db"] = Script(crashes=True)
    assert "its process ends again and again" in failed(lab).brief
    lab.scripts.clear()
    lab.run()
    assert "lab-web" in lab.engine.running


# ---- replicas behind a balancer

ROLLED = "localhost/lab/api:new"


@pytest.fixture
def replicated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Two replicas of api behind proxy, all up, and another image of api to be rolled out."""
    monkeypatch.setattr(balancing, "POLL", 0.001)
    monkeypatch.setattr(balancing, "BACK_SECONDS", 0.05)
    cloud = read_cloud(GOLDEN / "replicas")
    ready = Probe("exec", command=("ready",), timeout=1)
    api, proxy, _worker = (
        replace(w, processes=tuple(replace(p, probe=ready) for p in w.processes)) for w in cloud.workloads
    )
    balancer = Balancer({"api-1": ("in/api-1",), "api-2": ("in/api-2",)}, **BALANCER)
    api = replace(api, jobs=())
    found = Lab(replace(cloud, workloads=(api, replace(proxy, balancer=balancer))), Journal(tmp_path / "jobs.json"))
    found.run()
    found.cloud = replace(found.cloud, workloads=(replace(api, image=ROLLED), found.cloud.workloads[1]))
    return found


def of_api(acts: list[str]) -> list[str]:
    return [act for act in acts if "api" in act]


def rolled(name: str) -> list[str]:
    member, container = f"in/{name} in lab-proxy", f"lab-{name}"
    out = [
        f"lb drain {member}",
        f"lb idle {member}",
        f"remove {container}",
        f"create {container}",
        f"probe {container}",
    ]
    return [*out, *(f"lb {verb} {member}" for verb in ("ready", "enable", "ready"))]


def test_replicas_are_drained_replaced_and_taken_back_one_after_the_other(replicated: Lab) -> None:
    assert of_api(replicated.run()) == [*rolled("api-1"), *rolled("api-2")]
    assert replicated.engine.balancer.out == set()


def test_a_replica_is_taken_back_when_all_of_its_processes_are_up(replicated: Lab) -> None:
    api, proxy = replicated.cloud.workloads
    processes = tuple(replace(api.processes[0], name=name) for name in ("first", "second"))
    replicated.cloud = replace(replicated.cloud, workloads=(replace(api, processes=processes), proxy))
    acts = [act for act in of_api(replicated.run()) if not act.startswith("remove")]
    assert acts == [
        act
        for number in (1, 2)
        for act in (
            *(f"create lab-api-first-{number}", f"probe lab-api-first-{number}"),
            *(f"create lab-api-second-{number}", f"probe lab-api-second-{number}"),
            f"lb ready in/api-{number} in lab-proxy",
        )
    ]


def test_a_replica_that_cannot_be_drained_is_left_alone(replicated: Lab) -> None:
    before = dict(replicated.engine.running)
    replicated.engine.balancer.refuses["drain in/api-1"] = "no such server"
    problem = failed(replicated)
    assert problem.brief.startswith("api-1 could not be drained, so it was left as it is: lb in/api-1 in lab-proxy: no")
    assert problem.node == "api.example.com"
    assert of_api(replicated.engine.acts) == ["lb drain in/api-1 in lab-proxy"]
    assert replicated.engine.running == before


def test_a_new_replica_that_is_not_ready_stops_before_the_next(replicated: Lab) -> None:
    second = replicated.engine.running["lab-api-2"]
    replicated.scripts["api-1"] = Script(probe_codes=(1,))
    assert failed(replicated).brief.startswith("api-1 did not become ready: ")
    assert replicated.engine.running["lab-api-2"] is second
    assert replicated.engine.balancer.out == {"in/api-1"}, "nobody is sent to what is not ready"


def test_a_replica_that_is_not_taken_back_stops_before_the_next(replicated: Lab) -> None:
    second = replicated.engine.running["lab-api-2"]
    replicated.engine.balancer.slow["in/api-1"] = 10**6
    assert "its balancer does not see it" in failed(replicated).brief
    assert replicated.engine.running["lab-api-2"] is second


def test_going_on_takes_back_what_was_left_drained(replicated: Lab) -> None:
    replicated.engine.balancer.slow["in/api-1"] = 10**6
    failed(replicated)
    replicated.engine.balancer.slow.clear()
    replicated.engine.balancer.out = {"in/api-1"}
    acts = of_api(replicated.run())
    assert "lb enable in/api-1 in lab-proxy" in acts[: acts.index("lb drain in/api-2 in lab-proxy")]
    assert not {"remove lab-api-1", "create lab-api-1"} & set(acts)
    assert replicated.engine.balancer.out == set()


def test_both_replicas_serve_between_two_steps(replicated: Lab) -> None:
    """A replica that is drained or not there does not serve."""
    fewest = 2
    engine = replicated.engine

    class Watching(Unwatched):
        def before(self, step: Step) -> None:
            self._look()

        def after(self, step: Step, problem: Problem | None, seconds: float) -> None:
            self._look()

        def _look(self) -> None:
            nonlocal fewest
            serving = {f"in/{n}" for n in ("api-1", "api-2") if f"lab-{n}" in engine.running} - engine.balancer.out
            fewest = min(fewest, len(serving))

    replicated.run(witness=Watching())
    assert fewest == 2


# ---- the witness


@dataclass
class Witness(Unwatched):
    """Notes what it is told, and the engine's acts before; refuses one step."""

    lab: Lab
    refused: str = ""
    told: list[str] = field(default_factory=list)
    acts_before: dict[str, list[str]] = field(default_factory=dict)

    def before(self, step: Step) -> None:
        self.told.append(f"before {step.key}")
        self.acts_before[step.key] = list(self.lab.engine.acts)
        if step.key == self.refused:
            raise RolloutError(Problem("the disk is full"))

    def after(self, step: Step, problem: Problem | None, seconds: float) -> None:
        self.told.append(f"after {step.key}{': ' + problem.brief if problem else ''}")
        assert seconds >= 0


def test_the_witness_is_told_of_each_act_before_it_begins(lab: Lab) -> None:
    witness = Witness(lab)
    lab.run(witness=witness)
    keys = [f"job:{BEFORE}", "start:db", f"job:{AFTER}", "start:web"]
    assert witness.told == [f"{when} {key}" for key in keys for when in ("before", "after")]
    acts = {key: f"create lab-{key.partition(':')[2]}" for key in keys}
    assert all(acts[key] not in witness.acts_before[key] for key in keys)
    assert set(acts.values()) <= set(lab.engine.acts)


def test_what_is_only_waited_for_needs_no_witness(lab: Lab) -> None:
    lab.run()
    witness = Witness(lab)
    lab.run(witness=witness)
    assert witness.told == []


@pytest.mark.parametrize("key", [f"job:{BEFORE}", "start:db", f"job:{AFTER}"])
def test_an_act_that_cannot_be_recorded_is_not_done(lab: Lab, key: str) -> None:
    witness = Witness(lab, refused=key)
    with pytest.raises(RolloutError, match="the disk is full"):
        lab.run(witness=witness)
    assert f"create lab-{key.partition(':')[2]}" not in lab.engine.acts
    assert lab.engine.acts == witness.acts_before[key], "nor anything after it"
    assert f"lab-{key.partition(':')[2]}" not in {e.subject for e in lab.events}


def test_a_removal_is_witnessed_too(lab: Lab) -> None:
    lab.run()
    lab.cloud = replace(lab.cloud, workloads=lab.cloud.workloads[:1])
    witness = Witness(lab, refused="remove:lab-web")
    with pytest.raises(RolloutError):
        lab.run(witness=witness)
    assert "lab-web" in lab.engine.running


def test_the_witness_is_told_what_failed(lab: Lab) -> None:
    lab.scripts["db"] = Script(refused="no")
    witness = Witness(lab)
    with pytest.raises(RolloutError):
        lab.run(witness=witness)
    assert witness.told[-1] == "after start:db: db: the container could not be created"


def test_the_witness_is_told_when_the_engine_itself_fails(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run()
    lab.cloud = replace(lab.cloud, workloads=lab.cloud.workloads[:1])

    def refuse(names: object) -> None:
        raise EngineError(Problem(f"cannot remove {names}"))

    monkeypatch.setattr(lab.engine, "remove_containers", refuse)
    witness = Witness(lab)
    with pytest.raises(EngineError):
        lab.run(witness=witness)
    assert witness.told[-1] == "after remove:lab-web: cannot remove ['lab-web']"
    assert lab.events[-1].state is State.FAILED


# ---- acts that others carry out


def test_checks_come_after_what_they_check_and_stop_the_rest(lab: Lab) -> None:
    proven: list[str] = []
    lab.run()
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, image="new"), replace(web, image="new")))

    def verify(step: Step) -> Problem | None:
        proven.append(f"{step.workload}: {lab.engine.acts[-1]}")
        return Problem("it lost its data", node="db.example.com") if fails else None

    fails = True
    with pytest.raises(RolloutError, match="it lost its data"):
        lab.run(wants=Wants(verified=("db", "web")), carriers={Act.VERIFY: verify})
    assert proven == ["db: probe lab-db"]
    assert "create lab-web" not in lab.engine.acts
    fails = False
    lab.run(wants=Wants(verified=("db", "web")), carriers={Act.VERIFY: verify})
    assert proven[1:] == ["web: probe lab-web"]


def test_stages_run_around_the_change(lab: Lab) -> None:
    lab.run()
    db, web = lab.cloud.workloads
    lab.cloud = replace(lab.cloud, workloads=(replace(db, image="new"), web))
    before = Step(Act.COMMAND, "db", "db", "lab-db", "it grows", stage="db:expand:sync")
    after = replace(before, stage="db:contract:sync")
    order: list[str] = []

    def command(step: Step) -> None:
        order.append(f"{step.stage} after {lab.engine.acts.count('create lab-db')}")

    lab.run(wants=Wants(around={"db": Around((before,), (after,))}), carriers={Act.COMMAND: command})
    assert order == ["db:expand:sync after 0", "db:contract:sync after 1"]
