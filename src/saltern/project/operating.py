"""Follows a branch: plans each new commit, and applies what the policy or an approval allows; restart-safe.

All that must be remembered is in the cluster: the status on the board, the rollout in its journal. What comes next is
decided by :mod:`saltern.plan.following` and :mod:`saltern.plan.policy`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from saltern.base.errors import (
    EngineError,
    LockedError,
    ModelError,
    PlanError,
    Problem,
    RegistryError,
    SalternError,
    UnbuiltError,
    UsageError,
)
from saltern.plan.following import AGAIN, ATTEMPTS, Next, State, Status, failed, next_of, told
from saltern.plan.plan import Plan
from saltern.plan.policy import kinds_of, refusal
from saltern.plan.steps import Act
from saltern.project import applying, planning, recording
from saltern.project.applying import Terms
from saltern.project.context import Project
from saltern.project.following import Branch
from saltern.project.manifests import write
from saltern.rollout.kubernetes.board import APPROVE, Board
from saltern.rollout.kubernetes.lease import Lease
from saltern.rollout.rollouts import Outcome, Past
from saltern.targets.kubernetes.access import account, approval_of
from saltern.targets.kubernetes.manifest import files
from saltern.targets.kubernetes.operator import operator

NAME = "saltern-operate"
"""Of the ConfigMap with the status, of the Lease, and of the account."""
PASSING = (EngineError, RegistryError, LockedError)
"""Errors that are nobody's fault in the model: tried again by itself."""
LONGEST = 600.0
"""Seconds between two tries at most."""
BY_HAND = "run `saltern apply` where podman or docker is"

Open = Callable[[Path], Project]
Tell = Callable[[Status], None]


