"""What runs, as plans see it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from saltern.images.engine import Container
from saltern.plan.steps import Act, Running, Step, Steps, Taken
from saltern.project.world import fingerprint, is_free, leaving, lost_data, processes, published
from saltern.targets.compose import LABEL_HASH, LABEL_PUBLISH, LABEL_ROLE
from saltern.targets.live import parted
from tests.unit.plan.revisions import record, revision


def container(name: str, **more: Any) -> Container:
    known = {"image": "i", "state": "running", "exit_code": 0, "labels": {LABEL_HASH: "h1", LABEL_ROLE: "process"}}
    return Container(**{"id": f"id-{name}", "name": name, **known, **more})


WEB = container("lab-web")
WORLD = Running((container("lab-db"), WEB), frozenset({"lab-db-before-1"}))


@pytest.mark.parametrize(
    "other",
    [
        Running((container("lab-db"), replace(WEB, state="exited")), WORLD.done),
        Running((container("lab-db"), replace(WEB, id="another")), WORLD.done),
        Running((container("lab-db"), replace(WEB, labels={LABEL_HASH: "h2"})), WORLD.done),
        Running((container("lab-db"), replace(WEB, name="lab-web-1")), WORLD.done),
        Running((container("lab-db"),), WORLD.done),
        Running(WORLD.containers, frozenset()),
        Running(WORLD.containers, WORLD.done, taken={"lab-web": Taken("c1")}),
    ],
    ids=["state", "another container", "made from something else", "name", "gone", "a job", "configuration"],
)
def test_another_world_has_another_fingerprint(other: Running) -> None:
    assert fingerprint(other) != fingerprint(WORLD)


def test_what_does_not_matter_for_a_plan() -> None:
    other = replace(WEB, started_at="later", address="10.0.0.9", image="tag", labels={**WEB.labels, "x": "y"})
    assert fingerprint(Running((container("lab-db"), other), WORLD.done)) == fingerprint(WORLD)


WANTED: dict[str, set[str]] = {"db": {"lab-db-data"}, "web": set()}
OLD = revision(record("db", volumes=("lab-db-data", "lab-db-of-before")), record("other", volumes=("lab-other-data",)))


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        (Running((WEB,), frozenset()), {"db": ("lab-db-data",)}),
        (Running((), frozenset({"lab-db-after-1"})), {"db": ("lab-db-data",)}),
        (Running((), frozenset(), {"lab-db-after-1": "gone"}), {"db": ("lab-db-data",)}),
        (Running((WEB,), frozenset(), volumes=frozenset({"lab-db-data"})), {}),
        (Running((), frozenset()), {}),
    ],
    ids=[
        "a container is left",
        "a done job is left",
        "a job that counts no more is left",
        "it is there",
        "all is gone",
    ],
)
def test_lost_data(running: Running, expected: dict[str, tuple[str, ...]]) -> None:
    assert lost_data(OLD, WANTED, running) == expected
    assert lost_data(None, WANTED, running) == {}


def test_processes_are_no_jobs() -> None:
    job = container("lab-db-before-1", labels={LABEL_HASH: "h2", LABEL_ROLE: "job"})
    assert processes((WEB, job), {}) == {"lab-web": "h1"}


def test_what_a_process_took_over_is_part_of_what_it_runs_with() -> None:
    assert processes((WEB,), {"lab-web": Taken("c1", "c2")}) == {"lab-web": "h1/c1"}
    assert parted("h1/c1") == ("h1", "c1")
    assert parted("h1") == ("h1", "")


def test_addresses_of_what_is_removed_first() -> None:
    labels = {LABEL_PUBLISH: json.dumps([{"address": "127.0.0.1:80"}, {"address": "127.0.0.1:81"}])}
    old = replace(WEB, labels=labels)
    assert published(old) == ("127.0.0.1:80", "127.0.0.1:81")
    removal = Step(Act.REMOVE, "web", "", "lab-web", "gone")
    running = Running((old, container("lab-db")), frozenset())
    assert leaving(running, Steps((), (removal,))) == {"127.0.0.1:80", "127.0.0.1:81"}
    assert leaving(running, Steps((), (), (removal,))) == set(), "it goes when all else is done"


def test_a_port_is_free_or_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)
