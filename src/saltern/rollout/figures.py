"""How available an endpoint was, from the requests that were made: pure functions and the frozen result.

All times are seconds on a monotonic clock since the probing began, so a wall clock that jumps changes nothing.

- *Requests* and *failures*: availability is the share of good requests ("request success rate" in Google's Site
  Reliability Engineering, chapter 3), not of good seconds.
- *Longest gap*: the timestamp method of RFC 6201 (from the last good sign before to the first one after), taken so that
  it is never too short: from the start of the last good request to the end of the next good one, where at least one
  failed between. Without a failure it is 0. With none before or after it reaches to the first failure's start, or to
  the end of the probing.
- *p50, p99*: the nearest rank of the good requests' durations. *Slowest*: the greatest of them, so that a service that
  answers, but late, shows too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SHOWN = 5
"""So many failures are kept with their reasons; all of them are in the file."""


class Sample(NamedTuple):
    """One request: when it began and ended, and "" or why it failed."""

    start: float
    end: float
    failed: str = ""


class Mark(NamedTuple):
    """What the rollout does from a moment on."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request: when it began, how long it took, why it failed, and what the rollout did meanwhile."""

    at: float
    seconds: float
    reason: str
    steps: tuple[str, ...] = ()

    @classmethod
    def of(cls, sample: Sample, marks: Sequence[Mark]) -> Failure:
        """From a failed sample."""
        return cls(_rounded(sample.start), _rounded(sample.end - sample.start), sample.failed, during(sample, marks))

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"at": self.at, "seconds": self.seconds, "reason": self.reason, "steps": list(self.steps)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Failure:
        """From :meth:`as_json`."""
        return cls(raw["at"], raw["seconds"], raw["reason"], tuple(raw["steps"]))


@dataclass(frozen=True, slots=True)
class Availability:
    """Of one endpoint during one rollout; see the module's text. ``longest_gap`` and durations are in seconds."""

    name: str
    base: str
    known: bool
    """Whether it was there before. If not, it counts from its first good answer on."""
    answered: bool
    """Whether it ever gave a good answer."""
    requests: int
    failures: int
    longest_gap: float
    p50: float
    p99: float
    slowest: float
    reasons: tuple[Failure, ...] = ()
    """The first failures."""
    by_step: Mapping[str, int] = field(default_factory=dict)
    """What the rollout did → the requests that failed meanwhile."""

    @property
    def share(self) -> float:
        """The share of good requests, 0 to 1; 1 when none was made."""
        return 1 - self.failures / self.requests if self.requests else 1.0

    def as_json(self) -> dict[str, Any]:
        """As plain data, in a fixed order."""
        return {
            "name": self.name,
            "base": self.base,
            "known": self.known,
            "answered": self.answered,
            "requests": self.requests,
            "failures": self.failures,
            "longest_gap": self.longest_gap,
            "p50": self.p50,
            "p99": self.p99,
            "slowest": self.slowest,
            "reasons": [reason.as_json() for reason in self.reasons],
            "by_step": dict(self.by_step),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Availability:
        """From :meth:`as_json`."""
        reasons = tuple(Failure.from_json(one) for one in raw["reasons"])
        return cls(**{**raw, "reasons": reasons, "by_step": dict(raw["by_step"])})


def counted(samples: Sequence[Sample], *, known: bool) -> list[Sample]:
    """The samples in order of their start; of an endpoint that was not there before, those from the first good one."""
    ordered = sorted(samples)
    if known:
        return ordered
    first = next((i for i, sample in enumerate(ordered) if not sample.failed), len(ordered))
    return ordered[first:]


def longest_gap(samples: Sequence[Sample], end: float = 0) -> float:
    """Of samples in order of their start; ``end`` is when the probing ended."""
    longest, since, failing = 0.0, None, False
    for sample in samples:
        if sample.failed:
            since = sample.start if since is None else since
            failing = True
        else:
            if failing and since is not None:
                longest = max(longest, sample.end - since)
            since, failing = sample.start, False
    if failing and since is not None:
        longest = max(longest, end - since, max(sample.end for sample in samples) - since)
    return longest


def nearest_rank(durations: Sequence[float], share: float) -> float:
    """The least duration that at least ``share`` (0 to 1) of all do not exceed; 0 of none."""
    if not durations:
        return 0.0
    return sorted(durations)[max(0, math.ceil(share * len(durations)) - 1)]


def during(sample: Sample, marks: Sequence[Mark]) -> tuple[str, ...]:
    """What the rollout did while a request was open: the last mark before its end, and those since its start."""
    before = [mark.text for mark in marks if mark.at <= sample.start][-1:]
    return tuple(dict.fromkeys(before + [mark.text for mark in marks if sample.start < mark.at <= sample.end]))


def availability(
    name: str, base: str, samples: Sequence[Sample], *, known: bool, marks: Sequence[Mark] = (), end: float = 0
) -> Availability:
    """The figures of one endpoint from all of its samples."""
    found = counted(samples, known=known)
    good = [sample.end - sample.start for sample in found if not sample.failed]
    failures = [Failure.of(sample, marks) for sample in found if sample.failed]
    by_step = Counter(step for failure in failures for step in failure.steps)
    return Availability(
        name,
        base,
        known,
        answered=bool(good),
        requests=len(found),
        failures=len(failures),
        longest_gap=_rounded(longest_gap(found, end)),
        p50=_rounded(nearest_rank(good, 0.5)),
        p99=_rounded(nearest_rank(good, 0.99)),
        slowest=_rounded(max(good, default=0.0)),
        reasons=tuple(failures[:SHOWN]),
        by_step=dict(sorted(by_step.items())),
    )


def _rounded(seconds: float) -> float:
    return round(seconds, 4)
