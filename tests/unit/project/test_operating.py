"""Rounds of ``operate`` with the real git, on a cluster in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import EngineError, LockedError, Problem, SalternError, UsageError
from saltern.base.process import Completed
from saltern.plan.following import State, Status
from saltern.project import applying, operating, recording
from saltern.project.context import Options, Project, open_project
from saltern.project.following import Branch
from saltern.project.operating import NAME, Pace, operate
from saltern.rollout.kubernetes import launch, lease
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.lease import Lease
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.rollout.rollouts import Outcome
from saltern.targets.kubernetes.access import rules
from tests.unit.project.cloud import Machine, World
from tests.unit.project.history import History
from tests.unit.rollout.kubernetes.guarded import GuardedServer


@dataclass
class Followed:
    """A cloud ``lab`` whose repository is followed; ``say`` collects what is told."""

    world: World
    history: History
    server: GuardedServer
    told: list[Status] = field(default_factory=list)
    machine: str = "one"
    """Of several that could lead; each has a cache and a state of its own."""

    def open(self, model: Path | None) -> Project:
        home = self.world.state.parent / self.machine
        options = Options(state=home / "state", cache=home / "cache")
        return open_project(model, options, runner=Machine(self.world.engine, self.server))

    @property
    def branch(self) -> Branch:
        runner = Machine(self.world.engine, self.server)
        return Branch(runner, str(self.history.top), "main", self.world.state.parent / self.machine / "cache", "model")

    def round(self) -> Status:
        return operate(self.branch, self.open, self.told.append, _never, Pace(once=True))

    def commit(self, summary: str = "a change", **policy: Any) -> str:
        """Commit the model as it is, with a policy where one is given."""
        path = self.world.root / "saltern.yml"
        if policy:
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "operate": policy}))
        self.history.git("add", "-A")
        self.history.git("commit", "-q", "--allow-empty", "-m", summary)
        return self.history.git("rev-parse", "HEAD")

    def config(self, workers: int, **more: Any) -> str:
        self.world.node("web", replicas=2, conf={"workers": workers}, **more)
        return self.commit()

    def approve(self, plan: str) -> None:
        self.server.annotate("configmap", NAME, saltern__io_approve=plan)

    @property
    def shown(self) -> dict[str, str]:
        data: dict[str, str] = self.server.objects["configmap", NAME]["data"]
        return data

    @property
    def workers(self) -> str:
        """What the pods of web have."""
        files = ClusterRuntime(Kubectl(self.server, "lab"), "lab").files("lab-web")
        return files["/etc/web.conf"].decode().strip()

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Kind and outcome of the rollouts, oldest first, as the cluster remembers them."""
        project = self.open(self.world.root)
        with project.locked():
            return [(past.kind, past.outcome) for past in reversed(recording.rollouts(project))]


