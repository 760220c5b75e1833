"""Which container is asked about which machine, and what its answer comes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import LockedError, RolloutError, UsageError
from saltern.base.process import Completed
from saltern.formulas.metadata import read_metadata
from saltern.images.engine import Container
from saltern.ops.hosts import Host
from saltern.project import hosting
from saltern.project.compiling import Compiled
from saltern.project.context import Project
from saltern.project.hosting import Listed, Order
from saltern.targets.compose import LABEL_PROCESS, LABEL_ROLE, LABEL_WORKLOAD
from tests.unit.project.compiled import Nodes

CONTROL = {"process": "api", "list": ["list"], "drain": ["drain"], "return": ["return"]}
SAID = {"kind": "host", "enabled": True, "up": True, "reason": "", "guests": 0, "running": 0}


class Hosts(Nodes):
    """``kvm1`` runs guests, ``nova1`` and ``nova2`` are in charge of them."""

    def _one(self, project: Any, member: Any) -> Compiled:
        one = super()._one(project, member)
        raw = {"kvm1": {"name": "hv1"}, "kvm2": {"name": "hv2"}}.get(member.name)
        raw = raw or ({"control": CONTROL} if member.name.startswith("nova") else None)
        return Compiled(**{**vars(one), "metadata": read_metadata(member.node.name, {"nova": {"host": raw}})})


@dataclass
class Running:
    """An engine whose containers answer."""

    known: list[Container] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=lambda: [{**SAID, "host": "hv1"}])
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    on_exec: Callable[[], None] = lambda: None

    def run(self, workload: str, process: str, state: str = "running") -> Running:
        labels = {LABEL_WORKLOAD: workload, LABEL_PROCESS: process, LABEL_ROLE: "process"}
        name = f"lab-{workload}-{process}"
        self.known.append(Container(name, name, "image", state, 0, labels))
        return self

    def containers(self, label: str) -> tuple[Container, ...]:
        assert label == "io.saltern.cloud=lab"
        return tuple(self.known)

    def exec(self, container: str, argv: Sequence[str], *, environment: Mapping[str, str], **_: Any) -> Completed:
        self.on_exec()
        self.asked.append((container, argv[0], dict(environment)))
        return Completed(tuple(argv), 0, "".join(f"{json.dumps(one)}\n" for one in self.told), "")


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    found = Hosts(tmp_path / "model").write(kvm1="", kvm2="", nova1="", nova2="", web="")
    (found.root / "saltern.yml").write_text("cloud: lab\n")
    monkeypatch.setattr(hosting, "compile_members", found.compiled)
    return found


@pytest.fixture
def engine() -> Running:
    return Running().run("nova1", "scheduler").run("nova1", "api").run("nova2", "api")


def project(hosts: Hosts, engine: Running) -> Project:
    found = hosts.project()
    found.__dict__["engine"] = engine
    return found


def test_drain_asks_who_is_in_charge(hosts: Hosts, engine: Running) -> None:
    guest = {"guest": "web", "id": "1", "did": "left", "status": "ACTIVE", "host": "hv1", "seconds": 1, "problem": "no"}
    engine.told.append({"kind": "guest", **guest})
    done = hosting.drain(project(hosts, engine), "kvm1", Order("stop", "a disk", 30))
    given = {"SALTERN_HOST": "hv1", "SALTERN_GUESTS": "stop", "SALTERN_REASON": "a disk", "SALTERN_TIMEOUT": "30"}
    assert engine.asked == [("lab-nova1-api", "drain", given)]
    assert (done.node, done.host.host, done.complete) == ("kvm1", "hv1", False)
    assert [one.guest for one in done.guests] == ["web"]


def test_what_is_asked_where_nothing_is_said(hosts: Hosts, engine: Running) -> None:
    hosting.drain(project(hosts, engine), "kvm1", Order())
    (_, _, given), *_ = engine.asked
    assert (given["SALTERN_GUESTS"], given["SALTERN_REASON"]) == ("migrate", "drained by saltern")
    assert hosting.take_back(project(hosts, engine), "kvm1").complete
    assert engine.asked[1:] == [("lab-nova1-api", "return", {"SALTERN_HOST": "hv1", "SALTERN_TIMEOUT": "600"})]


def test_no_rollout_changes_the_cloud_meanwhile(hosts: Hosts, engine: Running) -> None:
    def up() -> None:
        with pytest.raises(LockedError), project(hosts, engine).locked_here():
            pass

    engine.on_exec = up
    hosting.drain(project(hosts, engine), "kvm1", Order())


def test_another_one_is_asked_where_the_first_does_not_run(hosts: Hosts) -> None:
    engine = Running().run("nova1", "scheduler").run("nova1", "api", "exited").run("nova2", "api")
    hosting.drain(project(hosts, engine), "kvm1", Order())
    assert [container for container, *_ in engine.asked] == ["lab-nova2-api"]


def test_nobody_runs_who_could_be_asked(hosts: Hosts) -> None:
    with pytest.raises(RolloutError, match="not running: nova1, nova2"):
        hosting.drain(project(hosts, Running().run("nova1", "scheduler")), "kvm1", Order())


def test_a_node_without_guests_names_those_that_have_some(hosts: Hosts, engine: Running) -> None:
    with pytest.raises(UsageError, match="web runs no guests") as caught:
        hosting.drain(project(hosts, engine), "web", Order())
    assert caught.value.problems[0].resolution == "nodes that do: kvm1, kvm2"


def test_a_model_in_which_nobody_is_in_charge(hosts: Hosts, engine: Running) -> None:
    for name in ("nova1", "nova2"):
        (hosts.root / "nodes" / f"{name}.yml").unlink()
    with pytest.raises(UsageError, match="no node is in charge of the machines of nova"):
        hosting.drain(project(hosts, engine), "kvm1", Order())
    with pytest.raises(UsageError, match="no node is in charge of guests"):
        hosting.list_hosts(project(hosts, engine))


def test_an_answer_about_another_machine_is_none(hosts: Hosts, engine: Running) -> None:
    with pytest.raises(RolloutError, match="told nothing of hv2"):
        hosting.take_back(project(hosts, engine), "kvm2")


def test_all_machines_are_listed_with_their_nodes(hosts: Hosts, engine: Running) -> None:
    engine.told = [{**SAID, "host": name} for name in ("other", "hv2", "hv1")]
    nodes = [("kvm1", "hv1"), ("kvm2", "hv2"), ("", "other")]
    found = hosting.list_hosts(project(hosts, engine))
    assert found == tuple(Listed(node, Host(name, True, True, "", 0, 0)) for node, name in nodes)  # noqa: FBT003
    assert engine.asked == [("lab-nova1-api", "list", {})]
