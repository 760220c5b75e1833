"""Machines that run guests: the commands of who is in charge of them, what they tell, and what that comes to.

Each command tells a JSON object per line on stdout, of a ``kind``:

- ``begun`` (``subject``, ``text``) and ``progress`` (the same): something is worked on;
- ``guest`` (the fields of :class:`Guest`): it is done with, or, with a ``problem``, it is not;
- ``host`` (the fields of :class:`Host`): how a machine is at the end;
- ``problem`` (``brief``, ``resolution``): it does not begin, or cannot go on, and why.

Lines that are none of these are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from saltern.base.errors import Problem, RolloutError
from saltern.base.events import Emit, Event, State
from saltern.images.engine import Runtime

STAGE = "host"


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that was on a machine: what was done with it, and how and where it is now.

    ``did`` is ``migrated``, ``stopped``, ``started``, ``left`` or ``deleted`` (by somebody else).
    """

    guest: str
    id: str
    did: str
    status: str
    """As its users see it."""
    host: str
    seconds: float
    problem: str = ""
    """Why that was not done that should have been, as the service said it; "" where all was."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that runs guests: whether it gets new ones, whether it is heard of, and how many it has."""

    host: str
    enabled: bool
    up: bool
    reason: str
    """Why it is not enabled."""
    guests: int
    running: int


@dataclass(frozen=True, slots=True)
class Told:
    """All that a command told."""

    hosts: tuple[Host, ...]
    guests: tuple[Guest, ...]

    @property
    def complete(self) -> bool:
        """Whether with every guest was done what should be."""
        return not any(guest.problem for guest in self.guests)


def ask(runtime: Runtime, container: str, command: tuple[str, ...], environment: Mapping[str, str], emit: Emit) -> Told:
    """Run a command in a container, emit what it does, and return what it told.

    It bounds its own time: how much it needs depends on the guests. Raises RolloutError where it did not begin, or
    ended too early.
    """

    def hear(line: str) -> None:
        if event := _event(_read(line)):
            emit(event)

    done = runtime.exec(container, command, environment=environment, on_line=hear)
    told = [_read(line) for line in done.stdout.splitlines()]
    if problems := [one for one in told if isinstance(one, Problem)]:
        raise RolloutError(problems)
    if not done.ok:
        brief = f"the command in {container} failed with exit code {done.returncode}"
        raise RolloutError(Problem(brief, details=done.tail(), resolution="run it again: it goes on"))
    return Told(
        hosts=tuple(one for one in told if isinstance(one, Host)),
        guests=tuple(one for one in told if isinstance(one, Guest)),
    )


def _event(told: Event | Guest | Host | Problem | None) -> Event | None:
    if not isinstance(told, Guest):
        return told if isinstance(told, Event) else None
    if told.problem:
        return Event(STAGE, told.guest, State.FAILED, told.problem, told.seconds)
    return Event(STAGE, told.guest, State.DONE, f"{told.did}, {told.status}", told.seconds)


_KINDS: Mapping[str, Callable[..., Event | Guest | Host | Problem]] = {
    "begun": partial(Event, STAGE, state=State.STARTED),
    "progress": partial(Event, STAGE, state=State.PROGRESS),
    "guest": Guest,
    "host": Host,
    "problem": Problem,
}


def _read(line: str) -> Event | Guest | Host | Problem | None:
    """What a line tells; None for lines of another kind."""
    try:
        told = json.loads(line)
        kind = _KINDS[told.pop("kind")]
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    try:
        return kind(**told)
    except TypeError as error:
        return Problem(f"a line says not what it should: {line}", details=str(error), resolution="correct the formula")
