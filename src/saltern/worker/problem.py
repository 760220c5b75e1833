"""Errors as data: brief, file, line, details; collected, so that all of them can be told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; ``file`` is relative to its formula's root where it lies in one, ``line`` from 1."""

    brief: str
    file: str = ""
    line: int = 0
    details: str = ""


class Problems(Exception):  # noqa: N818 - it carries several
    """Why a request could not be done."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(problem.brief for problem in self.problems))

    def as_json(self) -> list[dict[str, Any]]:
        """The problems as JSON types."""
        return [asdict(problem) for problem in self.problems]
