"""Watches public endpoints from the start of a rollout to its end, beside it, and never disturbs it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from saltern.formulas.endpoints import Endpoint
from saltern.rollout.figures import Availability, Failure, Mark, Sample, availability
from saltern.rollout.user import Session, User

__all__ = ["Availability", "Prober", "Watched"]

INTERVAL = 0.2
"""Seconds from the start of one request to that of the next; a slow one delays the next, and none is made up for."""
END_SECONDS = 0.8
"""So long an open request may take to end when the probing ends; one without an answer then does not count."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An endpoint, and whether it was there before the rollout: if not, it counts from its first good answer on."""

    endpoint: Endpoint
    known: bool = True


@dataclass
class _Watch:
    watched: Watched
    samples: list[Sample] = field(default_factory=list)
    counts: bool = False
    session: Session = field(default_factory=Session)


class Prober:
    """A context manager: ``users`` threads per endpoint ask from entry to exit. No method raises.

    Each failure is a line of JSON at the end of ``log``, with the endpoint's name and what :class:`Failure` says;
    of an endpoint that was not known only those that count.
    """

    def __init__(
        self,
        endpoints: Iterable[Watched | Endpoint],
        *,
        log: Path | None = None,
        interval: float = INTERVAL,
        users: int = 1,
    ) -> None:
        given = (Watched(one) if isinstance(one, Endpoint) else one for one in endpoints)
        self._watches = [_Watch(one) for one in given]
        self._log = log
        self._interval = interval
        self._users = users
        self._marks: list[Mark] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._begun = time.monotonic()
        self._ended: float | None = None

    def __enter__(self) -> Prober:
        self._begun = time.monotonic()
        for watch in self._watches:
            for number in range(self._users):
                thread = threading.Thread(target=self._watch, args=(watch, number), name="saltern-probe", daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread can be started: then there are no figures
                    thread.start()
                    self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            self._ended = self._now()

    def mark(self, text: str) -> None:
        """Say what the rollout does from now on; failures are told with it."""
        self._marks.append(Mark(self._now(), text))

    def availability(self) -> tuple[Availability, ...]:
        """The figures so far, of each endpoint, in the order given; also while it works."""
        with self._lock:
            end = self._now() if self._ended is None else self._ended
            taken = [(watch.watched, list(watch.samples)) for watch in self._watches]
        return tuple(_figures(watched, samples, self._marks, end) for watched, samples in taken)

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _watch(self, watch: _Watch, number: int) -> None:
        """The body of one thread; users of one endpoint begin one after the other within an interval."""
        delay = number * self._interval / self._users
        if delay and self._stop.wait(delay):
            return
        with contextlib.suppress(Exception), User(watch.watched.endpoint, watch.session, self._now) as user:
            first = self._now()
            while not self._stop.is_set():
                sample = user.ask()
                if sample is not None and not self._keep(watch, sample):
                    return
                turns = (self._now() - first) // self._interval + 1
                self._stop.wait(max(0.0, first + turns * self._interval - self._now()))

    def _keep(self, watch: _Watch, sample: Sample) -> bool:
        """Whether the probing still goes on; a sample that comes later would change figures that were told."""
        with self._lock:
            if self._ended is not None:
                return False
            watch.samples.append(sample)
            watch.counts |= watch.watched.known or not sample.failed
            if sample.failed and watch.counts:
                self._tell(watch.watched.endpoint.name, Failure.of(sample, self._marks))
        return True

    def _tell(self, name: str, failure: Failure) -> None:
        if self._log is None:
            return
        line = json.dumps({"endpoint": name, **failure.as_json()}, ensure_ascii=False)
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:  # a full disk stops nothing
            file.write(f"{line}\n")


def _figures(watched: Watched, samples: Sequence[Sample], marks: Sequence[Mark], end: float) -> Availability:
    endpoint = watched.endpoint
    return availability(endpoint.name, endpoint.base, samples, known=watched.known, marks=marks, end=end)
