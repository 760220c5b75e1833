"""The ports of a service in another network as one's own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_command, local_site_packages
from saltern.worker import beside

from .conftest import CACHE


@pytest.fixture
def service() -> Iterator[int]:
    """A service that answers with what it got, in capitals, once it has all of it; on another loopback address."""
    with socket.create_server(("127.0.0.2", 0)) as server:
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _answer(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.sendall(_all(client).upper())


def _all(one: socket.socket) -> bytes:
    found = b""
    while data := one.recv(65536):
        found += data
    return found


def _ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return _all(client)


def test_connections_go_to_the_service_and_back(service: int) -> None:
    beside.forward("127.0.0.2", [service], "127.0.0.1")
    large = b"x" * 1_000_000
    assert [_ask(service, data) for data in (b"one", b"two", large)] == [b"ONE", b"TWO", large.upper()]


def test_a_service_that_is_not_there_ends_the_connection(service: int) -> None:
    beside.forward("127.0.0.3", [service], "127.0.0.1")
    with socket.create_connection(("127.0.0.1", service), timeout=10) as client:
        assert client.recv(1) == b""


def test_a_port_that_is_taken_is_told(service: int, capsys: pytest.CaptureFixture[str]) -> None:
    beside.forward("far", [service], "127.0.0.2")
    assert f"port {service} is not forwarded to far" in capsys.readouterr().err


def test_the_worker_acts_beside(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"chunks": [], "node": "n", "pillar": {}, "grains": {}, "roots": []}))
    command, env = local_command(local_site_packages(LocalRunner(), CACHE))
    argv = (*command[:-1], "beside", "far", str(port), "apply", str(request))
    done = LocalRunner().run(argv, env=env)
    assert json.loads(done.stdout)["ok"], done.stderr
    assert "not forwarded" not in done.stderr
