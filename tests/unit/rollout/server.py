"""An HTTP server on loopback that does what a test says, with tokens like Keystone's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from saltern.formulas.endpoints import Endpoint, Request

PASSWORD = "s3cret-of-the-probe"


@dataclass
class Behaviour:
    """``status`` of answers (0: the connection is closed without one), seconds before each, and the valid token."""

    status: int = 200
    delay: float = 0.0
    token: str = "token-1"
    hang: threading.Event = field(default_factory=threading.Event)
    """Set: requests get no answer until it is cleared."""
    seen: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Method, path, token and the client's port of each request."""
    bodies: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_GET(self) -> None:
        self._note()
        given = self.headers.get("X-Auth-Token", "")
        self._answer(401 if given != self.behaviour.token else self.behaviour.status)

    def do_POST(self) -> None:
        self.behaviour.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self._note()
        good = self.behaviour.status == 200
        self._answer(201 if good else self.behaviour.status, {"X-Subject-Token": self.behaviour.token} if good else {})

    def _note(self) -> None:
        port = self.client_address[1]
        self.behaviour.seen.append((self.command, self.path, self.headers.get("X-Auth-Token", ""), port))
        while self.behaviour.hang.is_set():
            time.sleep(0.02)
        time.sleep(self.behaviour.delay)

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        if not status:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def serving(behaviour: Behaviour, port: int = 0) -> Iterator[int]:
    """The server's port."""
    server = Server(("127.0.0.1", port), type("Own", (Handler,), {"behaviour": behaviour}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        behaviour.hang.clear()
        server.shutdown()
        server.server_close()
        thread.join()


def endpoint(port: int, **more: Any) -> Endpoint:
    """With a session that gets a token, and a request that needs it."""
    issue = Request("POST", "/tokens", json={"password": PASSWORD}, status=(201,), keep={"token": "X-Subject-Token"})
    read = Request("GET", "/things?limit=2", headers={"X-Auth-Token": "{token}"})
    return Endpoint("things", f"http://127.0.0.1:{port}/v1", **{"session": (issue,), "requests": (read,), **more})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
