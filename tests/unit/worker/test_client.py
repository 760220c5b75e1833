"""The client over a fake pipe."""

from __future__ import annotations

import json

import pytest

from saltern.base.errors import FormulaError
from saltern.base.process import Completed
from saltern.formulas.worker import Context, Worker


class FakePipe:
    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []

    def send(self, line: str) -> None:
        self.sent.append(line)

    def receive(self) -> str | None:
        return self.answers.pop(0)

    def close(self) -> Completed:
        return Completed(("worker",), 137, "", "first\nKilled")


def test_a_dead_worker_is_told_with_its_last_words_and_started_again() -> None:
    answer = json.dumps({"id": 2, "ok": True, "low": [], "metadata": {}})
    pipes = [FakePipe(None), FakePipe(answer)]
    worker = Worker(lambda: pipes.pop(0))
    with pytest.raises(FormulaError) as caught:
        worker.compile(Context("n", {}), ["a"])
    assert "137" in caught.value.problems[0].brief
    assert "Killed" in caught.value.problems[0].details
    assert worker.compile(Context("n", {}), ["a"]).chunks == ()


def test_noise_instead_of_an_answer() -> None:
    worker = Worker(lambda: FakePipe("Segmentation fault"))
    with pytest.raises(FormulaError) as caught:
        worker.compile(Context("n", {}), ["a"])
    assert "Segmentation fault" in caught.value.problems[0].details
