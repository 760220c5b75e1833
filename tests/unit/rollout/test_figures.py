"""The figures of availability, against their definitions."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.rollout.figures import (
    SHOWN,
    Availability,
    Mark,
    Sample,
    availability,
    counted,
    during,
    longest_gap,
    nearest_rank,
)


def sequence(*parts: tuple[float, float, bool]) -> list[Sample]:
    """From (pause before, duration, good)."""
    now, found = 0.0, []
    for pause, duration, good in parts:
        found.append(Sample(now + pause, now + pause + duration, "" if good else "refused"))
        now = found[-1].end
    return found


times = st.integers(0, 40).map(lambda n: n / 8)
sequences = st.lists(st.tuples(times, times, st.booleans()), max_size=12).map(lambda parts: sequence(*parts))


def test_one_failure_between_two_successes() -> None:
    samples = [Sample(0.0, 0.1), Sample(0.2, 0.3, "refused"), Sample(0.4, 0.5)]
    assert longest_gap(samples, 0.6) == pytest.approx(0.5)


def test_a_slow_failure_counts_from_its_start() -> None:
    samples = [Sample(0.0, 0.1), Sample(0.2, 5.2, "no answer"), Sample(5.2, 5.3)]
    assert longest_gap(samples, 5.4) == pytest.approx(5.3)


def test_the_longest_of_several_gaps() -> None:
    samples = [Sample(0, 0.1), Sample(1, 1.1, "x"), Sample(2, 2.1), Sample(3, 3, "x"), Sample(4, 4, "x"), Sample(5, 5)]
    assert longest_gap(samples, 9) == pytest.approx(3)


def test_an_outage_that_does_not_end_lasts_until_the_end() -> None:
    assert longest_gap([Sample(0, 0.1), Sample(1, 1.1, "x")], 7.0) == 7.0


def test_an_outage_from_the_beginning_begins_with_its_first_failure() -> None:
    assert longest_gap([Sample(1, 2, "x"), Sample(3, 4)], 9) == 3


def test_a_slow_success_is_no_gap_but_the_slowest() -> None:
    found = availability("a", "http://a", [Sample(0, 0.1), Sample(1, 4)], known=True, end=4)
    assert (found.longest_gap, found.slowest) == (0.0, 3.0)


@given(sequences, times)
def test_gap_is_the_longest_between_two_successes_that_contains_a_failure(samples: list[Sample], more: float) -> None:
    end = max([s.end for s in samples], default=0.0) + more
    # every way to choose a good sample, or nothing, on both sides of failures
    spans = [0.0]
    for i in range(-1, len(samples)):
        for j in range(i + 2, len(samples) + 1):
            inside = samples[i + 1 : j]
            whole = (i < 0 or not samples[i].failed) and (j == len(samples) or not samples[j].failed)
            if whole and all(s.failed for s in inside):
                since = samples[i].start if i >= 0 else inside[0].start
                spans.append((samples[j].end if j < len(samples) else end) - since)
    assert longest_gap(samples, end) == pytest.approx(max(spans))


@given(sequences, st.data())
def test_one_more_failure_never_makes_the_gap_shorter(samples: list[Sample], data: st.DataObject) -> None:
    end = max([s.end for s in samples], default=0.0)
    before = longest_gap(samples, end)
    if samples:
        index = data.draw(st.integers(0, len(samples) - 1))
        samples[index] = samples[index]._replace(failed="refused")
    assert longest_gap(samples, end) >= before


@given(sequences)
def test_no_gap_exactly_without_failures(samples: list[Sample]) -> None:
    gap = longest_gap(samples, max([s.end for s in samples], default=0.0) + 1)
    assert (gap > 0) == any(s.failed for s in samples)


@given(sequences, st.booleans())
def test_what_counts(samples: list[Sample], known: bool) -> None:
    found = counted(list(reversed(samples)), known=known)
    if known:
        assert found == sorted(samples)
    else:
        assert all(s.failed for s in samples) == (not found)
        assert not found or not found[0].failed
        assert [s for s in samples if not s.failed] == [s for s in found if not s.failed]


@given(st.lists(times, min_size=1), st.floats(0.01, 1))
def test_nearest_rank(durations: list[float], share: float) -> None:
    got = nearest_rank(durations, share)
    assert got in durations
    assert sum(d <= got for d in durations) >= share * len(durations)
    assert sum(d < got for d in durations) < share * len(durations)


def test_what_the_rollout_did_during_a_request() -> None:
    marks = [Mark(0, "one"), Mark(5, "two"), Mark(6, "three")]
    assert during(Sample(1, 2), marks) == ("one",)
    assert during(Sample(4, 5.5), marks) == ("one", "two")
    assert during(Sample(5.5, 7), marks) == ("two", "three")
    assert during(Sample(-1, -0.5), marks) == ()


@given(sequences, st.lists(times, max_size=4), st.booleans())
def test_figures_agree_and_survive_json(samples: list[Sample], marks: list[float], known: bool) -> None:
    told = [Mark(at, f"step {n}") for n, at in enumerate(sorted(marks))]
    found = availability("a", "http://a", samples, known=known, marks=told, end=100)
    assert Availability.from_json(json.loads(json.dumps(found.as_json()))) == found
    assert found.failures <= found.requests
    assert len(found.reasons) == min(found.failures, SHOWN)
    assert found.p50 <= found.p99 <= found.slowest
    assert found.answered == any(not s.failed for s in samples)
    assert 0 <= found.share <= 1
    assert all(earlier.at <= later.at for earlier, later in pairwise(found.reasons))
