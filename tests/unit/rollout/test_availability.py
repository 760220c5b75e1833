"""The prober against a server on loopback that fails on command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.formulas.endpoints import Request
from saltern.rollout import user
from saltern.rollout.availability import Availability, Prober, Watched
from tests.e2e.load import Load

from .server import PASSWORD, Behaviour, endpoint, free_port, serving

FAST = 0.02
PATIENCE = 10.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def only(prober: Prober) -> Availability:
    (found,) = prober.availability()
    return found


def test_a_healthy_service() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port:
        with Prober([endpoint(port)], interval=FAST) as prober:
            until(lambda: only(prober).requests >= 10)
        found = only(prober)
    assert (found.name, found.base) == ("things", f"http://127.0.0.1:{port}/v1")
    assert (found.failures, found.longest_gap, found.reasons, found.by_step) == (0, 0.0, (), {})
    assert 0 < found.p50 <= found.p99 <= found.slowest
    gets = [one for one in behaviour.seen if one[0] == "GET"]
    assert {one[:3] for one in gets} == {("GET", "/v1/things?limit=2", "token-1")}
    assert len([one for one in behaviour.seen if one[0] == "POST"]) == 1
    assert json.loads(behaviour.bodies[0]) == {"password": PASSWORD}


def test_half_of_the_requests_open_a_connection() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        until(lambda: only(prober).requests >= 12)
    ports = [one[3] for one in behaviour.seen]
    kept = max(ports.count(one) for one in set(ports))
    assert abs(kept - len(ports) / 2) <= 1
    assert len(set(ports)) >= len(ports) / 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [(503, "GET /things: status 503"), (0, "GET /things: Server disconnected without sending a response.")],
)
def test_an_outage(status: int, reason: str, tmp_path: Path) -> None:
    behaviour, log = Behaviour(), tmp_path / "failures.jsonl"
    with serving(behaviour) as port, Prober([endpoint(port)], log=log, interval=FAST) as prober:
        prober.mark("step 1: nothing")
        until(lambda: only(prober).requests >= 3)
        prober.mark("step 2: the replica goes")
        begun = time.monotonic()
        behaviour.status = status
        until(lambda: only(prober).failures >= 8)
        behaviour.status = 200
        outage = time.monotonic() - begun
        prober.mark("step 3: it is back")
        good = only(prober).requests - only(prober).failures
        until(lambda: only(prober).requests - only(prober).failures > good + 3)
    found = only(prober)
    assert found.longest_gap >= outage - 3 * FAST - 0.1
    assert found.longest_gap <= outage + 1
    assert found.reasons[0].reason == reason
    assert found.reasons[0].steps[-1] == "step 2: the replica goes"
    assert found.by_step["step 2: the replica goes"] >= 7
    assert "step 1: nothing" not in found.by_step or found.by_step["step 1: nothing"] <= 1
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == found.failures
    assert lines[0] == {"endpoint": "things", **found.reasons[0].as_json()}


def test_an_endpoint_that_is_new_counts_from_its_first_answer(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "failures.jsonl"
    with Prober([Watched(endpoint(port), known=False)], log=log, interval=FAST) as prober:
        time.sleep(5 * FAST)
        assert (only(prober).requests, only(prober).answered) == (0, False)
        behaviour = Behaviour()
        with serving(behaviour, port):
            until(lambda: only(prober).requests >= 3)
            assert only(prober).failures == 0
            behaviour.status = 500
            until(lambda: only(prober).failures >= 1)
    assert len(log.read_text().splitlines()) == only(prober).failures


def test_an_endpoint_that_was_there_counts_from_the_start() -> None:
    with Prober([endpoint(free_port())], interval=FAST) as prober:
        until(lambda: only(prober).failures >= 3)
    found = only(prober)
    assert (found.requests, found.answered) == (found.failures, False)
    assert found.reasons[0].reason == "POST /tokens: [Errno 111] Connection refused"
    assert found.longest_gap >= 2 * FAST


def test_a_refused_token_is_a_failure_and_makes_a_new_session() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        until(lambda: only(prober).requests >= 3)
        behaviour.token = "token-2"
        until(lambda: ("GET", "token-2") in {(one[0], one[2]) for one in behaviour.seen})
        until(lambda: only(prober).requests >= 10)
    assert [one.reason for one in only(prober).reasons] == ["GET /things: status 401"]


def test_a_session_is_renewed_before_it_ends_and_used_on_when_that_fails() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port, Prober([replace(endpoint(port), renew=0.05)], interval=FAST) as prober:
        until(lambda: len(behaviour.bodies) >= 3)
    assert only(prober).failures == 0
    behaviour = Behaviour()
    login = free_port()
    issue = replace(endpoint(0).session[0], path=f"http://127.0.0.1:{login}/tokens")
    with serving(behaviour) as port:
        with serving(behaviour, login):
            prober = Prober([endpoint(port, session=(issue,), renew=0.05)], interval=FAST)
            prober.__enter__()
            until(lambda: only(prober).requests >= 3)
        asked = only(prober).requests
        until(lambda: only(prober).requests >= asked + 5)
        prober.__exit__(None, None, None)
    assert only(prober).failures == 0


def test_a_refused_login_is_not_tried_several_times_a_second() -> None:
    behaviour = Behaviour(status=403)
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        time.sleep(0.4)
    assert len(behaviour.bodies) == 1
    assert only(prober).reasons[0].reason == "POST /tokens: status 403"


def test_a_password_that_is_not_set_yet_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user, "REFUSED_SECONDS", 0.05)
    behaviour = Behaviour(status=401)
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        until(lambda: len(behaviour.bodies) >= 3)
        assert only(prober).requests == 0
        behaviour.status = 200
        until(lambda: only(prober).requests >= 3)
        assert only(prober).failures == 0
        behaviour.status, behaviour.token = 401, "revoked"
        until(lambda: only(prober).failures >= 2)  # who was let in before is refused now
    assert only(prober).reasons[1].reason == "POST /tokens: status 401"


def test_an_expensive_request_is_made_now_and_then() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port:
        one = endpoint(port)
        with Prober(
            [replace(one, requests=(replace(one.session[0], every=60), *one.requests))], interval=FAST
        ) as prober:
            until(lambda: only(prober).requests >= 8)
    assert len(behaviour.bodies) == 2  # the session, and one request


def test_a_service_that_hangs_delays_neither_rollout_nor_end() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port:
        with Prober([endpoint(port)], interval=FAST) as prober:
            until(lambda: only(prober).requests >= 2)
            behaviour.hang.set()
            time.sleep(0.1)
            begun = time.monotonic()
            prober.mark("not held up")
            assert time.monotonic() - begun < 0.1
            begun = time.monotonic()
        assert time.monotonic() - begun < 1
        found = only(prober)
        behaviour.hang.clear()
        time.sleep(0.1)
        assert only(prober) == found  # what comes after the end changes nothing


def test_a_slow_service_is_seen_in_its_durations() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        until(lambda: only(prober).requests >= 2)
        behaviour.delay = 0.3
        until(lambda: only(prober).slowest >= 0.3)
        behaviour.delay = 0
    assert (only(prober).failures, only(prober).longest_gap) == (0, 0.0)


def test_clock_jumps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    behaviour = Behaviour()
    with serving(behaviour) as port, Prober([endpoint(port)], interval=FAST) as prober:
        until(lambda: only(prober).requests >= 2)
        monkeypatch.setattr(time, "time", lambda: 4e9)
        asked = only(prober).requests
        until(lambda: only(prober).requests >= asked + 3)
    assert only(prober).slowest < 5


def test_a_log_that_cannot_be_written_disturbs_nothing(tmp_path: Path) -> None:
    with Prober([endpoint(free_port())], log=tmp_path / "no" / "folder", interval=FAST) as prober:
        until(lambda: only(prober).failures >= 2)


def test_no_secret_in_reasons(tmp_path: Path) -> None:
    log = tmp_path / "log"
    bad = Request("GET", "/x", headers={"X-Key": f"{PASSWORD}\n{PASSWORD}"})
    unsendable = Request("GET", "/x", headers={"X-Key": f"{PASSWORD}ü"})
    with (
        serving(Behaviour()) as port,
        Prober([endpoint(port, requests=(bad, unsendable))], log=log, interval=FAST) as prober,
    ):
        until(lambda: only(prober).failures >= 4)
    assert PASSWORD not in log.read_text()
    assert PASSWORD not in json.dumps(only(prober).as_json())


def test_several_endpoints_in_order_and_none() -> None:
    with (
        serving(Behaviour()) as port,
        Prober([endpoint(port), replace(endpoint(port), name="others")], interval=FAST) as prober,
    ):
        until(lambda: all(one.requests for one in prober.availability()))
    assert [one.name for one in prober.availability()] == ["things", "others"]
    with Prober([]) as empty:
        empty.mark("alone")
    assert empty.availability() == ()


def test_load_of_many_users() -> None:
    behaviour = Behaviour(delay=0.05)
    with serving(behaviour) as port, Load([endpoint(port), replace(endpoint(port), name="others")], rate=40) as load:
        time.sleep(2.0)
    assert 5 < load.rate <= 45  # how many more depends on the machine
    assert [one.failures for one in load.figures()] == [0, 0]
    assert len(behaviour.bodies) == 2  # the users of an endpoint share its session
    assert len({one[3] for one in behaviour.seen}) > 8