@dataclass
class Operator:
    """One that leads; ``home`` is the cloud that it was started for, ``tell`` gets each status that is new."""

    branch: Branch
    home: Project
    open: Open
    tell: Tell
    lease: Lease
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        """The board is where the cloud is."""
        self.board = Board(self.home.kubectl, NAME)

    def round(self) -> Status:
        """Look once at the branch and the approval, and do what is to be done. Raises what passes by itself."""
        self.lease.refuse_lost()
        tip = self.branch.tip()
        data, approval = self.board.read()
        status = Status.of_data(data)
        match next_of(status, tip, approval):
            case Next.RESUME if status is not None:
                return self._resume(status, tip, approval)
            case Next.NOTHING if status is not None and not self._is_supplied(status):
                return status
            case _:
                return self._look(status, tip, approval)

    # ---- a new commit, or a new approval

    def _look(self, before: Status | None, tip: str, approval: str) -> Status:
        again = before if before is not None and before.commit == tip else None
        status = Status(tip, State.WAITING, approval=approval, tried=again.tried if again else "")
        try:
            project = self._opened(tip)
            made = planning.plan(project)
        except PASSING as error:
            self._note(before or replace(status, commit=""), tip, error)
            raise
        except UnbuiltError as error:
            return self._say(replace(status, state=State.HELD, message=told(error), missing=" ".join(error.images)))
        except SalternError as error:
            return self._say(failed(status, error))
        return self._judged(project, made, _with_plan(status, made))

    def _is_supplied(self, status: Status) -> bool:
        """Whether the images are there now for which the commit was held, or can be built by who leads now."""
        engine = self.home.engine
        return bool(status.missing) and (engine.builds or all(map(engine.image, status.missing.split())))

    def _note(self, status: Status, tip: str, error: SalternError) -> None:
        """Say what keeps the newest commit from being looked at, where that can be said; nothing else changes."""
        if status.state is not State.APPLYING:
            with suppress(SalternError):
                self._say(
                    replace(status, message=f"{tip[:12]} cannot be planned now, it is tried again: {told(error)}")
                )

    def _opened(self, commit: str) -> Project:
        project = self.open(self.branch.check_out(commit))
        _refuse_elsewhere(project)
        if _place(project) != _place(self.home):
            raise ModelError(
                Problem(
                    f"this commit is about another cloud than the one that is followed: {' '.join(_place(project))}",
                    details=f"it was {' '.join(_place(self.home))}",
                    resolution="for another cloud start another `saltern operate`",
                )
            )
        return project

    def _judged(self, project: Project, made: Plan, status: Status) -> Status:
        if made.is_empty:
            return self._say(replace(status, state=State.DONE, message="nothing to do"))
        if changed := self.branch.differing():
            text = (
                f"planning changed {', '.join(changed)}: what is carried out must be what git has; "
                "run `saltern build` and commit the file"
            )
            return self._say(replace(status, state=State.HELD, message=text))
        if not project.engine.builds and any(step.act is Act.BACKUP for step in made.steps.changes):
            text = f"it takes a backup first, which is proven with an engine and kept on its machine; {BY_HAND}"
            return self._say(replace(status, state=State.HELD, message=text))
        policy = project.settings.operate
        if why := refusal(made, policy.automatic, status.approval, is_retry=bool(status.tried)):
            state = State.FAILED if status.tried else State.WAITING
            return self._say(replace(status, state=state, message=f"{why}; {_how(self.home, made.id)}"))
        why = "approved" if status.approval == made.id else "the policy allows it"
        after = max((past.number for past in recording.rollouts(project)), default=0)
        begun = replace(status, state=State.APPLYING, message=why, attempts=1, after=after)
        self._say(begun)
        terms = Terms("operate", expected=made.id, auto_rollback=policy.auto_rollback)
        return self._carried_out(begun, lambda: applying.apply(project, terms))

    # ---- what was begun

    def _resume(self, status: Status, tip: str, approval: str) -> Status:
        """Go on with the rollout that the journal knows; plan anew where it was not begun, or has ended."""
        home = self.home
        with home.locked():  # what the cluster remembers is here then
            newest = next((past for past in recording.rollouts(home) if past.number > status.after), None)
            revision = recording.load(home, newest.target) if newest else None
        is_back = newest is not None and newest.kind == "rollback" and newest.target != status.revision
        if newest is None or revision is None or not (is_back or _is_open(newest, status)):
            return self._look(status, tip, approval)
        if is_back and newest.outcome is Outcome.DONE:
            return self._say(_taken_back(status))
        if status.attempts >= ATTEMPTS:
            text = f"it was interrupted {status.attempts} times; see `saltern history {newest.number}`"
            ended = replace(status, state=State.FAILED, message=text, tried=status.plan)
            return self._say(self._with_next_plan(ended))
        again = replace(status, message="going on with what was interrupted", attempts=status.attempts + 1)
        self._say(again)
        is_auto = home.settings.operate.auto_rollback and not is_back
        terms = Terms("rollback" if is_back else "operate", auto_rollback=is_auto)
        done = self._carried_out(again, lambda: applying.apply_revision(home, revision, terms))
        return self._say(_taken_back(done)) if is_back and done.state is State.DONE else done

    def _carried_out(self, begun: Status, act: Callable[[], object]) -> Status:
        """Do it, and say how it ended. What passes by itself is raised: the next round sees how far it came.

        So is what is missing of the images, say of a Saltern that was replaced meanwhile.
        """
        try:
            act()
        except (*PASSING, UnbuiltError):
            raise
        except PlanError as error:  # the cloud changed meanwhile, and nothing was begun
            return self._say(replace(begun, state=State.WAITING, message=told(error), approval=AGAIN, attempts=0))
        except SalternError as error:
            return self._say(self._with_next_plan(failed(replace(begun, tried=begun.plan), error)))
        return self._say(replace(begun, state=State.DONE, message="", tried=""))

    def _with_next_plan(self, status: Status) -> Status:
        """What an approval would have to name now: the failure changed the cloud, and so the plan."""
        try:
            made = planning.plan(self._opened(status.commit))
        except SalternError:
            return replace(status, plan="")
        message = f"{status.message}; {_how(self.home, made.id)}"
        return replace(_with_plan(status, made), message=message)

    def _say(self, status: Status) -> Status:
        self.board.write(status.as_data())
        self.tell(status)
        return status


def _with_plan(status: Status, made: Plan) -> Status:
    return replace(status, plan=made.id, kinds=" ".join(kinds_of(made)), revision=made.new)


