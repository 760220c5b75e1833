"""Replicas behind balancers: out before they go, back when they are ready, and what is said when that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from saltern.formulas.metadata import Balancer
from saltern.images.engine import Container, Engine
from saltern.rollout import balancing
from saltern.rollout.balancing import Balancers
from saltern.targets.compose import LABEL_PROCESS, LABEL_WORKLOAD
from saltern.targets.workload import Cloud
from tests.unit.rollout.fakes import BALANCER, FakeBalancer, FakeEngine
from tests.unit.targets.clouds import workload

MEMBERS = {"web-1": ("api/web-1", "ui/web-1"), "web-2": ("api/web-2",)}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "POLL", 0.001)


def of(*names: str) -> Cloud:
    """Balancers of these names, and web."""
    made = [workload({"name": name, "processes": []}) for name in names]
    balancers = tuple(replace(w, balancer=Balancer(MEMBERS, **BALANCER)) for w in made)
    return Cloud("lab", (*balancers, workload({"name": "web", "processes": []})))


def container(name: str, state: str = "running", **labels: str) -> Container:
    return Container("id", f"lab-{name}", "i", state, 0, {LABEL_WORKLOAD: name, LABEL_PROCESS: "lb", **labels})


def lab(*there: Container, fake: FakeBalancer | None = None) -> tuple[Balancers, FakeEngine]:
    engine = FakeEngine({}, running={c.name: c for c in there}, balancer=fake or FakeBalancer())
    return Balancers(of("lb"), cast("Engine", engine)), engine


def test_a_host_is_drained_under_all_of_its_names() -> None:
    balancers, engine = lab(container("lb"), container("web"))
    assert balancers.drain("web-1") == ""
    assert engine.acts == [
        *("lb drain api/web-1 in lab-lb", "lb drain ui/web-1 in lab-lb"),
        *("lb idle api/web-1 in lab-lb", "lb idle ui/web-1 in lab-lb"),
    ]
    assert engine.balancer.out == {"api/web-1", "ui/web-1"}


def test_open_connections_may_end() -> None:
    balancers, engine = lab(container("lb"), fake=FakeBalancer(busy={"api/web-1": 3, "ui/web-1": 5}))
    assert balancers.drain("web-1") == ""
    assert not any(engine.balancer.busy.values()), "it waited for all of them"


def test_connections_that_do_not_end_are_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "IDLE_SECONDS", 0.05)
    balancers, engine = lab(container("lb"), fake=FakeBalancer(busy={"api/web-2": 10**6}))
    assert balancers.drain("web-2") == ""
    assert engine.acts.count("lb idle api/web-2 in lab-lb") > 1


def test_what_is_drained_is_enabled_again_when_the_rest_cannot_be() -> None:
    balancers, engine = lab(container("lb"), fake=FakeBalancer(refuses={"drain ui/web-1": "no such server"}))
    assert balancers.drain("web-1") == "lb ui/web-1 in lab-lb: no such server"
    assert engine.balancer.out == set(), "the host is left as it was"


def test_a_replica_that_its_balancer_sees_is_left_alone() -> None:
    balancers, engine = lab(container("lb"))
    assert balancers.take_back("web-1") == ""
    assert engine.acts == ["lb ready api/web-1 in lab-lb", "lb ready ui/web-1 in lab-lb"]


def test_a_drained_replica_is_taken_back_and_waited_for() -> None:
    fake = FakeBalancer(out={"api/web-2"}, slow={"api/web-2": 2})
    balancers, engine = lab(container("lb"), fake=fake)
    assert balancers.take_back("web-2") == ""
    assert [act.split()[1] for act in engine.acts] == ["ready", "enable", "ready", "ready", "ready"]


def test_a_balancer_that_does_not_enable() -> None:
    fake = FakeBalancer(out={"api/web-2"}, refuses={"enable api/web-2": "locked\nreally"})
    balancers, _ = lab(container("lb"), fake=fake)
    assert balancers.take_back("web-2") == "lb api/web-2 in lab-lb: locked\nreally"


def test_a_balancer_that_does_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "BACK_SECONDS", 0.02)
    balancers, _ = lab(container("lb"), fake=FakeBalancer(refuses={"ready api/web-2": "it is down"}))
    said = balancers.take_back("web-2")
    assert said == "its balancer does not see it after 0 s: lb api/web-2 in lab-lb: it is down"


@pytest.mark.parametrize("host", ["db", "web", "web-3"])
def test_hosts_behind_no_balancer(host: str) -> None:
    balancers, engine = lab(container("lb"))
    assert (balancers.drain(host), balancers.take_back(host), engine.acts) == ("", "", [])


@pytest.mark.parametrize(
    "there",
    [
        (),
        (container("lb", "exited"),),
        (Container("id", "lab-lb-before-1", "i", "running", 0, {LABEL_WORKLOAD: "lb"}),),
        (container("other"),),
    ],
    ids=["none", "it does not run", "its job", "no balancer"],
)
def test_only_balancers_that_run_are_asked(there: tuple[Container, ...]) -> None:
    balancers, engine = lab(*there)
    assert (balancers.drain("web-1"), balancers.take_back("web-1"), engine.acts) == ("", "", [])


def test_every_container_of_every_balancer_is_told() -> None:
    there = [container("lb"), replace(container("lb"), name="lab-lb-2"), container("lb2")]
    engine = FakeEngine({}, running={c.name: c for c in there})
    assert Balancers(of("lb", "lb2"), cast("Engine", engine)).drain("web-2") == ""
    drained = [act for act in engine.acts if act.startswith("lb drain")]
    assert drained == [f"lb drain api/web-2 in lab-{name}" for name in ("lb", "lb-2", "lb2")]
