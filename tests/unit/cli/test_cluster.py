"""``status --drift``, ``apply --repair`` and ``exec`` for people and programs, on a cluster in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from saltern.base.process import Completed
from saltern.cli import context
from saltern.rollout.kubernetes import launch
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_rollouts import Cloud
from tests.unit.project.cloud import Machine, World
from tests.unit.rollout.kubernetes.server import FakeServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(launch, "POLL", 0.001)
    monkeypatch.setattr(launch, "PULL_SECONDS", 1)
    return FakeServer(controls=True)


@pytest.fixture
def up(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> Cloud:
    """web, two of it; it runs."""
    world = World(tmp_path / "model", tmp_path / "state" / "saltern", tmp_path / "cache", server=server)
    world.install(monkeypatch)
    monkeypatch.setattr(context, "LocalRunner", lambda **_: Machine(world.engine, server))
    world.node("web", replicas=2, conf={"workers": 4})
    cloud = Cloud(world, run)
    assert cloud("apply", "--yes").code == ExitCode.OK
    return cloud


@pytest.fixture
def here(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud that is in no cluster."""
    world = World(tmp_path / "model", tmp_path / "state" / "saltern", tmp_path / "cache").install(monkeypatch)
    monkeypatch.setattr(context, "LocalRunner", lambda **_: Machine(world.engine))
    world.node("web", conf={"workers": 4})
    return Cloud(world, run)


# ---- drift


def test_no_drift(up: Cloud) -> None:
    said = up("status", "--drift", "--exit-code")
    assert (said.code, said.out.splitlines()[-1]) == (0, "Nobody changed anything in the cluster by hand.")
    assert up("status", "--drift", "--json").json["drift"] == []
    assert "drift" not in up("status", "--json").json


def test_drift_for_people_and_programs(up: Cloud, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    said = up("status", "--drift")
    assert said.code == ExitCode.OK
    head, columns, row = said.out.splitlines()[-3:]
    assert "`saltern apply --repair` takes it back" in head
    assert columns.split() == ["kind", "name", "field", "wanted", "found", "who"]
    assert row.split() == ["Deployment", "web", "spec.replicas", "2", "5", "kubectl-edit"]
    found = up("status", "--drift", "--exit-code", "--json")
    assert found.code == ExitCode.DIFFERENT
    (one,) = found.json["drift"]
    assert one == {
        "kind": "Deployment",
        "name": "web",
        "path": "spec.replicas",
        "wanted": 2,
        "found": 5,
        "manager": "kubectl-edit",
    }
    assert up("plan", "--exit-code").code == ExitCode.OK


def test_the_exit_code_alone_means_nothing(up: Cloud) -> None:
    said = up("status", "--exit-code")
    assert said.code == ExitCode.USAGE
    assert "--drift" in said.err


# ---- repair


def test_what_was_taken_back(up: Cloud, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    said = up("apply", "--repair")
    assert said.code == ExitCode.OK, said.err
    assert said.out.splitlines()[0] == "Taken back in the cluster:"
    assert "spec.replicas" in said.out
    assert up("status", "--drift", "--json").json["drift"] == []
    server.edit("deployment", "web", "spec", "replicas", value=6)
    found = up("apply", "--repair", "--json").json
    assert [(one["path"], one["found"]) for one in found["repaired"]] == [("spec.replicas", 6)]
    assert "Nothing to do" in up("apply", "--repair").out


def test_a_conflict_names_the_way_out(up: Cloud, server: FakeServer) -> None:
    server.edit("deployment", "web", "spec", "replicas", value=5)
    up.world.node("web", replicas=2, conf={"workers": 8})
    said = up("apply", "--yes", "--json")
    assert said.code == ExitCode.ENGINE
    (problem,) = said.problems()
    assert problem["brief"] == "fields are owned by another manager: kubectl-edit"
    assert "saltern apply --repair" in problem["resolution"]
    assert up("apply", "--yes", "--repair").code == ExitCode.OK


@pytest.mark.parametrize("words", [("status", "--drift"), ("apply", "--repair", "--yes")], ids=" ".join)
def test_what_is_for_clusters_is_refused_elsewhere(here: Cloud, words: tuple[str, ...]) -> None:
    said = here(*words, "--json")
    assert said.code == ExitCode.USAGE
    (problem,) = said.problems()
    assert problem["brief"] == f"{words[1]} is for clouds on Kubernetes"


# ---- exec


def test_a_command_in_a_pod(up: Cloud, server: FakeServer) -> None:
    server.ends = (3, "found\n", "but\ncommand terminated with exit code 3\n")
    said = up.run("exec", "web", "--model", str(up.world.root), "--", "tool", "--json", "-x")
    assert (said.code, said.out, said.err) == (3, "found\n", "but\n")
    assert server.calls[-1] == ("exec", "web-0", "--container", "web", "--", "tool", "--json", "-x")


def test_a_command_in_a_container(here: Cloud) -> None:
    assert here("apply", "--yes").code == ExitCode.OK
    here.world.engine.ends = Completed((), 5, "found\n", "but\n")
    words = ("exec", "web", "--model", str(here.world.root))
    said = here.run(*words, "--", "tool", "-x")
    assert (said.code, said.out, said.err) == (5, "found\n", "but\n")
    assert here.world.engine.acts[-1] == "tool -x in lab-web"
    told = here.run(*words, "--json", "--", "tool")
    assert told.code == 5
    assert told.json == {"code": 5, "stdout": "found\n", "stderr": "but\n"}


def test_a_command_where_nothing_runs(here: Cloud) -> None:
    words = ("--model", str(here.world.root), "--json", "--", "tool")
    said = here.run("exec", "web", *words)
    assert (said.code, said.problems()[0]["brief"]) == (ExitCode.USAGE, "there is no container of 'web'")
    assert here("apply", "--yes").code == ExitCode.OK
    engine = here.world.engine
    engine.running["lab-web"] = replace(engine.running["lab-web"], state="exited")
    said = here.run("exec", "web", *words)
    assert (said.code, said.problems()[0]["brief"]) == (ExitCode.ROLLOUT, "web does not run: it is exited")
    assert here.run("exec", "web", "--model", str(here.world.root)).code == ExitCode.USAGE