def _is_open(newest: Past, status: Status) -> bool:
    return newest.target == status.revision and newest.outcome is not Outcome.DONE


def _taken_back(status: Status) -> Status:
    text = "it failed, and what ran before was brought back"
    return replace(status, state=State.FAILED, message=text, tried=status.plan)


def _how(project: Project, plan: str) -> str:
    words = f"annotate --overwrite configmap {approval_of(NAME)} {APPROVE}={plan}"
    return f"to carry it out: kubectl -n {project.namespace} {words}"


def _place(project: Project) -> tuple[str, str, str]:
    return project.cloud, project.namespace, project.settings.kubernetes.context


def _refuse_elsewhere(project: Project) -> None:
    if not project.in_cluster:
        raise UsageError(
            Problem(
                "only a cloud on Kubernetes can follow a branch",
                details="the approvals and the status are in its cluster",
                resolution="set `target: kubernetes` in saltern.yml, or run `saltern apply` where the model is pulled",
            )
        )


def write_account(
    branch: Branch, open_: Open, folder: Path, image: str = "", words: Sequence[str] = ()
) -> tuple[str, ...]:
    """Write the account that following needs, for the namespace of the newest commit; the names of the files.

    With the ``image`` of a saltern also what runs it in the cluster with these ``words``.
    """
    if image and Path(branch.remote).is_dir():
        raise UsageError(
            Problem(f"{branch.address} is on this machine: no pod can fetch from it", resolution="give a URL")
        )
    with branch.held():
        project = _home(branch, open_)
    objects = account(NAME, project.namespace)
    objects += operator(NAME, project.namespace, project.settings.kubernetes.context, image, words) if image else ()
    wanted = files(objects, secrets=False)
    write(folder, wanted)
    return tuple(sorted(wanted))


# ---- the loop


@dataclass(frozen=True)
class Pace:
    """How long is waited between two looks; ``once`` looks a single time."""

    interval: float = 30.0
    once: bool = False
    sleep: Callable[[float], None] = time.sleep


def operate(branch: Branch, open_: Open, tell: Tell, warn: Callable[[SalternError], None], pace: Pace) -> Status:
    """Wait to be the one that leads, and follow the branch; with ``once`` for one round, of which errors are raised.

    What passes by itself is told to ``warn`` and tried again, each time after twice the time.
    """
    pause = pace.interval
    while True:
        try:
            with branch.held():
                home = _home(branch, open_)
                home.ensure_namespace()
                lease = Lease(home.kubectl, NAME)
                with lease.held():
                    return _lead(Operator(branch, home, open_, tell, lease), warn, pace)
        except SalternError as error:
            if pace.once or isinstance(error, UsageError):
                raise
            warn(error)
            pause = _longer(pause, pace, error)
        pace.sleep(pause)


def _lead(operator: Operator, warn: Callable[[SalternError], None], pace: Pace) -> Status:
    """Rounds until the lease is lost, which is a LockedError."""
    pause = pace.interval
    while True:
        try:
            status = operator.round()
            if pace.once:
                return status
            pause = pace.interval
        except PASSING as error:
            if pace.once or operator.lease.lost.is_set():
                raise
            warn(error)
            pause = _longer(pause, pace, error)
        pace.sleep(pause)


def _home(branch: Branch, open_: Open) -> Project:
    """The cloud of the newest commit that has one in a cluster: what is wrong with later ones is told there.

    Raises what is wrong with the newest one where there is none.
    """
    first: SalternError | None = None
    for commit in branch.commits(branch.tip()):
        try:
            home = open_(branch.check_out(commit))
            _refuse_elsewhere(home)
        except (ModelError, UsageError) as error:
            first = first or error
        else:
            return home
    raise first or ModelError(Problem(f"the branch {branch.name} has no commit"))


def _longer(pause: float, pace: Pace, error: SalternError) -> float:
    """Twice as long as before; who only waits for another one looks as often as ever, to take over soon."""
    return pace.interval if isinstance(error, LockedError) else min(pause * 2, LONGEST)
