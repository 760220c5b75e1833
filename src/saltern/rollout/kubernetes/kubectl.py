"""Calls of ``kubectl``, their JSON read and their failures explained."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from saltern.base.errors import EngineError, Problem, UnreachableError
from saltern.base.process import Completed, Pipe, Runner

FIELD_MANAGER = "saltern"
REQUEST_TIMEOUT = 30
"""Seconds for one request to the API server; those that wait have their own."""
APPLY_TIMEOUT = 120
PATIENCE = 45.0
"""Seconds for which an API server that does not answer is asked again."""
PAUSE = 2.0

_UNREACHABLE = (
    "unable to connect to the server",
    "was refused - did you specify the right host",
    "etcdserver: ",
    "rpc error: code = unavailable",
    "i/o timeout",
    "tls handshake timeout",
    "no route to host",
    "context deadline exceeded",
    "net/http: request canceled",
    "unexpected eof",
    "the server is currently unable to handle the request",
    "client rate limiter wait returned an error",
)
_FORBIDDEN = re.compile(r'User "(?P<who>[^"]*)" cannot (?P<verb>\w+) resource "(?P<kind>[^"]*)"')
_CONFLICT = re.compile(r'conflicts? with "(?P<manager>[^"]+)"')


@dataclass(frozen=True)
class Kubectl:
    """One namespace of one cluster. Every method raises EngineError with what was refused, and why.

    That is an UnreachableError where no API server answers.
    """

    runner: Runner
    namespace: str
    context: str = ""
    """Of the kubeconfig; "" is its current one."""
    program: str = "kubectl"

    @property
    def argv(self) -> tuple[str, ...]:
        """How every call begins."""
        context = ("--context", self.context) if self.context else ()
        return (self.program, *context, "--namespace", self.namespace)

    # ---- objects

    def get(self, kinds: Sequence[str], selector: str = "", fields: str = "") -> list[dict[str, Any]]:
        """All objects of some kinds in the namespace that a label and a field selector name, by kind and name."""
        words = ["get", ",".join(kinds), "--output", "json", *(("--selector", selector) if selector else ())]
        words += ("--field-selector", fields) if fields else ()
        found: list[dict[str, Any]] = json.loads(self._call(*words).stdout)["items"]
        return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object, or None where there is none of that name."""
        done = self._call("get", kind, name, "--output", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
        return found

    def managed(self, kind: str, name: str) -> dict[str, Any] | None:
        """As :meth:`find`, with who set which fields; newer programs than 1.20 have to be asked for that."""
        words = ("get", kind, name, "--output", "json", "--ignore-not-found", "--show-managed-fields")
        done = self._run(*words)
        if not done.ok and "unknown flag" in done.stderr:
            return self.find(kind, name)
        self._check(done)
        found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
        return found

    def apply(self, objects: Iterable[Mapping[str, Any]], *, force: bool = False) -> None:
        """Apply objects on the server as our field manager.

        A field that another manager owns is a conflict and an error, and nothing more is applied; ``force`` takes it.
        """
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        if not bundle["items"]:
            return
        words = ["apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--filename", "-"]
        if force:
            words.append("--force-conflicts")
        self._call(*words, stdin=json.dumps(bundle), timeout=APPLY_TIMEOUT)

    def create(self, thing: Mapping[str, Any]) -> bool:
        """Make an object that is not there yet; False where one of that name is."""
        done = self._run("create", "--filename", "-", stdin=json.dumps(thing))
        if not done.ok and "alreadyexists" in done.stderr.lower().replace(" ", ""):
            return False
        self._check(done)
        return True

    def replace(self, thing: Mapping[str, Any]) -> bool:
        """Write an object as a whole; False where it changed since its ``resourceVersion`` was read."""
        done = self._run("replace", "--filename", "-", stdin=json.dumps(thing))
        if not done.ok and "the object has been modified" in done.stderr:
            return False
        self._check(done)
        return True

    def delete(
        self, kind: str, names: Sequence[str], *, wait: bool = True, orphan: bool = False, timeout: float = 180
    ) -> None:
        """Remove objects and what they own, or with ``orphan`` without that; missing ones are no error."""
        if names:
            words = ["delete", kind, *names, "--ignore-not-found", f"--wait={str(wait).lower()}"]
            words += ["--cascade=orphan"] if orphan else []
            self._call(*words, f"--timeout={timeout:.0f}s", timeout=timeout + REQUEST_TIMEOUT)

    # ---- pods

    def exec(
        self,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command in a container of a pod; its code and its two outputs are those of the command."""
        interactive = ("--stdin",) if stdin is not None else ()
        words = ("exec", pod, "--container", container, *interactive, "--", *argv)
        return _of_command(self.runner.run((*self.argv, *words), stdin=stdin, timeout=timeout, on_line=on_line))

    def open(self, pod: str, container: str, argv: Sequence[str]) -> Pipe:
        """Start a command in a container of a pod, for a conversation."""
        return self.runner.open((*self.argv, "exec", pod, "--container", container, "--stdin", "--", *argv))

    def transfer(
        self,
        words: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """A call with bytes of any size from and to open files."""
        return _of_command(self.runner.transfer((*self.argv, *words), stdin=stdin, stdout=stdout, timeout=timeout))

    def logs(
        self, pod: str, container: str, *, tail: int, previous: bool = False, timeout: float = REQUEST_TIMEOUT
    ) -> str:
        """The last lines of a container; "" where it wrote none or has not begun."""
        words = ["logs", pod, "--container", container, f"--tail={tail}"]
        done = self._run(*words, *(("--previous",) if previous else ()), timeout=timeout)
        return done.stdout if done.ok else ""

    # ---- the server

    def version(self, *, waits: bool = True) -> tuple[int, int]:
        """Major and minor version of the API server; without ``waits`` it is asked once."""
        raw = json.loads(self._call("version", "--output", "json", waits=waits).stdout)
        server = raw.get("serverVersion")
        if not server:
            raise EngineError(Problem("the Kubernetes API server does not say its version"))
        return int(server["major"]), int(re.sub(r"\D.*", "", server["minor"]))

    # ---- shared

    def _call(
        self, *words: str, stdin: str | None = None, timeout: float = REQUEST_TIMEOUT, waits: bool = True
    ) -> Completed:
        """A call that may be repeated: an API server that restarts is waited for."""
        deadline = time.monotonic() + (PATIENCE if waits else 0.0)
        done = self._run(*words, stdin=stdin, timeout=timeout)
        while not done.ok and _is_unreachable(done) and time.monotonic() < deadline:
            time.sleep(PAUSE)
            done = self._run(*words, stdin=stdin, timeout=timeout)
        self._check(done)
        return done

    def _run(self, *words: str, stdin: str | None = None, timeout: float = REQUEST_TIMEOUT) -> Completed:
        return self.runner.run(
            (*self.argv, f"--request-timeout={timeout:.0f}s", *words), stdin=stdin, timeout=timeout + 5
        )

    def _check(self, done: Completed) -> None:
        if not done.ok:
            raise (UnreachableError if _is_unreachable(done) else EngineError)(explain(done))


def _of_command(done: Completed) -> Completed:
    """Without the line that kubectl adds to the output of a command that failed."""
    line = f"command terminated with exit code {done.returncode}\n"
    return replace(done, stderr=done.stderr[: -len(line)]) if done.stderr.endswith(line) else done


def _is_unreachable(done: Completed) -> bool:
    return done.returncode == 124 or any(text in done.stderr.lower() for text in _UNREACHABLE)


def explain(done: Completed) -> Problem:
    """Why a call of kubectl failed."""
    said, lower = done.tail(), done.stderr.lower()
    if done.returncode == 127 and done.stderr.endswith("command not found"):
        return Problem(
            "kubectl is not installed",
            details=said,
            resolution="install it (Debian 13: kubectl, of the package kubernetes-client in Debian 12)",
        )
    if found := _FORBIDDEN.search(done.stderr):
        return Problem(
            f"the cluster forbids it: {found['who']} may not {found['verb']} {found['kind']}",
            details=said,
            resolution="ask the cluster's administrator for that right, or use another context (`kubernetes: context`)",
        )
    if _is_unreachable(done):
        return Problem(
            "the Kubernetes API server cannot be reached",
            details=said,
            resolution="check `kubectl cluster-info`; what was done stands, and the same command goes on from there",
        )
    if managers := sorted({match["manager"] for match in _CONFLICT.finditer(done.stderr)}):
        return Problem(
            f"fields are owned by another manager: {', '.join(managers)}",
            details=said,
            resolution="see `saltern status --drift`; `saltern apply --repair` takes them back",
        )
    if "exceeded quota" in lower:
        return Problem(
            "a quota of the namespace is used up", details=said, resolution="raise it, or ask for less memory"
        )
    return Problem("Kubernetes refused a request", details=f"command: {' '.join(done.argv)}\n{said}")
