"""``saltern monitoring``: what it takes, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from saltern.cli import monitoring
from saltern.ops.monitoring import Monitoring
from saltern.project.monitoring import Written
from tests.trees import write_tree
from tests.unit.cli.conftest import Run

MADE = Monitoring({"rules/web.yml": "", "prometheus.yml": ""}, ("web",), 2, 1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tree(tmp_path, {"nodes/a.yml": "applications: [a]\n", "classes/a.yml": "{}\n"})
    return tmp_path


def made(monkeypatch: pytest.MonkeyPatch, result: Monitoring) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def watch(_project: Any, folder: Path, blackbox: str) -> Written:
        asked.append((folder, blackbox))
        return Written(folder, result, ("rules/old.yml",))

    monkeypatch.setattr(monitoring, "watch", watch)
    return asked


@pytest.mark.parametrize(
    "address", ["bb", "bb:", ":9115", "bb:0", "bb:65536", "http://bb:9115", "b b:1", "fd00::1:9115"]
)
def test_an_address_has_a_host_and_a_port(run: Run, model: Path, address: str) -> None:
    done = run("monitoring", "out", "--blackbox", address, "--model", str(model), "--json")
    assert done.code == ExitCode.USAGE
    assert done.problems()[0]["brief"] == f"--blackbox {address!r} is no HOST:PORT"


@pytest.mark.parametrize("address", ["bb:9115", "10.0.0.1:1", "[fd00::1]:9115", "blackbox.monitoring.svc:65535"])
def test_addresses(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    asked = made(monkeypatch, MADE)
    assert (
        run("monitoring", "out", "--blackbox", address, "--model", str(model)).out == "out: 1 job, 2 targets, 1 rule\n"
    )
    assert asked == [(Path("out"), address)]


def test_people_are_told_what_is_left_out(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch, Monitoring({}, (), 0, 0, ("a", "b"), ("A",)))
    assert run("monitoring", "out", "--model", str(model)).out == (
        "out: 0 jobs, 0 targets, 0 rules\n"
        "2 jobs and 1 rule are left out, for they need a blackbox exporter: --blackbox HOST:PORT\n"
    )


def test_programs_are_told_all(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch, Monitoring(MADE.files, ("web",), 2, 1, ("a",), ("A", "B")))
    assert run("monitoring", "out", "--model", str(model), "--json").json == {
        "folder": "out",
        "files": ["prometheus.yml", "rules/web.yml"],
        "removed": ["rules/old.yml"],
        "jobs": ["web"],
        "targets": 2,
        "rules": 1,
        "left_out": {"jobs": ["a"], "rules": ["A", "B"]},
    }
