"""The few calls of the Kubernetes API that the cluster's own parts need, with the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]
"""(namespace, name) → the object."""


class ApiError(Exception):
    """The API server refused; ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """Talks as admin to the API server at ``address``; ``pki`` holds the certificates."""

    def __init__(self, address: str, pki: Path) -> None:
        self._address = address
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def call(self, method: str, path: str, body: Object | None = None) -> Any:
        """One request; returns what the answer's JSON says, or its text."""
        connection = http.client.HTTPSConnection(self._address, 6443, context=self._context, timeout=20)
        try:
            return _ask(connection, method, path, body)
        finally:
            connection.close()

    def ready(self) -> bool:
        """True when the API server says that it is."""
        try:
            return bool(self.call("GET", "/readyz") == "ok")
        except (OSError, ApiError, http.client.HTTPException):
            return False

    def follow(self, path: str, changed: Callable[[Objects], None]) -> None:
        """Call ``changed`` with all objects of a collection at each change, for ever."""
        while True:
            try:
                self._follow_once(path, changed)
            except Exception as error:  # whatever it was: the log tells, and the next round may do better
                sys.stderr.write(f"{path}: {error!r}\n")
                sys.stderr.flush()
                time.sleep(0.3)

    def _follow_once(self, path: str, changed: Callable[[Objects], None]) -> None:
        connection = http.client.HTTPSConnection(self._address, 6443, context=self._context, timeout=330)
        try:
            listed = _ask(connection, "GET", path)
            objects = {_key(item): item for item in listed["items"]}
            changed(objects)
            version = listed["metadata"]["resourceVersion"]
            connection.request("GET", f"{path}?watch=1&timeoutSeconds=300&resourceVersion={version}")
            with connection.getresponse() as events:
                for line in events:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    if event["type"] == "DELETED":
                        objects.pop(_key(event["object"]), None)
                    else:
                        objects[_key(event["object"])] = event["object"]
                    changed(objects)
        finally:
            connection.close()


def _ask(connection: http.client.HTTPSConnection, method: str, path: str, body: Object | None = None) -> Any:
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
    with connection.getresponse() as answer:  # it holds the socket until it is read to its end
        text = answer.read().decode()
    if answer.status >= 400:
        raise ApiError(answer.status, text)
    return json.loads(text) if text.startswith("{") else text


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
