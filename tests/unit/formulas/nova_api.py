"""Keystone's tokens and as much of Nova's API as the nova formula's ``files/hosts.py`` asks for, over HTTP.

Shapes: https://docs.openstack.org/api-ref/compute. An action is asked for, and done when
somebody looks again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TASK, POWER, HOST = "OS-EXT-STS:task_state", "OS-EXT-STS:power_state", "OS-EXT-SRV-ATTR:host"
PASSWORD = "pa$$ss: word%"
PAGE = 2
"""Servers in an answer."""


@dataclass
class Nova:
    """``services`` by the machine's name, ``servers`` by id."""

    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Server → why its action is refused at once."""
    failing: dict[str, str] = field(default_factory=dict)
    """Server → why its action fails later."""
    silent: int = 0
    """How many more times an action does not say why it failed."""
    endless: set[str] = field(default_factory=set)
    """Servers with which it never comes to an end."""
    comes: dict[str, Any] = field(default_factory=dict)
    """A server that is there as soon as its machine is disabled."""
    asked: list[str] = field(default_factory=list)
    """What changes something, in its order."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    _after: dict[str, dict[str, Any]] = field(default_factory=dict)

    def host(self, name: str, status: str = "enabled", state: str = "up") -> Nova:
        self.services[name] = {"id": f"id-{name}", "host": name, "status": status, "state": state}
        self.services[name] |= {"binary": "nova-compute", "disabled_reason": None}
        return self

    def server(self, id_: str, host: str, status: str = "ACTIVE", **metadata: str) -> Nova:
        power = {"ACTIVE": 1, "PAUSED": 3}.get(status, 4)
        self.servers[id_] = {"id": id_, "name": f"name-{id_}", "status": status, TASK: None, POWER: power, HOST: host}
        self.servers[id_]["metadata"] = metadata
        return self

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of the answer."""
        path, _, query = path.partition("?")
        match [method, *path.strip("/").split("/")]:
            case ["POST", "v3", "auth", "tokens"]:
                user = body["auth"]["identity"]["password"]["user"]
                assert (user["name"], user["password"]) == ("nova", PASSWORD)
                endpoint = {"id": "e", "interface": "internal", "region_id": "RegionOne", "region": "RegionOne"}
                endpoint["url"] = self.url
                catalog = [{"type": "compute", "name": "nova", "id": "c", "endpoints": [endpoint]}]
                times = {"expires_at": "2099-01-01T00:00:00Z", "issued_at": "2026-01-01T00:00:00Z"}
                return 201, {"token": {**times, "methods": ["password"], "user": {}, "catalog": catalog}}
            case ["GET", "os-services"]:
                assert query == "binary=nova-compute"
                return 200, {"services": list(self.services.values())}
            case ["PUT", "os-services", id_]:
                service = self.services[id_.removeprefix("id-")]
                service |= {"disabled_reason": None, **body}
                self.asked.append(f"{body['status']} {service['host']}")
                if self.comes:
                    self.servers[self.comes["id"]] = self.comes
                return 200, {"service": service}
            case ["GET", "servers", "detail"]:
                wanted = dict(part.split("=") for part in query.split("&"))
                assert wanted["all_tenants"] == "1"
                found = [one for _, one in sorted(self.servers.items()) if one[HOST] == wanted["host"]]
                return 200, {"servers": [one for one in found if one["id"] > wanted.get("marker", "")][:PAGE]}
            case [_, "servers", id_, *_] if id_ not in self.servers:
                return 404, {"itemNotFound": {"code": 404, "message": f"Instance {id_} could not be found."}}
            case ["GET", "servers", id_]:
                if id_ not in self.endless:
                    self.servers[id_] |= self._after.pop(id_, {})
                return 200, {"server": self.servers[id_]}
            case ["POST", "servers", id_, "action"]:
                return self._act(id_, body)
            case ["POST", "servers", id_, "metadata"]:
                self.servers[id_]["metadata"] |= body["metadata"]
                return 200, body
            case ["DELETE", "servers", id_, "metadata", key]:
                there = self.servers[id_]["metadata"].pop(key, None)
                return (204, None) if there else (404, {"itemNotFound": {"code": 404, "message": "no such key"}})
            case ["GET", "servers", id_, "os-instance-actions", "req-1"]:
                self.silent -= 1
                events = [{"event": "e", "details": None}]
                events += [{"event": "f", "details": self.failing[id_]}] if self.silent < 0 else []
                return 200, {"instanceAction": {"message": "Error", "events": events}}
        return 404, {"itemNotFound": {"code": 404, "message": f"{method} {path}"}}

    def _act(self, id_: str, body: dict[str, Any]) -> tuple[int, Any]:
        (action,) = body
        self.asked.append(f"{action} {id_}")
        if id_ in self.refused:
            return 409, {"conflictingRequest": {"code": 409, "message": self.refused[id_]}}
        task, after = {
            "os-migrateLive": ("migrating", {HOST: self._other(id_)}),
            "os-stop": ("powering-off", {"status": "SHUTOFF", POWER: 4}),
            "os-start": ("powering-on", {"status": "ACTIVE", POWER: 1}),
        }[action]
        assert action != "os-migrateLive" or body[action] == {"host": None, "block_migration": "auto"}
        self.servers[id_][TASK] = task
        self._after[id_] = {TASK: None, **({} if id_ in self.failing else after)}
        return 202, None

    def _other(self, id_: str) -> str:
        here = self.servers[id_][HOST]
        return next((n for n, s in self.services.items() if n != here and s["status"] == "enabled"), here)


@contextmanager
def serving(nova: Nova) -> Iterator[str]:
    """The URL of its Keystone."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/v3"):
                assert self.headers["X-Auth-Token"] == "token"
                assert self.headers["OpenStack-API-Version"] == "compute 2.84"
            with nova.lock:
                path = self.path.removeprefix("/v2.1")
                status, body = nova.answer(self.command, path, json.loads(text) if text else None)
            answer = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (("X-Subject-Token", "token"), ("X-Openstack-Request-Id", "req-1")):
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        nova.url = f"{url}/v2.1"
        yield f"{url}/v3"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