def _never(error: SalternError) -> None:
    raise AssertionError(error)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Followed:
    """A model with web, two of it, in a repository; nothing runs."""
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "PULL_SECONDS", 1)
    monkeypatch.setattr(lease, "POLL", 0.001)
    server = GuardedServer(controls=True, rules=rules(NAME, "lab"))
    server.put({"kind": "Namespace", "metadata": {"name": "lab"}})
    history = History(tmp_path / "repository", "model").start()
    world = World(history.model, tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    world.node("web", replicas=2, conf={"workers": 4})
    found = Followed(world, history, server)
    found.commit("the cloud")
    return found


@pytest.fixture
def up(empty: Followed) -> Followed:
    """It runs."""
    waiting = empty.round()
    empty.approve(waiting.plan)
    assert empty.round().state is State.DONE
    empty.told.clear()
    return empty


# ---- what is carried out


def test_a_new_cloud_waits_for_an_approval_of_its_plan(empty: Followed) -> None:
    status = empty.round()
    assert (status.state, status.kinds) == (State.WAITING, "image workloads")
    assert "the policy does not allow image, workloads" in status.message
    assert f"annotate --overwrite configmap saltern-operate saltern.io/approve={status.plan}" in status.message
    assert ("deployment", "web") not in empty.server.objects
    assert {key: empty.shown[key] for key in ("state", "plan", "commit")} == {
        "state": "waiting",
        "plan": status.plan,
        "commit": empty.history.git("rev-parse", "HEAD"),
    }
    assert empty.round() == status, "nothing changed"
    assert len(empty.told) == 1

    empty.approve("0" * 12)
    other = empty.round()
    assert (other.state, other.plan) == (State.WAITING, status.plan)
    assert "000000000000 was approved, which is another plan" in other.message

    empty.approve(status.plan)
    done = empty.round()
    assert (done.state, empty.shown["state"]) == (State.DONE, "done")
    assert [one.state for one in empty.told[-2:]] == [State.APPLYING, State.DONE]
    assert empty.outcomes == [("operate", Outcome.DONE)]


def test_configuration_is_carried_out_by_itself(up: Followed) -> None:
    commit = up.config(8)
    status = up.round()
    assert (status.state, status.commit, status.kinds) == (State.DONE, commit, "config")
    assert up.workers == "workers = 8"
    assert up.told[0].message == "the policy allows it"
    assert up.round() == status
    assert up.outcomes == [("operate", Outcome.DONE)] * 2


def test_another_image_waits_where_the_policy_is_the_default(up: Followed) -> None:
    up.config(8, image="k2")
    status = up.round()
    assert (status.state, status.kinds) == (State.WAITING, "image")
    assert up.workers == "workers = 4"


def test_the_policy_of_the_model_decides(up: Followed) -> None:
    up.world.node("web", replicas=2, conf={"workers": 8}, image="k2")
    up.commit(automatic=["config", "image"])
    assert up.round().state is State.DONE
    up.world.node("web", replicas=2, conf={"workers": 9}, image="k2")
    up.commit(automatic=[])
    assert up.round().state is State.WAITING


def test_who_has_no_other_replica_is_not_restarted_by_itself(up: Followed) -> None:
    up.world.node("db", conf={"size": 1})
    up.commit(automatic=["config", "image", "workloads"])
    assert up.round().state is State.DONE
    up.world.node("db", conf={"size": 2})
    up.commit()
    status = up.round()
    assert (status.state, status.kinds) == (State.WAITING, "config restart")


def test_an_approval_does_not_count_for_the_next_commit(up: Followed) -> None:
    up.config(8, image="k2")
    up.approve(up.round().plan)
    up.config(9, image="k3")
    status = up.round()
    assert (status.state, up.workers) == (State.WAITING, "workers = 4")
    assert "another plan" in status.message


def test_an_approval_does_not_count_when_the_cloud_has_changed(up: Followed) -> None:
    up.config(8, image="k2")
    first = up.round()
    up.server.objects.pop(("deployment", "web"))
    up.approve(first.plan)
    second = up.round()
    assert second.state is State.WAITING
    assert second.plan != first.plan
    up.approve(second.plan)
    assert up.round().state is State.DONE


def test_a_commit_that_changes_nothing(up: Followed) -> None:
    commit = up.commit("only words")
    status = up.round()
    assert (status.state, status.commit, status.message) == (State.DONE, commit, "nothing to do")
    assert up.outcomes == [("operate", Outcome.DONE)]


# ---- what is not


def test_a_model_that_is_wrong_is_looked_at_once(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    (up.world.root / "nodes" / "web.yml").write_text("applications: [web]\nparameters:\n  x: ${nowhere}\n")
    commit = up.commit()
    status = up.round()
    assert (status.state, status.commit) == (State.FAILED, commit)
    assert "nodes/web.yml:3" in status.message
    monkeypatch.setattr(operating.planning, "plan", _refused)
    assert up.round() == status, "it is not planned again"


def test_a_policy_that_is_wrong_has_its_line(up: Followed) -> None:
    up.commit(automatic=["config", "restore"])
    status = up.round()
    assert status.state is State.FAILED
    assert "operate:automatic:1: 'restore' is not one of" in status.message
    assert "saltern.yml:" in status.message


def test_what_git_does_not_have_is_held(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = operating.planning.plan

    def builds(project: Project) -> Any:
        made = plan(project)
        (project.root / "packages.lock").write_text("images: {}\n")
        return made

    monkeypatch.setattr(operating.planning, "plan", builds)
    up.config(8)
    status = up.round()
    assert status.state is State.HELD
    assert "planning changed model/packages.lock" in status.message
    up.approve(status.plan)
    assert up.round().state is State.HELD, "an approval changes nothing of that"
    assert up.workers == "workers = 4"


def test_another_cloud_is_not_followed(up: Followed) -> None:
    path = up.world.root / "saltern.yml"
    data = yaml.safe_load(path.read_text())
    home = up.open(up.world.root)
    leads = Lease(home.kubectl, NAME)
    path.write_text(yaml.safe_dump({**data, "cloud": "prod"}))
    up.commit()
    with leads.held():
        status = operating.Operator(up.branch, home, up.open, up.told.append, leads).round()
    assert status.state is State.FAILED
    assert "another cloud than the one that is followed: prod" in status.message


def test_a_cloud_that_is_in_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "repository", "model").start()
    world = World(history.model, tmp_path / "state", tmp_path / "cache").install(monkeypatch)
    found = Followed(world.node("web"), history, GuardedServer())
    found.commit()
    with pytest.raises(UsageError, match="only a cloud on Kubernetes"):
        operate(found.branch, found.open, found.told.append, _never, Pace())


# ---- what fails


def breaks(up: Followed, monkeypatch: pytest.MonkeyPatch, workers: str = "8") -> None:
    """The pods of web end again and again where they have so many workers."""
    unready = launch.ClusterLauncher.unready

    def looks(self: Any, step: Any, one: Any) -> str:
        return "it ends again and again" if up.workers == f"workers = {workers}" else unready(self, step, one)

    monkeypatch.setattr(launch.ClusterLauncher, "unready", looks)


def test_a_failed_commit_is_taken_back_and_not_tried_again(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(up, monkeypatch)
    up.server.logs |= {(f"web-{number}", False): "a log line with s3cret" for number in range(2)}
    up.config(8)
    status = up.round()
    assert status.state is State.FAILED
    assert "it ends again and again" in status.message
    assert "rolled back: the cloud is at revision" in status.message
    assert "s3cret" not in str(up.shown)
    assert up.workers == "workers = 4"
    outcomes = [("operate", Outcome.DONE), ("operate", Outcome.FAILED), ("rollback", Outcome.DONE)]
    assert up.outcomes == outcomes
    assert up.round() == status
    assert up.outcomes == outcomes

    up.approve("retry")
    again = up.round()
    assert (again.state, "it failed before; retry was approved" in again.message) == (State.FAILED, True)
    assert up.outcomes == outcomes, "the policy alone does not try it again"

    monkeypatch.undo()
    up.approve(status.plan)
    assert again.plan == status.plan, "it is shown what to approve"


def test_a_failed_commit_is_tried_again_when_that_is_approved(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        breaks(up, broken)
        up.config(8)
        status = up.round()
    up.approve(status.plan)
    done = up.round()
    assert (done.state, done.tried, up.workers) == (State.DONE, "", "workers = 8")


def test_the_next_commit_is_tried(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(up, monkeypatch)
    up.config(8)
    assert up.round().state is State.FAILED
    up.config(9)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 9")


def test_without_auto_rollback_it_stays_where_it_stopped(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(up, monkeypatch)
    up.world.node("web", replicas=2, conf={"workers": 8})
    up.commit(auto_rollback=False)
    assert up.round().state is State.FAILED
    assert up.outcomes == [("operate", Outcome.DONE), ("operate", Outcome.FAILED)]


def test_a_plan_that_is_no_more_the_same_is_made_again(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = applying.apply

    def late(project: Project, terms: Any) -> Any:
        up.server.objects.pop(("deployment", "web"))
        return apply(project, terms)

    up.config(8)
    with monkeypatch.context() as other:
        other.setattr(operating.applying, "apply", late)
        status = up.round()
    assert status.state is State.WAITING
    assert "the plan is no more the one that was shown" in status.message
    again = up.round()
    assert (again.state, "workloads" in again.kinds) == (State.WAITING, True)
    assert again.plan != status.plan


# ---- what is interrupted


def killed(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed in the middle of a step."""
    with monkeypatch.context() as death:
        death.setattr(launch.ClusterLauncher, "create", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            up.round()
    assert up.shown["state"] == "applying"


@pytest.mark.parametrize("machine", ["one", "two"])
def test_what_was_interrupted_is_gone_on_with(up: Followed, monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    commit = up.config(8)
    killed(up, monkeypatch)
    later = up.config(9, image="k2")
    up.machine = machine
    status = up.round()
    assert (status.state, status.commit, up.workers) == (State.DONE, commit, "workers = 8")
    assert up.outcomes[1:] == [("operate", Outcome.INTERRUPTED), ("operate", Outcome.DONE)]
    next_one = up.round()
    assert (next_one.state, next_one.commit) == (State.WAITING, later), "then it is the next commit's turn"


def test_an_approved_rollout_goes_on_without_another_approval(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8, image="k2")
    up.approve(up.round().plan)
    killed(up, monkeypatch)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")


def test_what_was_interrupted_ends_although_the_newest_model_is_wrong(
    up: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.config(8)
    killed(up, monkeypatch)
    up.commit(automatic=["everything"])
    up.machine = "two"
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")
    wrong = up.round()
    assert wrong.state is State.FAILED
    assert "'everything' is not one of" in wrong.message


def test_an_api_server_that_goes_away_in_the_middle_is_waited_for(
    up: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.config(8)

    def away(*_: Any) -> Completed:
        raise EngineError(Problem("the Kubernetes API server cannot be reached"))

    with monkeypatch.context() as gone:
        gone.setattr(launch.ClusterLauncher, "create", away)
        for _ in range(3):
            with pytest.raises(EngineError):
                up.round()
            assert up.shown["state"] == "applying"
        status = up.round()
    assert status.state is State.FAILED, "what never passes ends"
    up.approve(status.plan)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")


def test_what_was_not_begun_is_planned_anew(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8)
    with monkeypatch.context() as death:
        death.setattr(operating.applying, "apply", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            up.round()
    assert up.shown["state"] == "applying"
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")
    assert len(up.outcomes) == 2


def test_what_kills_it_each_time_ends(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8)
    for _ in range(3):
        killed(up, monkeypatch)
    status = up.round()
    assert (status.state, status.tried) == (State.FAILED, status.plan)
    assert "interrupted 3 times" in status.message
    assert up.round() == status


def test_a_rollback_that_was_interrupted_is_ended_and_nothing_more(
    up: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        breaks(up, broken)
        create = launch.ClusterLauncher.create

        def dies_on_the_way_back(self: Any, step: Any) -> Completed:
            done = create(self, step)
            if up.workers == "workers = 4":
                raise KeyboardInterrupt
            return done

        broken.setattr(launch.ClusterLauncher, "create", dies_on_the_way_back)
        up.config(8)
        with pytest.raises(KeyboardInterrupt):
            up.round()
    status = up.round()
    assert (status.state, status.tried != "") == (State.FAILED, True)
    assert "brought back" in status.message
    assert up.workers == "workers = 4"
    assert [outcome for kind, outcome in up.outcomes if kind == "rollback"] == [Outcome.INTERRUPTED, Outcome.DONE]
    assert up.round() == status


# ---- what passes by itself


def test_who_works_by_hand_is_waited_for(up: Followed) -> None:
    up.config(8)
    up.world.state.mkdir(exist_ok=True)
    other = up.open(up.world.root)
    with other.locked(), pytest.raises(LockedError):
        up.round()
    assert up.shown["state"] == "done"
    assert "cannot be planned now, it is tried again" in up.shown["message"]
    assert up.round().state is State.DONE


def test_two_operators_exclude_each_other(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(1000))
    find = up.server._get

    def renewed(argv: Any, words: list[str], stdin: Any) -> Completed:
        if words[1:3] == ["lease", NAME]:
            thing = up.server.objects["lease", NAME]
            spec = {**thing["spec"], "holderIdentity": "there:7", "renewTime": str(next(looks))}
            up.server.put({**thing, "spec": spec})
        return find(argv, words, stdin)

    monkeypatch.setattr(up.server, "_get", renewed)
    up.config(8)
    with pytest.raises(LockedError, match="there:7"):
        up.round()
    assert up.workers == "workers = 4"


class Clock:
    """Counts the pauses, and ends the loop after some; before each it does the next of ``acts``."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self.pauses: list[float] = []
        self._acts = [*acts]

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self._acts:
            raise KeyboardInterrupt
        self._acts.pop(0)()


def looped(up: Followed, clock: Clock) -> list[SalternError]:
    warned: list[SalternError] = []
    with pytest.raises(KeyboardInterrupt):
        operate(up.branch, up.open, up.told.append, warned.append, Pace(30.0, sleep=clock.sleep))
    return warned


def test_the_loop_follows(up: Followed) -> None:
    clock = Clock(lambda: up.config(8), lambda: up.config(9))
    assert looped(up, clock) == []
    assert [one.state for one in up.told] == [State.APPLYING, State.DONE] * 2
    assert (clock.pauses, up.workers) == ([30.0] * 3, "workers = 9")
    assert up.server.objects["lease", NAME]["spec"]["holderIdentity"] == "", "who ends lets another one lead at once"


def test_a_repository_that_is_away_is_asked_less_often(up: Followed, tmp_path: Path) -> None:
    away = tmp_path / "away"

    def back() -> None:
        away.rename(up.history.top)
        up.config(8)

    clock = Clock(lambda: up.history.top.rename(away), *[lambda: None] * 5, back, lambda: None)
    warned = looped(up, clock)
    assert {type(error) for error in warned} == {EngineError}
    assert clock.pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 30.0, 30.0]
    assert up.workers == "workers = 8"


def test_a_repository_that_is_away_at_the_start(up: Followed, tmp_path: Path) -> None:
    away = tmp_path / "away"
    up.history.top.rename(away)
    clock = Clock(lambda: away.rename(up.history.top), lambda: None)
    assert len(looped(up, clock)) == 1
    assert clock.pauses == [60.0, 30.0, 30.0]


# ---- its account


def test_the_account_may_do_what_is_done(up: Followed) -> None:
    """With a job, and a workload that goes; what is refused would have failed the tests above too."""
    up.world.node("db", conf={"size": 1}, fresh=True).node("web", replicas=2, conf={"workers": 5})
    up.commit(automatic=["config", "image", "workloads", "restart"])
    assert up.round().state is State.DONE
    up.world.without("db")
    up.commit()
    assert up.round().state is State.DONE
    assert up.server.refused == []


def test_what_is_forbidden_is_told(up: Followed) -> None:
    up.server.rules = [rule for rule in up.server.rules if "deployments" not in rule["resources"]]
    up.config(8)
    with pytest.raises(EngineError, match="operate may not list deployments"):
        up.round()


def test_the_account_is_written_as_manifests(up: Followed, tmp_path: Path) -> None:
    up.server.rules = [{}]
    names = operating.write_account(up.branch, up.open, tmp_path / "access")
    assert [*names] == sorted(path.name for path in (tmp_path / "access").iterdir())
    found = [yaml.safe_load((tmp_path / "access" / name).read_text()) for name in names]
    things = {(one["kind"], one["metadata"]["name"]): one for one in found if one["kind"] != "Kustomization"}
    assert {one["metadata"]["namespace"] for one in things.values()} == {"lab"}
    assert things["Role", NAME]["rules"] == rules(NAME, "lab")
    assert things["RoleBinding", NAME]["subjects"][0]["name"] == things["ServiceAccount", NAME]["metadata"]["name"]
    (approves,) = things["Role", f"{NAME}-approve"]["rules"]
    assert (approves["resourceNames"], approves["verbs"]) == ([NAME], ["get", "patch"])


def _refused(_project: Project) -> Any:
    raise AssertionError("planned")


def _interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt
