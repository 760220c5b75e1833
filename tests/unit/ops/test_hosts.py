"""What the commands of a formula tell, as events and as a result."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from saltern.base.errors import Problem, RolloutError
from saltern.base.events import Event, State
from saltern.base.process import Completed
from saltern.images.engine import Runtime
from saltern.ops.hosts import Guest, Host, Told, ask

HOST = {"kind": "host", "host": "kvm1", "enabled": False, "up": True, "reason": "a disk", "guests": 2, "running": 1}
GUEST = {"guest": "web", "id": "1-2", "did": "stopped", "status": "SHUTOFF", "host": "kvm1", "seconds": 1.5}


def lines(*told: dict[str, Any] | str) -> str:
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in told)


@dataclass
class Said:
    """A runtime whose containers say ``stdout`` and then ``stderr``."""

    stdout: str
    stderr: str = ""
    code: int = 0
    asked: list[tuple[str, tuple[str, ...], dict[str, str]]] = field(default_factory=list)

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> Completed:
        self.asked.append((container, tuple(argv), dict(environment)))
        for line in (self.stdout + self.stderr).splitlines():
            on_line(line)
        return Completed(tuple(argv), self.code, self.stdout, self.stderr)


def told(said: Said) -> tuple[Told, list[Event]]:
    events: list[Event] = []
    return ask(cast("Runtime", said), "lab-nova-api", ("drain",), {"SALTERN_HOST": "kvm1"}, events.append), events


def test_what_is_told_becomes_events_and_a_result() -> None:
    failed = {**GUEST, "guest": "db", "did": "left", "problem": "No valid host was found."}
    said = Said(
        lines(
            {"kind": "begun", "subject": "web", "text": "1-2"},
            {"kind": "progress", "subject": "web", "text": "powering-off"},
            {"kind": "guest", **GUEST},
            {"kind": "guest", **failed},
            HOST,
        )
    )
    found, events = told(said)
    assert found.hosts == (Host("kvm1", enabled=False, up=True, reason="a disk", guests=2, running=1),)
    assert found.guests == (Guest(**GUEST), Guest(**failed))  # type: ignore[arg-type]
    assert not found.complete
    assert events == [
        Event("host", "web", State.STARTED, "1-2"),
        Event("host", "web", State.PROGRESS, "powering-off"),
        Event("host", "web", State.DONE, "stopped, SHUTOFF", 1.5),
        Event("host", "db", State.FAILED, "No valid host was found.", 1.5),
    ]
    assert said.asked == [("lab-nova-api", ("drain",), {"SALTERN_HOST": "kvm1"})]


def test_other_lines_are_left_alone() -> None:
    found, events = told(Said(lines("a warning", "[1]", "{}", '{"kind": "else"}', '{"kind": []}', HOST), "7\n"))
    assert (len(found.hosts), found.guests, events, found.complete) == (1, (), [], True)


@pytest.mark.parametrize("code", [0, 1])
def test_a_problem_is_an_error_whatever_the_code(code: int) -> None:
    with pytest.raises(RolloutError) as caught:
        told(Said(lines({"kind": "problem", "brief": "no other", "resolution": "stop them"}), code=code))
    assert caught.value.problems == (Problem("no other", resolution="stop them"),)


def test_a_command_that_fails_shows_what_it_said() -> None:
    with pytest.raises(RolloutError, match="exit code 137") as caught:
        told(Said(lines(HOST), "Traceback\nKeyError\n", code=137))
    assert caught.value.problems[0].details == "Traceback\nKeyError"


def test_a_line_that_lacks_something_is_told() -> None:
    with pytest.raises(RolloutError, match="a line says not what it should"):
        told(Said(lines({"kind": "guest", "guest": "web"})))
