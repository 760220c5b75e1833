"""Readiness, seen from this machine: TCP, HTTP or a command in the container.

Saltern probes by itself because podman runs health checks through systemd timers, and not every machine has systemd.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import httpx

from saltern.formulas.metadata import Probe
from saltern.images.engine import Engine

INTERVAL = 0.25
"""Seconds between two tries."""
TRY_TIMEOUT = 5.0
"""Seconds for one try."""


def try_probe(engine: Engine, container: str, address: str, probe: Probe) -> str:
    """One try; "" when ready, else why not."""
    if probe.kind == "exec":
        done = engine.exec(container, probe.command, timeout=TRY_TIMEOUT)
        return "" if done.ok else f"{probe.command[0]}: exit code {done.returncode}: {done.tail(1)}"
    if not address:
        return "has no address"
    return _try_http(address, probe) if probe.kind == "http" else _try_tcp(address, probe.port)


def _try_tcp(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), timeout=TRY_TIMEOUT):
            return ""
    except OSError as error:
        return f"TCP port {port}: {error.strerror or error}"


def _try_http(address: str, probe: Probe) -> str:
    url = f"http://{address}:{probe.port}{probe.path}"
    try:
        status = httpx.get(url, timeout=TRY_TIMEOUT, trust_env=False).status_code
    except httpx.HTTPError as error:
        return f"GET {probe.path} on port {probe.port}: {error}"
    return "" if status < 400 else f"GET {probe.path} on port {probe.port}: HTTP status {status}"


def wait_ready(engine: Engine, container: str, probe: Probe, alive: Callable[[], bool]) -> str:
    """Probe until ready or ``probe.timeout`` seconds are over or ``alive`` says no; "" or why not."""
    deadline = time.monotonic() + probe.timeout
    address, tries, last = "", 0, ""
    while time.monotonic() < deadline:
        if probe.kind != "exec" and not address:
            address = engine.address(container)
        last = try_probe(engine, container, address, probe)
        if not last:
            return ""
        tries += 1
        if tries % 8 == 0 and not alive():
            return f"its process ends again and again; {last}"
        time.sleep(INTERVAL)
    return f"not ready after {probe.timeout} s: {last}"
