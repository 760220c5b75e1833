from __future__ import annotations

import threading

import pytest

from saltern.base.threads import side_by_side


def test_results_come_in_the_order_of_the_things() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(thing: int, _number: int) -> int:
        if thing < 2:
            both.wait()  # so that two threads have one each
        return thing * 2

    assert side_by_side(work, list(range(5)), 2) == [0, 2, 4, 6, 8]


def test_each_thread_says_its_number() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(_thing: str, number: int) -> int:
        both.wait()
        return number

    assert sorted(side_by_side(work, ["a", "b"], 2)) == [0, 1]


def test_an_exception_ends_the_work() -> None:
    begun: list[int] = []

    def work(thing: int, _number: int) -> int:
        begun.append(thing)
        raise KeyError(thing)

    with pytest.raises(KeyError):
        side_by_side(work, list(range(100)), 1)
    assert begun == [0]


def test_nothing_to_do() -> None:
    assert side_by_side(lambda thing, _number: thing, [], 2) == []
