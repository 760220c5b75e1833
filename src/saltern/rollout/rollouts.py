"""The record of each rollout: its plan, a line on disk before and after each act, its end, and its availability.

One folder per rollout, numbered. A line is on disk before the act that it announces begins: a rollout that was killed
shows how far it came. Times of day are for people; durations are measured, so a clock that jumps changes none.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, RolloutError
from saltern.base.store import write_atomically
from saltern.plan.steps import Act

PLAN = "plan.json"
JOURNAL = "journal.jsonl"
AVAILABILITY = "availability.json"


class Outcome(StrEnum):
    """How a rollout ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """It was killed, or could not write its journal; the next one goes on from what it left."""
    RUNNING = "running"


@contextmanager
def told(folder: Path, what: str = "the journal") -> Iterator[None]:
    """A folder that cannot be written, say because its disk is full, is a RolloutError."""
    try:
        yield
    except OSError as error:
        raise RolloutError(_unwritten(folder, what, error)) from error


class Record:
    """The journal of the rollout that is at work; may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = int(folder.name)
        self._lock = threading.Lock()
        self._torn = False
        """Half a line may be the last that is there."""

    @classmethod
    def begin(cls, root: Path, kind: str, plan: Mapping[str, Any]) -> Record:
        """The next number's folder below ``root`` with the plan in it. Raises RolloutError when it cannot write."""
        number = max((past.number for past in _folders(root)), default=0) + 1
        record = cls(root / f"{number:06d}")
        with told(record.folder):
            write_atomically(record.folder / PLAN, json.dumps(plan, indent=1, sort_keys=True).encode())
        record.write("begin", kind=kind, pid=os.getpid())
        return record

    def write(self, event: str, **about: Any) -> None:
        """Add a line; it is on disk when this returns. Raises RolloutError: what cannot be recorded is not done."""
        line = {"event": event, "at": datetime.now(UTC).isoformat(timespec="seconds"), **about}
        with told(self.folder), self._lock, (self.folder / JOURNAL).open("ab") as file:
            torn, self._torn = self._torn, True
            file.write(b"\n" * torn + json.dumps(line, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._torn = False

    def end(self, outcome: Outcome, availability: Mapping[str, Any], seconds: float) -> None:
        """The last line, after the figures of the endpoints."""
        with told(self.folder):
            write_atomically(self.folder / AVAILABILITY, json.dumps(availability, indent=1, sort_keys=True).encode())
        self.write("end", outcome=outcome, seconds=round(seconds, 3))


@dataclass(frozen=True)
class Past:
    """A rollout as its files tell it."""

    number: int
    kind: str
    """``up``, ``apply``, ``rollback`` …"""
    outcome: Outcome
    begun: str
    seconds: float
    """How long it took; 0.0 where its end was not recorded."""
    plan: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]
    availability: Mapping[str, Any]

    @property
    def target(self) -> str:
        """The id of the revision that it was to bring."""
        return str(self.plan.get("new", ""))

    @property
    def open_steps(self) -> tuple[str, ...]:
        """Steps that were begun, and of which nothing says that they ended."""
        begun = [str(line["step"]) for line in self.lines if line["event"] == "act"]
        ended = Counter(str(line["step"]) for line in self.lines if line["event"] in ("done", "failed"))
        return tuple(step for number, step in enumerate(begun) if begun[: number + 1].count(step) > ended[step])

    @property
    def done_steps(self) -> int:
        """How many steps succeeded."""
        return sum(1 for line in self.lines if line["event"] == "done")

    @property
    def problems(self) -> tuple[str, ...]:
        """What made it fail."""
        return tuple(str(line.get("problem", "")) for line in self.lines if line["event"] == "failed")


def history(root: Path, *, at_work: bool = False) -> tuple[Past, ...]:
    """All rollouts, newest first. ``at_work``: a saltern works on the cloud now, so the newest may be running.

    It is when its process lives: ``saltern plan`` works on the cloud too.
    """
    found = sorted(_folders(root), key=lambda past: -past.number)
    if found and at_work and found[0].outcome is Outcome.INTERRUPTED and _lives(found[0]):
        newest = found[0]
        found[0] = Past(**{**vars(newest), "outcome": Outcome.RUNNING})
    return tuple(found)


def unproven(pasts: Iterable[Past]) -> frozenset[str]:
    """Workloads whose checks the rollouts since the last that ended well, newest first, planned and did not make.

    One that did no act changed nothing, and owes none.
    """
    owed: set[str] = set()
    for past in reversed([*takewhile(lambda one: one.outcome is not Outcome.DONE, pasts)]):
        if any(line["event"] == "act" for line in past.lines):
            made = Counter(str(line["step"]) for line in past.lines if line["event"] == "done")
            planned = [step for step in past.plan.get("steps", ()) if step["act"] == Act.VERIFY]
            wanted = Counter(str(step["key"]) for step in planned)
            left = {step["workload"] for step in planned if made[step["key"]] < wanted[step["key"]]}
            owed = (owed - {step["workload"] for step in planned}) | left
    return frozenset(owed)


def _lives(past: Past) -> bool:
    pid = next((line["pid"] for line in past.lines if "pid" in line), 0)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _folders(root: Path) -> Iterator[Past]:
    for folder in root.glob("[0-9]*"):
        if folder.name.isdigit():
            yield _read(folder)


def _read(folder: Path) -> Past:
    lines = tuple(_lines(folder / JOURNAL))
    begin: Mapping[str, Any] = next((line for line in lines if line["event"] == "begin"), {})
    end: Mapping[str, Any] = next((line for line in lines if line["event"] == "end"), {})
    return Past(
        number=int(folder.name),
        kind=str(begin.get("kind", "")),
        outcome=Outcome(end["outcome"]) if end else Outcome.INTERRUPTED,
        begun=str(begin.get("at", "")),
        seconds=float(end.get("seconds", 0.0)),
        plan=_json(folder / PLAN),
        lines=lines,
        availability=_json(folder / AVAILABILITY),
    )


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The journal's lines; the last may be half a line when its writer was killed."""
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "event" in line:
            yield line


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unwritten(folder: Path, what: str, error: OSError) -> Problem:
    return Problem(
        f"{what} in {folder} cannot be written: {error.strerror or error}",
        details="what cannot be recorded is not done; what was done before stands",
        resolution="make room there, and run the same command again: it goes on from what is there",
    )
