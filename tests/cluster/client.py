"""How the tests of this folder talk to a cluster: manifests as dictionaries, through the Python client."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDERR_CHANNEL, STDOUT_CHANNEL

MANAGER = "saltern-tests"


@dataclass(frozen=True)
class Executed:
    """What a command in a container said, and its exit code."""

    stdout: str
    stderr: str
    returncode: int


class Client:
    """Works in one namespace of a cluster."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api = config.new_client_from_config(str(kubeconfig))
        self._dynamic = DynamicClient(self._api)
        self.namespace = namespace

    def close(self) -> None:
        """Close its connections."""
        self._api.close()

    def apply(self, manifest: dict[str, Any], manager: str = MANAGER) -> Any:
        """Server-side apply; fields that another manager has are a ConflictError."""
        resource = self._resource(manifest["apiVersion"], manifest["kind"])
        return self._dynamic.server_side_apply(resource, body=manifest, namespace=self.namespace, field_manager=manager)

    def get(self, api: str, kind: str, name: str) -> Any:
        """One object, or None."""
        try:
            return self._resource(api, kind).get(name=name, namespace=self.namespace)
        except NotFoundError:
            return None

    def find(self, api: str, kind: str, labels: str = "") -> list[Any]:
        """All objects with these labels."""
        return list(self._resource(api, kind).get(namespace=self.namespace, label_selector=labels).items)

    def delete(self, api: str, kind: str, name: str, grace: int = 0) -> None:
        """Delete an object, with what it owns."""
        body = {"propagationPolicy": "Background", "gracePeriodSeconds": grace}
        self._resource(api, kind).delete(name=name, namespace=self.namespace, body=body)

    def log(self, pod: str) -> str:
        """What a pod's container wrote."""
        text: str = client.CoreV1Api(self._api).read_namespaced_pod_log(pod, self.namespace)
        return text

    def execute(self, pod: str, *command: str) -> Executed:
        """Run a command in a pod's container."""
        connect = client.CoreV1Api(self._api).connect_get_namespaced_pod_exec
        streams = {"stdout": True, "stderr": True, "stdin": False, "tty": False}
        running = stream(connect, pod, self.namespace, command=list(command), **streams, _preload_content=False)
        running.run_forever(timeout=30)
        running.sock.shutdown()  # close() leaves the socket open when the other side said goodbye first
        out, err = running.read_channel(STDOUT_CHANNEL), running.read_channel(STDERR_CHANNEL)
        return Executed(out, err, running.returncode)

    def _resource(self, api: str, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=api, kind=kind)


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value that ``condition`` gives; what it gave last where it never does."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {value!r}"
        time.sleep(0.2)
    return value
