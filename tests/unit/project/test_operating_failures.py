"""``operate`` where a rollout fails, is interrupted, or something is away for a while."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import EngineError, LockedError, Problem, RegistryError, SalternError, UnreachableError
from saltern.base.process import Completed
from saltern.plan.following import State
from saltern.project import applying, operating, recording
from saltern.project.applying import Terms
from saltern.project.context import Project
from saltern.project.operating import NAME, Pace, operate
from saltern.rollout.kubernetes import kubectl, launch
from saltern.rollout.rollouts import Outcome
from tests.unit.project.followed import Followed, breaks, interrupted, killed

# ---- what fails


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
    monkeypatch.setattr(kubectl, "PATIENCE", 0.005)
    monkeypatch.setattr(kubectl, "PAUSE", 0.001)
    create, why = (
        launch.ClusterLauncher.create,
        "The connection to the server was refused - did you specify the right host",
    )

    def away(self: Any, step: Any) -> Completed:
        up.server.refuses = dict.fromkeys(("version", "get", "apply", "create", "replace", "delete"), why)
        try:
            return create(self, step)
        finally:
            up.server.refuses = {}

    up.config(8)
    with monkeypatch.context() as gone:
        gone.setattr(launch.ClusterLauncher, "create", away)
        for _ in range(3):
            with pytest.raises(UnreachableError):
                up.round()
            assert up.shown["state"] == "applying"
        status = up.round()
    assert {kind for kind, _ in up.outcomes} == {"operate"}, "nothing was taken back"
    assert status.state is State.FAILED, "what never passes ends"
    up.approve(status.plan)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")


def test_what_was_not_begun_is_planned_anew(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8)
    with monkeypatch.context() as death:
        death.setattr(operating.applying, "apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            up.round()
    assert up.shown["state"] == "applying"
    assert (up.round().state, up.workers) == (State.DONE, "workers = 8")
    assert len(up.outcomes) == 2


def apart(up: Followed, monkeypatch: pytest.MonkeyPatch, error: SalternError) -> None:
    """A round in which the commit is to be applied, and something is away before the rollout begins."""

    def away(*_: Any) -> None:
        raise error

    with monkeypatch.context() as gone:
        gone.setattr(operating.applying, "apply", away)
        with pytest.raises(type(error)):
            up.round()
    assert up.shown["state"] == "applying"


@pytest.mark.parametrize("error", [RegistryError(Problem("away")), LockedError(Problem("another one works"))])
def test_the_rollback_of_an_earlier_commit_is_none_of_one_that_was_not_begun(
    up: Followed, monkeypatch: pytest.MonkeyPatch, error: SalternError
) -> None:
    with monkeypatch.context() as broken:
        breaks(up, broken)
        up.config(8)
        assert up.round().state is State.FAILED
    assert up.outcomes[-1] == ("rollback", Outcome.DONE)
    up.config(9)
    apart(up, monkeypatch, error)
    assert (up.round().state, up.workers) == (State.DONE, "workers = 9")


def test_a_rollback_by_hand_is_not_gone_on_with(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8)
    assert up.round().state is State.DONE
    by_hand = up.open(up.world.root)
    revision = recording.before_last(by_hand)
    assert revision is not None
    with monkeypatch.context() as death:
        death.setattr(launch.ClusterLauncher, "create", interrupted)
        with pytest.raises(KeyboardInterrupt):
            applying.apply_revision(by_hand, revision, Terms("rollback"))
    up.config(9)
    apart(up, monkeypatch, RegistryError(Problem("away")))
    assert (up.round().state, up.workers) == (State.DONE, "workers = 9")
    assert up.outcomes[2:] == [("rollback", Outcome.INTERRUPTED), ("operate", Outcome.DONE)]


def test_what_kills_it_each_time_ends(up: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    up.config(8)
    for _ in range(3):
        killed(up, monkeypatch)
    status = up.round()
    assert (status.state, status.tried) == (State.FAILED, status.plan)
    assert "interrupted 3 times" in status.message
    assert up.round() == status


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyboardInterrupt(), Outcome.INTERRUPTED), (UnreachableError(Problem("away")), Outcome.FAILED)],
)
def test_a_rollback_that_was_interrupted_is_ended_and_nothing_more(
    up: Followed, monkeypatch: pytest.MonkeyPatch, error: BaseException, outcome: Outcome
) -> None:
    with monkeypatch.context() as broken:
        breaks(up, broken)
        create = launch.ClusterLauncher.create

        def dies_on_the_way_back(self: Any, step: Any) -> Completed:
            done = create(self, step)
            if up.workers == "workers = 4":
                raise error
            return done

        broken.setattr(launch.ClusterLauncher, "create", dies_on_the_way_back)
        up.config(8)
        with pytest.raises(type(error)):
            up.round()
    status = up.round()
    assert (status.state, status.tried != "") == (State.FAILED, True)
    assert "brought back" in status.message
    assert up.workers == "workers = 4"
    assert [outcome for kind, outcome in up.outcomes if kind == "rollback"] == [outcome, Outcome.DONE]
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
