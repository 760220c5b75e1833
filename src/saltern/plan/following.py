"""Where a cloud that follows a branch stands, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from saltern.base.errors import SalternError

ATTEMPTS = 3
"""How often a rollout that was interrupted is gone on with."""
AGAIN = "again"
"""Stands in the place of an approval that was not looked at: the commit is planned once more."""
MESSAGE = 2000
"""Characters of a message that are kept."""


class State(StrEnum):
    """Where the newest commit stands."""

    WAITING = "waiting"
    """Its plan needs an approval."""
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    """It is not tried again until the branch or the approval changes."""
    HELD = "held"
    """It cannot be carried out as it is in git; an approval changes nothing of that."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is remembered of a commit, as texts in an object of the cluster."""

    commit: str
    state: State
    message: str = ""
    plan: str = ""
    """Id of the plan that was made last, which is what an approval names."""
    kinds: str = ""
    """Of that plan: ``image restart``."""
    revision: str = ""
    """Id of the revision that the plan brings."""
    approval: str = ""
    """The approval that there was when the commit was looked at."""
    tried: str = ""
    """Id of the newest plan for this commit that was begun and failed."""
    attempts: int = 0
    """How often the rollout was begun or gone on with."""
    after: int = 0
    """Number of the newest rollout that there was before: those up to it are none of this commit's."""
    missing: str = ""
    """The images that the registry did not have, where none can be built: ``a:1 b:2``."""

    def as_data(self) -> dict[str, str]:
        """Field → text."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def of_data(cls, data: Mapping[str, str]) -> Status | None:
        """The reverse; None for what is none of ours, or damaged: then the commit is looked at anew."""
        known = {field.name: data.get(field.name, "") for field in fields(cls)}
        try:
            state = State(known.pop("state"))
            attempts, after = int(known.pop("attempts") or 0), int(known.pop("after") or 0)
        except ValueError:
            return None
        return cls(state=state, attempts=attempts, after=after, **known)


class Next(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    LOOK = "look"
    """Plan the commit, and judge the plan."""
    RESUME = "resume"
    """See how far the rollout came that was begun, and go on with it."""


def next_of(status: Status | None, tip: str, approval: str) -> Next:
    """What to do about the newest commit of the branch; ``approval`` is what people wrote last."""
    if status is None:
        return Next.LOOK
    if status.state is State.APPLYING:
        return Next.RESUME
    if status.commit != tip:
        return Next.LOOK
    if status.state is State.DONE or status.approval == approval:
        return Next.NOTHING
    return Next.LOOK


def failed(status: Status, error: SalternError) -> Status:
    """After an error that is the commit's own fault, or that the rollout ended with."""
    return replace(status, state=State.FAILED, message=told(error))


def told(error: SalternError) -> str:
    """What is wrong, where, and what became of it, without details.

    Those hold logs, and who may read the status may not read all.
    """
    lines = [f"{one.brief} ({one.places[0]})" if one.places else one.brief for one in error.problems]
    last = error.problems[-1].resolution.splitlines()[-1:] if error.problems else []
    return "; ".join([*lines, *(line.strip() for line in last)])[:MESSAGE]
