"""What is remembered of a commit, and what comes next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.base.errors import ModelError, Place, Problem
from saltern.plan.following import MESSAGE, Next, State, Status, failed, next_of, told

DONE = Status("c1", State.DONE, approval="p1")


@pytest.mark.parametrize(
    ("status", "tip", "approval", "wanted"),
    [
        (None, "c1", "", Next.LOOK),
        (DONE, "c1", "p1", Next.NOTHING),
        (DONE, "c1", "p2", Next.NOTHING),
        (DONE, "c2", "p1", Next.LOOK),
        (replace(DONE, state=State.WAITING), "c1", "p1", Next.NOTHING),
        (replace(DONE, state=State.WAITING), "c1", "p2", Next.LOOK),
        (replace(DONE, state=State.WAITING), "c2", "p1", Next.LOOK),
        (replace(DONE, state=State.FAILED), "c1", "p1", Next.NOTHING),
        (replace(DONE, state=State.FAILED), "c1", "p2", Next.LOOK),
        (replace(DONE, state=State.FAILED), "c2", "p1", Next.LOOK),
        (replace(DONE, state=State.HELD), "c1", "p1", Next.NOTHING),
        (replace(DONE, state=State.HELD), "c2", "p1", Next.LOOK),
        (replace(DONE, state=State.APPLYING), "c1", "p1", Next.RESUME),
        (replace(DONE, state=State.APPLYING), "c2", "p2", Next.RESUME),
    ],
)
def test_what_comes_next(status: Status | None, tip: str, approval: str, wanted: Next) -> None:
    assert next_of(status, tip, approval) is wanted


TEXT = st.text(max_size=8)
COUNT = st.integers(0, 9)


@given(st.builds(Status, TEXT, st.sampled_from(State), TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, COUNT, COUNT))
def test_a_status_is_texts_and_back(status: Status) -> None:
    data = status.as_data()
    assert all(isinstance(text, str) for text in data.values())
    assert Status.of_data(data | {"since": "now"}) == status


@pytest.mark.parametrize(
    "data", [{}, {"state": "lost"}, {"state": "done", "attempts": "many"}, {"state": "done", "after": "x"}]
)
def test_what_is_damaged_is_forgotten(data: dict[str, str]) -> None:
    assert Status.of_data(data) is None


def test_a_message_has_places_and_the_way_out_and_no_details() -> None:
    one = Problem("wrong", (Place("nodes/a.yml", 3), Place("b.yml")), "a log with s3cret", "try\n  rolled back: r1")
    error = ModelError([Problem("first"), one])
    assert told(error) == "first; wrong (nodes/a.yml:3); rolled back: r1"
    assert failed(DONE, error) == replace(DONE, state=State.FAILED, message=told(error))
    assert len(told(ModelError([one] * 1000))) == MESSAGE
