"""A balancer takes over changed configuration without a restart: under load, refused, killed, and taken back."""

from __future__ import annotations

import http.client
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from saltern.images.engine import Engine

from .driver import ROOT, Cloud, Done, eventually, free_port, substitute

USERS = 4
PAUSE = 0.04
"""Seconds between two requests of one user."""
SHOW = 'echo "show stat" | socat - UNIX-CONNECT:/run/haproxy/admin.sock'


class Users:
    """Some keep their connection, some make a new one for each request; nobody tries anything twice."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self.gap = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._use, args=(number % 2 == 0,)) for number in range(USERS)]

    def __enter__(self) -> Users:
        for thread in self._threads:
            thread.start()
        assert eventually(lambda: sum(self.answers.values()) > USERS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _use(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        last = time.monotonic()
        while not self._stop.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status == 200 and "The shop" in text:
                    self.answers[answer.headers["X-Edition"]] += 1
                    self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()
                else:
                    self.failures.append(f"{answer.status} {text[:200]}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keeps:
                connection.close()
            time.sleep(PAUSE)
        connection.close()

    def assert_served(self, *editions: str, gap: float = 2.0) -> None:
        assert not self.failures, self.failures[:5]
        assert set(self.answers) == set(editions)
        assert self.gap < gap, "seconds without an answer, on a busy machine"


@pytest.fixture(scope="module")
def balanced(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("balanced")
    shutil.copytree(ROOT / "tests/e2e/balanced", folder / "model")
    shutil.copytree(ROOT / "tests/e2e/formulas", folder / "formulas")
    name, port = f"e2e-balanced-{engine.name}", free_port()
    substitute(folder / "model/saltern.yml", "cloud: balanced", f"cloud: {name}")
    substitute(folder / "model/nodes/lb.yml", "127.0.0.1:18000", f"127.0.0.1:{port}")
    cloud = Cloud(name, folder / "model", folder / "state", engine, {"shop": port})
    cloud.clean()
    try:
        cloud.saltern("up", "--json")
        yield cloud
    finally:
        cloud.clean()


def edition(cloud: Cloud, old: str, new: str) -> None:
    substitute(cloud.model / "nodes/lb.yml", f"X-Edition {old}", f"X-Edition {new}")


def steps(done: Done) -> list[str]:
    return [step["key"] for step in done.json["steps"]]


def answers(cloud: Cloud) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.ports["shop"], timeout=10)
    connection.request("GET", "/")
    found = connection.getresponse().headers["X-Edition"]
    connection.close()
    return str(found)


def test_changed_configuration_costs_no_request_and_no_container(balanced: Cloud) -> None:
    before = balanced.processes()
    edition(balanced, "first", "second")
    plan = balanced.saltern("plan", "--json")
    assert steps(plan) == ["reload:lb", "verify:lb"]
    assert {one["workload"]: one["effect"] for one in plan.json["impacts"]} == {"lb": "reloaded", "web": "untouched"}
    [file] = plan.json["files"]
    assert file["path"] == "/etc/haproxy/haproxy.cfg"
    assert "+\thttp-response set-header X-Edition second" in file["diff"]
    with Users(balanced.ports["shop"]) as users:
        balanced.saltern("apply", "--yes", "--json")
    users.assert_served("first", "second")
    assert answers(balanced) == "second"
    assert balanced.processes() == before
    assert steps(balanced.saltern("plan", "--json")) == []


def test_a_reload_knows_the_servers_at_once_and_they_can_be_rolled(balanced: Cloud) -> None:
    edition(balanced, "second", "third")
    substitute(balanced.model / "classes/app/shop.yml", "  nginx:\n", "  nginx:\n    worker_connections: 600\n")
    assert steps(balanced.saltern("plan", "--json"))[0] == "reload:lb"
    with Users(balanced.ports["shop"]) as users:
        balanced.saltern("apply", "--yes", "--json")
    users.assert_served("second", "third")


def test_again_and_again_under_load(balanced: Cloud) -> None:
    tell = ("exec", f"{balanced.name}-lb", "/usr/local/bin/haproxy-server")
    with Users(balanced.ports["shop"]) as users:
        for _ in range(10):
            balanced.call(*tell, "reload")
    users.assert_served("third")
    balanced.call(*tell, "drain", "shop/web-1")
    with Users(balanced.ports["shop"]) as users:
        balanced.call(*tell, "reload")
    users.assert_served("third")
    shown = balanced.call("exec", f"{balanced.name}-lb", "sh", "-c", SHOW).splitlines()
    assert [line.split(",")[17] for line in shown if line.startswith("shop,web-")] == ["DRAIN", "UP"]
    balanced.call(*tell, "enable", "shop/web-1")


@contextmanager
def refused(cloud: Cloud, old: str, new: str, why: str) -> Iterator[None]:
    """A change of the balancer that is not carried out, for a reason that the operator is shown; then taken back."""
    before, file = cloud.processes()["lb"], cloud.model / "nodes/lb.yml"
    original = file.read_text()
    substitute(file, old, new)
    try:
        done = cloud.saltern("apply", "--yes", code=None)
        assert done.code != 0
        assert "nothing was changed" in done.stderr
        assert why in done.stderr
        yield
    finally:
        file.write_text(original)
    assert steps(cloud.saltern("plan", "--json")) == ["verify:lb"]  # its gate was not made
    cloud.saltern("apply", "--yes")
    assert steps(cloud.saltern("plan", "--json")) == []
    assert cloud.processes()["lb"] == before


def test_a_configuration_that_the_check_refuses_changes_nothing(balanced: Cloud) -> None:
    change = "X-Edition third", 'X-Edition bad", "no such words'
    with Users(balanced.ports["shop"]) as users, refused(balanced, *change, "unknown keyword 'such'"):
        balanced.call("restart", "--time", "0", f"{balanced.name}-web-1")
    users.assert_served("third", gap=5)  # who asked the one that was killed waits until a connection is given up


def test_an_address_that_cannot_be_bound_changes_nothing(balanced: Cloud) -> None:
    """`haproxy -c` would not find it, and in a reload it stops the old worker from listening."""
    binds = "binds: [{port: 8000}", 'binds: [{port: 8000}, {port: 8001, address: "192.0.2.1"}'
    with Users(balanced.ports["shop"]) as users, refused(balanced, *binds, "cannot bind socket"):
        pass
    users.assert_served("third")


def test_killed_while_it_reloads_the_next_apply_goes_on(balanced: Cloud) -> None:
    edition(balanced, "third", "fourth")
    seen = set()
    with Users(balanced.ports["shop"]) as users:
        for delay in (0.0, 1.0, 2.0, 3.0, 4.0):
            with balanced.started("apply", "--yes") as running:
                if running.wait_for(lambda e: e["stage"] == "reload" and e["state"] == "started"):
                    time.sleep(delay)
                    running.kill()
            seen.add(tuple(steps(balanced.saltern("plan", "--json"))))
        balanced.saltern("apply", "--yes", "--json")
    assert ("reload:lb", "verify:lb") in seen, seen
    users.assert_served("third", "fourth")
    assert answers(balanced) == "fourth"
    assert steps(balanced.saltern("plan", "--json")) == []


def test_the_way_back_is_a_reload(balanced: Cloud) -> None:
    before = balanced.processes()
    with Users(balanced.ports["shop"]) as users:
        balanced.saltern("rollback", "--yes", "--json")
    users.assert_served("fourth", "third")
    assert balanced.processes() == before
    edition(balanced, "fourth", "third")
    assert steps(balanced.saltern("plan", "--json")) == []


def test_a_container_that_starts_has_what_was_taken_over(balanced: Cloud) -> None:
    balanced.call("restart", f"{balanced.name}-lb")
    assert eventually(lambda: balanced.saltern("status", "--json", code=None).code == 0)
    assert answers(balanced) == "third"
    balanced.saltern("down")
    edition(balanced, "third", "fifth")
    balanced.saltern("up", "--json")
    assert answers(balanced) == "fifth"
    assert steps(balanced.saltern("plan", "--json")) == []
    assert Path(balanced.own_state / "live/lb").is_dir()
    balanced.saltern("down", "--volumes")
    assert not Path(balanced.own_state / "live").exists()
