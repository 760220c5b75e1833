"""``docker-registry`` on this machine: how it is configured, what keeps it from starting, how it ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from saltern.base.errors import RegistryError, UsageError
from saltern.base.process import Service
from saltern.images import serving
from saltern.images.serving import Place, serve, settings_of


@dataclass
class FakeService:
    """A program that listens, or one that has ended; waiting for it brings ``waits``."""

    place: Place
    dead: bool = False
    waits: type[BaseException] | None = None
    ends: list[float] = field(default_factory=list)
    _socket: socket.socket | None = None

    def begin(self) -> None:
        if not self.dead:
            self._socket = socket.create_server((self.place.host, self.place.port))

    def ended(self) -> bool:
        return self.dead

    def wait(self) -> int:
        if self.waits:
            raise self.waits
        return 2

    def end(self, seconds: float) -> None:
        self.ends.append(seconds)
        if self._socket:
            self._socket.close()


@dataclass
class FakeStarter:
    service: FakeService
    started: list[Sequence[str]] = field(default_factory=list)

    def start(self, argv: Sequence[str], log: Path) -> Service:
        log.write_text("what it said\n")
        self.started.append(argv)
        self.service.begin()
        return self.service


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / serving.PROGRAM
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Place("127.0.0.1", probe.getsockname()[1], tmp_path / "data")


@pytest.fixture
def taken(place: Place) -> Iterator[None]:
    with socket.socket() as other:
        other.bind((place.host, place.port))
        other.listen()
        yield


def test_it_serves_until_it_is_interrupted(place: Place) -> None:
    starter = FakeStarter(FakeService(place, waits=KeyboardInterrupt))
    ready: list[str] = []
    serve(starter, place, lambda: ready.append("ready"))
    assert ready == ["ready"]
    assert [*starter.started[0]] == ["docker-registry", "serve", str(place.folder / "config.yml")]
    assert len(starter.service.ends) == 1
    said = json.loads((place.folder / "config.yml").read_bytes())
    assert said["http"]["addr"] == place.address
    assert Path(said["storage"]["filesystem"]["rootdirectory"]).is_dir()


def test_one_that_ends_by_itself_is_an_error(place: Place) -> None:
    starter = FakeStarter(FakeService(place))
    with pytest.raises(RegistryError, match="ended by itself") as caught:
        serve(starter, place, lambda: None)
    assert caught.value.problems[0].details == "what it said"
    assert len(starter.service.ends) == 1


def test_one_that_does_not_start_is_an_error(place: Place) -> None:
    with pytest.raises(RegistryError, match="docker-registry ended at once"):
        serve(FakeStarter(FakeService(place, dead=True)), place, lambda: pytest.fail("it is not ready"))


def test_one_that_does_not_answer_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "START_SECONDS", 0.0)
    silent = FakeService(place)
    monkeypatch.setattr(silent, "begin", lambda: None)
    with pytest.raises(RegistryError, match="does not answer"):
        serve(FakeStarter(silent), place, lambda: pytest.fail("it is not ready"))
    assert len(silent.ends) == 1


def test_all_addresses_of_the_machine(place: Place) -> None:
    starter = FakeStarter(FakeService(Place("0.0.0.0", place.port, place.folder), waits=KeyboardInterrupt))
    ready: list[str] = []
    serve(starter, starter.service.place, lambda: ready.append("ready"))
    assert ready == ["ready"]


@pytest.mark.usefixtures("taken")
def test_everything_that_is_in_the_way_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    place.folder.write_text("a file")
    starter = FakeStarter(FakeService(place))
    with pytest.raises(RegistryError) as caught:
        serve(starter, place, lambda: None)
    assert [problem.brief for problem in caught.value.problems] == [
        "the program docker-registry is not there",
        f"{place.address} is taken",
        f"the folder {place.folder} cannot be made: File exists",
    ]
    assert "apt-get install docker-registry" in caught.value.problems[0].resolution
    assert all(problem.resolution for problem in caught.value.problems)
    assert starter.started == []


def test_a_folder_that_others_own(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: place.folder not in Path(path).parents)
    with pytest.raises(RegistryError, match="you may not write to"):
        serve(FakeStarter(FakeService(place)), place, lambda: None)


def test_an_address_of_another_machine(place: Place) -> None:
    with pytest.raises(RegistryError, match=r"nobody can listen at 192\.0\.2\.1"):
        serve(FakeStarter(FakeService(place)), Place("192.0.2.1", place.port, place.folder), lambda: None)


@pytest.mark.parametrize("address", ["", "5055", ":5055", "localhost", "localhost:", "a:0", "a:65536", "a:b"])
def test_what_is_no_address(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address to listen at"):
        Place.of(address, tmp_path)


@pytest.mark.parametrize(
    ("address", "is_open"), [("127.0.0.1:1", False), ("localhost:1", False), ("[::1]:1", False), ("0.0.0.0:1", True)]
)
def test_who_reaches_it(address: str, is_open: bool, tmp_path: Path) -> None:
    place = Place.of(address, tmp_path)
    assert place.is_open is is_open
    assert json.loads(settings_of(place))["http"]["addr"] == address
