"""What the layers say while they work; the terminal, JSON lines and tests are renderers of the same events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a task stands."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a task: ``stage`` (compile, build, config, start …), ``subject`` (a node, an image), a text."""

    stage: str
    subject: str
    state: State
    text: str = ""
    seconds: float = 0.0
    """How long the task took; set with DONE and FAILED."""


Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """An :data:`Emit` that drops everything."""
