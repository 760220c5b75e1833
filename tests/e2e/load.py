"""Constant load on the public endpoints of a cloud, from the requests that a rollout probes with.

``python -m tests.e2e.load --model examples/ha --rate 40 --seconds 60`` does it by hand and prints the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from saltern.formulas.endpoints import Endpoint
from saltern.project.compiling import compile_members
from saltern.project.context import Options, Project, open_project
from saltern.project.probing import endpoints_of
from saltern.project.revealing import Revealer
from saltern.project.workers import Bases
from saltern.rollout.availability import Availability, Prober

RATE = 24.0
USERS = 4


def endpoints(project: Project) -> tuple[Endpoint, ...]:
    """The endpoints of a model, with the values of its secrets."""
    with Bases(project) as bases:
        return endpoints_of(Revealer(project), bases, compile_members(project, bases=bases))


class Load:
    """``rate`` requests a second over all endpoints together, by ``users`` at once for each; figures as a rollout's."""

    def __init__(
        self, endpoints: Sequence[Endpoint], rate: float = RATE, *, users: int = USERS, log: Path | None = None
    ) -> None:
        assert endpoints, "there is no endpoint to put load on"
        self._prober = Prober(endpoints, interval=users * len(endpoints) / rate, users=users, log=log)
        self._begun = self._ended = 0.0

    def __enter__(self) -> Load:
        self._begun = time.monotonic()
        self._prober.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prober.__exit__(kind, error, trace)
        self._ended = time.monotonic()

    def mark(self, text: str) -> None:
        self._prober.mark(text)

    def figures(self) -> tuple[Availability, ...]:
        return self._prober.availability()

    @property
    def rate(self) -> float:
        """Requests a second that were really made: assert it, a service that hangs makes less of them."""
        seconds = (self._ended or time.monotonic()) - self._begun
        return sum(one.requests for one in self.figures()) / seconds

    def __str__(self) -> str:
        return json.dumps({"rate": self.rate, "endpoints": [one.as_json() for one in self.figures()]}, indent=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--engine", default="")
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second over all endpoints")
    parser.add_argument("--users", type=int, default=USERS, help="at once, for each endpoint")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--log", type=Path, help="a file that gets each failure as a line")
    given = parser.parse_args()
    found = endpoints(open_project(given.model, Options(engine=given.engine)))
    with Load(found, given.rate, users=given.users, log=given.log) as load:
        time.sleep(given.seconds)
    sys.stdout.write(f"{load}\n")
    return 1 if any(one.failures or not one.requests for one in load.figures()) else 0


if __name__ == "__main__":
    sys.exit(main())
