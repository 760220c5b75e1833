"""``operate`` for people and programs, with the real git, on a cluster in memory."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from saltern.base.errors import ExitCode, LockedError, Problem
from saltern.cli import context
from saltern.cli.operate import Warner
from saltern.project.operating import NAME
from saltern.rollout.kubernetes import launch
from tests.unit.cli.conftest import Run, Said
from tests.unit.project.cloud import Machine, World
from tests.unit.project.history import History
from tests.unit.rollout.kubernetes.server import FakeServer


@dataclass(frozen=True)
class Cloud:
    world: World
    history: History
    server: FakeServer
    run: Run

    def __call__(self, *words: str) -> Said:
        return self.run("operate", "--repository", str(self.history.top), "--folder", "model", *words)

    def commit(self, text: str) -> str:
        self.world.node("web", replicas=2, conf={"text": text})
        self.history.git("add", "-A")
        self.history.git("commit", "-q", "-m", text)
        return self.history.git("rev-parse", "--short=12", "HEAD")


@pytest.fixture
def cloud(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(launch, "POLL", 0.001)
    server = FakeServer(controls=True)
    history = History(tmp_path / "repository", "model").start()
    world = World(history.model, tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    monkeypatch.setattr(context, "LocalRunner", lambda **_: Machine(world.engine, server))
    found = Cloud(world, history, server, run)
    found.commit("one")
    return found


def test_a_round_for_people(cloud: Cloud) -> None:
    said = cloud("--once")
    assert said.code == ExitCode.OK
    (line,) = said.out.splitlines()
    plan = cloud.server.objects["configmap", NAME]["data"]["plan"]
    assert f" waiting commit {cloud.history.git('rev-parse', '--short=12', 'HEAD')} plan {plan} (image work" in line
    assert line.endswith(f"saltern.io/approve={plan}")
    assert cloud("--once").out == ""


def test_a_round_for_programs(cloud: Cloud) -> None:
    waiting = cloud("--once", "--json").json
    cloud.server.annotate("configmap", f"{NAME}-approval", saltern__io_approve=waiting["plan"])
    said = cloud("--once", "--json")
    states = [json.loads(line)["state"] for line in said.out.splitlines()]
    assert (said.code, states) == (ExitCode.OK, ["applying", "done"])


def test_a_round_that_fails(cloud: Cloud) -> None:
    (cloud.history.model / "nodes" / "web.yml").write_text("applications: [web]\nparameters: {x: '${y}'}\n")
    cloud.history.git("commit", "-qam", "wrong")
    for _ in range(2):
        assert cloud("--once").code == ExitCode.ROLLOUT


def test_the_account(cloud: Cloud, tmp_path: Path) -> None:
    said = cloud("--manifests", str(tmp_path / "access"), "--json")
    assert (said.code, f"role-{NAME}.yaml" in said.json["files"]) == (ExitCode.OK, True)
    assert (tmp_path / "access" / "kustomization.yaml").is_file()
    assert cloud.server.calls == [], "the cluster is not asked"


def test_what_runs_it_in_the_cluster(cloud: Cloud, tmp_path: Path) -> None:
    words = ("--manifests", str(tmp_path / "access"), "--image", "r.example/saltern:1", "--strict", "--interval", "2m")
    said = cloud(*words, "--json")
    assert (said.code, "no pod can fetch" in said.problems()[0]["brief"]) == (ExitCode.USAGE, True)
    url = f"file://{cloud.history.top}"
    assert cloud.run("operate", "--repository", url, "--folder", "model", *words).code == ExitCode.OK
    text = (tmp_path / "access" / f"deployment-{NAME}.yaml").read_text()
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    own = ("--interval", "2m", "--engine", "pods", "--progress", "plain", "--strict")
    wanted = ["saltern", "operate", "--repository", url, "--branch", "main", "--folder", "model", *own]
    assert container["command"] == wanted


@pytest.mark.parametrize("time", ["0s", "10", "-1s", "1d", ""])
def test_a_time_that_is_none(cloud: Cloud, time: str) -> None:
    said = cloud("--interval", time, "--json")
    assert (said.code, said.problems()[0]["brief"]) == (ExitCode.USAGE, f"{time!r} is no time")


def test_a_branch_that_is_not_there(cloud: Cloud) -> None:
    said = cloud("--branch", "other", "--once", "--json")
    assert said.code == ExitCode.ENGINE
    assert "the branch other of" in said.problems()[0]["brief"]


def test_what_is_said_again_and_again_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        warn = Warner(context.Caller(stack, {"json": True}))
        for text in ("one works", "one works", "another works", "one works"):
            warn(LockedError(Problem(text)))
    lines = [json.loads(line)["problems"][0]["brief"] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["one works", "another works", "one works"]
