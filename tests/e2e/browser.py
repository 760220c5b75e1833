"""Debian's Chromium without a window, told what to do over a pipe: the few words of DevTools that tests need.

It runs in a container, so that no machine needs a browser; its two pipes are the container's stdin and stdout.
Source: https://chromedevtools.github.io/devtools-protocol/ (``--remote-debugging-pipe``: JSON, ended by a zero byte).
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.images.base import DEFAULT_BASES, ensure_base
from saltern.images.engine import Engine

TAG = "localhost/saltern-tests/chromium:debian-12"
"""Kept between runs, as bases are."""

CONTAINERFILE = """\
FROM {base}
RUN apt-get update -q && apt-get install -q -y chromium fonts-dejavu-core && rm -rf /var/lib/apt/lists/*
"""

CHROMIUM = (
    *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--user-data-dir=/tmp/profile", "--window-size=1280,900", "--remote-debugging-pipe"),
)
"""The container is its sandbox, and has no /dev/shm to speak of."""

TIMEOUT = 90.0
"""Seconds that a page may take, on a busy machine."""


class Browser:
    """One browser with one page."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._rest = b""
        self._number = 0
        assert child.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.stdout, selectors.EVENT_READ)
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._page = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def close(self) -> None:
        self._selector.close()

    def visit(self, url: str) -> None:
        """Load a page, with all that belongs to it; its scripts may give it another address."""
        self.run("window.left = true")
        self._send("Page.navigate", url=url)
        self.wait("window.left === undefined && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true; a page that is just being left has none."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            answer = self._send("Runtime.evaluate", expression=script, returnByValue=True)
            if answer.get("result", {}).get("value") is True:
                return
            time.sleep(0.1)
        raise AssertionError(f"{script} did not become true; the page is {self.run('location.href')}:\n{self.text()}")

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.run("document.body.innerText"))

    def screenshot(self, file: Path) -> None:
        """What a person sees, as a PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self._send("Page.captureScreenshot", format="png")["data"]))

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if not method.startswith("Target."):
            message["sessionId"] = self._page
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(message).encode() + b"\0")
        self._child.stdin.flush()
        deadline = time.monotonic() + TIMEOUT
        while (answer := self._read(deadline)).get("id") != self._number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def _read(self, deadline: float) -> dict[str, Any]:
        """The next message: an answer, or an event."""
        assert self._child.stdout is not None
        while b"\0" not in self._rest:
            assert self._selector.select(max(0.0, deadline - time.monotonic())), "the browser does not answer"
            more = os.read(self._child.stdout.fileno(), 1 << 16)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browser(engine: Engine, cache: Path, log: Path) -> Iterator[Browser]:
    """A browser that reaches what this machine reaches; what it says on stderr is in ``log``."""
    _ensure_image(engine, cache, log.parent)
    name = f"saltern-chromium-{uuid4().hex[:8]}"
    # 3 is what it reads, 4 what it writes
    start = ("sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", *CHROMIUM)
    options = ("run", "--rm", "--interactive", "--name", name, "--network", "host", "--tmpfs", "/tmp")
    environment = {**os.environ, **engine.environment}
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [*engine.argv, *options, TAG, *start],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            found = Browser(child)
            yield found
            found.close()
        finally:
            subprocess.run([*engine.argv, "rm", "--force", name], env=environment, capture_output=True, check=False)
            child.communicate(timeout=60)


def _ensure_image(engine: Engine, cache: Path, folder: Path) -> None:
    environment = {**os.environ, **engine.environment}
    inspect = [*engine.argv, "image", "inspect", TAG]
    if subprocess.run(inspect, env=environment, capture_output=True, check=False).returncode == 0:
        return
    base = ensure_base(engine, LocalRunner(), Store(cache), DEFAULT_BASES["debian-12"], silent)
    file = folder / "Containerfile"
    file.write_text(CONTAINERFILE.format(base=base.tag))
    build = [*engine.argv, "build", "--tag", TAG, "--file", str(file), str(folder)]
    done = subprocess.run(build, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def fill_in(page: Browser, url: str, user: str, password: str) -> None:
    """The dashboard's login form, sent; the page after it is one that needs no service but Keystone."""
    page.visit(f"{url}/auth/login/?next=/identity/")
    page.run(f"document.querySelector('#id_username').value = {json.dumps(user)}")
    page.run(f"document.querySelector('#id_password').value = {json.dumps(password)}")
    page.run("document.querySelector('#loginBtn').click()")


def log_in(page: Browser, url: str, user: str, password: str) -> None:
    """Through the dashboard's form, to the page after it."""
    fill_in(page, url, user, password)
    page.wait("document.readyState === 'complete' && document.querySelector('a[href*=\"/auth/logout/\"]') !== null")
