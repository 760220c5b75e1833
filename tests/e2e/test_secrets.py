"""A secret of the model reaches the service that needs it and nothing else; another value rolls, and builds nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from saltern.images.engine import Engine
from saltern.project import safekeeping
from saltern.project.context import Options, Project, open_project

from .driver import CACHE, Cloud, substitute
from .test_foreign import copy_of_model
from .test_image_content import save

NAME = "redis/password"
CONFIG = "/etc/redis/redis.conf"


@dataclass(frozen=True)
class Guarded:
    """A cloud of one node whose password is encrypted in the model."""

    cloud: Cloud
    project: Project
    begun: float

    @property
    def password(self) -> str:
        return safekeeping.get_secret(self.project, NAME)

    def places_of(self, text: str) -> list[str]:
        """Files of the state folder, and of the cache since the test began, that hold the text."""
        files = [path for path in self.cloud.own_state.rglob("*") if path.is_file()]
        for kind in ("compiled", "configured", "revealed"):
            files += [
                p for p in (CACHE / "saltern" / kind).rglob("*") if p.is_file() and p.stat().st_mtime > self.begun
            ]
        found = [path for path in files if text.encode() in path.read_bytes()]
        return sorted({str(path).removeprefix(f"{self.cloud.own_state}/") for path in found})

    def answer(self, password: str) -> str:
        with socket.create_connection(("127.0.0.1", self.cloud.ports["redis"]), timeout=10) as connection:
            connection.sendall(f"AUTH {password}\r\nGET greeting\r\nQUIT\r\n".encode())
            answer = b""
            while received := connection.recv(4096):
                answer += received
        return answer.decode()


@pytest.fixture
def guarded(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    cloud = copy_of_model(engine, tmp_path, f"e2e-secrets-{engine.name}")
    (cloud.model / "nodes/web.yml").unlink()
    substitute(cloud.model / "classes/app/cache.yml", "example-redis-password", f"?{{age:{NAME}}}")
    identity = tmp_path / "identity.txt"
    monkeypatch.setenv("SALTERN_IDENTITY", str(identity))
    project = open_project(cloud.model, Options(identity=identity))
    safekeeping.init(project)
    safekeeping.set_secret(project, NAME, "first-Pa55word-of-redis")
    cloud.clean()
    try:
        yield Guarded(cloud, project, time.time())
    finally:
        cloud.clean()


def test_a_secret_goes_where_it_is_needed_and_nowhere_else(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, first = guarded.cloud, guarded.password
    with monkeypatch.context() as nobody:
        nobody.setenv("SALTERN_IDENTITY", str(cloud.model.parent / "nobody.txt"))
        refused = cloud.saltern("up", code=ExitCode.SECRET)
    assert "classes/app/cache.yml:4:17" in refused.stderr
    assert cloud.left()["containers"] == []

    done = cloud.saltern("up", "--debug")
    assert "hello from salt" in guarded.answer(first)
    assert cloud.call("exec", f"{cloud.name}-cache", "stat", "-c", "%U %G %a", CONFIG).split() == [
        "redis",
        "redis",
        "640",
    ]
    assert f"requirepass {first}\n" in cloud.call("exec", f"{cloud.name}-cache", "cat", CONFIG)

    logs = cloud.saltern("logs", "cache", "--tail", "1000")
    assert first not in done.stdout + done.stderr + refused.stderr + logs.stdout
    assert first not in cloud.saltern("show", "cache", "--json").stdout
    assert first not in cloud.call("inspect", f"{cloud.name}-cache")
    image = save(cloud, next(c.image for c in cloud.engine.containers(f"io.saltern.cloud={cloud.name}")))
    assert not [layer for layer in (json.dumps(image.config).encode(), *image.layers) if first.encode() in layer]
    kinds = {(place.split("/")[0], place.rpartition("/")[2]) for place in guarded.places_of(first)}
    assert kinds == {("config", "redis.conf"), ("jobs", "request.json")}
    for path in ("config", "jobs"):
        assert (cloud.own_state / path).stat().st_mode & 0o077 == 0 or cloud.own_state.stat().st_mode & 0o077 == 0
    assert "Nothing to do" in cloud.saltern("up").stdout

    before = cloud.processes()["cache"]
    safekeeping.rotate(guarded.project, [NAME])
    second = guarded.password
    cloud.saltern("up")
    after = cloud.processes()["cache"]
    assert "hello from salt" in guarded.answer(second)
    assert "WRONGPASS" in guarded.answer(first)
    assert (after[0] != before[0], after[1]) == (True, before[1])
    assert guarded.places_of(first) == []
