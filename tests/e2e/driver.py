"""Drives the ``saltern`` command as a user does, and looks at the engine behind its back."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from saltern.base.process import STUCK
from saltern.images.engine import LABEL_KEY, LABEL_OWNER, Container, Engine
from saltern.targets.compose import LABEL_CLOUD, LABEL_ROLE

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests"
"""XDG_CACHE_HOME of the commands: kept between runs."""
SALTERN = Path(sys.executable).parent / "saltern"
TIMEOUT = 1500.0
"""Seconds that a command of most clouds may take; the first one builds all images."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"exit code {self.code} after {self.seconds:.0f} s\n{self.stdout[-3000:]}\n{self.stderr[-6000:]}"


@dataclass(frozen=True)
class Cloud:
    """A model with its own state folder, and the engine in which its cloud runs."""

    name: str
    model: Path
    state: Path
    engine: Engine
    ports: dict[str, int]
    inside: tuple[str, ...] = ()
    """What a command begins with so that it runs where the engine is."""
    timeout: float = TIMEOUT
    """Seconds that one command may take."""

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.state), "XDG_CACHE_HOME": str(CACHE), "COLUMNS": "200"}

    @property
    def own_state(self) -> Path:
        return self.state / "saltern" / self.name

    def argv(self, verb: str, *words: str) -> list[str]:
        return [*self.inside, str(SALTERN), verb, *words, "--model", str(self.model), "--engine", self.engine.name]

    def saltern(self, verb: str, *words: str, code: int | None = 0) -> Done:
        """Run a verb to its end; ``code`` is what it has to return, None: anything."""
        begun = time.monotonic()
        child = subprocess.Popen(
            self.argv(verb, *words),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        try:
            stdout, stderr = child.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            at_work = _at_work()
            child.kill()
            stdout, stderr = child.communicate()
            pytest.fail(f"saltern {verb} did not end:\n{Done(STUCK, stdout, stderr, self.timeout)}\n{at_work}")
        found = Done(child.returncode, stdout, stderr, time.monotonic() - begun)
        assert code is None or found.code == code, f"saltern {verb}: {found}"
        return found

    def up(self) -> Done:
        return self.saltern("up", "--no-verify", "--json")

    @contextmanager
    def started(self, verb: str, *words: str) -> Iterator[Events]:
        """A verb that runs in the background; killed at the end if it still does."""
        child = subprocess.Popen(
            [*self.argv(verb, *words), "--progress", "json"],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        events = Events(child)
        try:
            yield events
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            events.close()

    def call(self, *words: str, timeout: float = 300) -> str:
        """What the engine's own command says."""
        done = subprocess.run(
            [*self.engine.argv, *words],
            env={**os.environ, **self.engine.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def containers(self) -> dict[str, tuple[str, str, str]]:
        """Name → (id, image id, start) of the cloud's containers, running or not."""
        ids = self._listed("ps", "--all", "--quiet")
        raw = json.loads(self.call("inspect", "--type", "container", *ids)) if ids else []
        return {c["Name"].lstrip("/"): (c["Id"], c["Image"], c["State"]["StartedAt"]) for c in raw}

    def processes(self) -> dict[str, tuple[str, str, str]]:
        prefix = f"{self.name}-"
        return {name.removeprefix(prefix): found for name, found in self.containers().items()}

    def left(self) -> dict[str, list[str]]:
        """Everything in the engine that carries the cloud's label."""
        return {
            "containers": self._listed("ps", "--all", "--quiet"),
            "networks": self._listed("network", "ls", "--quiet"),
            "volumes": self._listed("volume", "ls", "--quiet"),
        }

    def _listed(self, *words: str) -> list[str]:
        return self.call(*words, "--filter", f"label={LABEL_CLOUD}={self.name}").split()

    def helpers(self, pid: int) -> list[str]:
        """Helper containers of a saltern process."""
        rows = self.engine.containers(LABEL_OWNER)
        return [one.name for one in rows if one.labels[LABEL_OWNER].startswith(f"{pid}:")]

    def jobs(self) -> list[str]:
        rows = self.engine.containers(f"{LABEL_CLOUD}={self.name}")
        return [one.name for one in rows if one.labels.get(LABEL_ROLE) == "job"]

    def forget_images(self) -> None:
        """Remove the cloud's images under all their tags: those of earlier runs on this machine would be found."""
        tags = {tag for image in self.engine.images(LABEL_KEY) for tag in image.tags}
        self.engine.remove_images(sorted(tag for tag in tags if f"/{self.name}/" in tag))

    def helpers_of_the_dead(self) -> list[str]:
        """Helper containers of saltern processes that are no more."""
        rows = self.engine.containers(LABEL_OWNER)
        return [one.name for one in rows if not Path("/proc", one.labels[LABEL_OWNER].partition(":")[0]).exists()]

    def rows(self) -> list[Container]:
        """The containers of processes, as the engine tells of them."""
        rows = self.engine.containers(f"{LABEL_CLOUD}={self.name}")
        return [one for one in rows if one.labels.get(LABEL_ROLE) == "process"]

    def kill(self, service: str) -> None:
        """End a container's process behind Saltern's back."""
        self.call("kill", f"{self.name}-{service}")

    @contextmanager
    def brought_up(self) -> Iterator[Done]:
        """From nothing, and nothing is left of it afterwards; yields what ``up`` said."""
        self.clean()
        try:
            self.saltern("build")  # for itself: each command has its time, and there is much to build
            yield self.saltern("up", "--json")
        finally:
            self.clean()

    def clean(self) -> None:
        """Remove what is left of the cloud; the images stay, they are the next run's cache."""
        left = self.left()
        options = ("--time", "0", "--volumes") if self.engine.name == "podman" else ("--volumes",)
        if left["containers"]:
            with suppress(AssertionError):  # podman removes one whose network others share only after those
                self.call("rm", "--force", *options, *left["containers"])
        if rest := self.left()["containers"]:
            self.call("rm", "--force", *options, *rest)
        for kind in ("networks", "volumes"):
            for name in left[kind]:
                self.call(kind[:-1], "rm", name)


class Events:
    """The events of a running command, read while it runs."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.seen: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.lines.append(line)
            if line.startswith('{"stage"'):
                self.seen.append(json.loads(line))

    def wait_for(self, check: Callable[[dict[str, Any]], bool], seconds: float = 600) -> bool:
        """Wait for an event; False when the command ended without it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(check(event) for event in list(self.seen)):
                return True
            if self.child.poll() is not None and not self._thread.is_alive():
                return any(check(event) for event in self.seen)
            time.sleep(0.05)
        raise AssertionError(f"nothing happened in {seconds:.0f} s: {''.join(self.lines[-20:])}")

    def kill(self) -> None:
        """End it the hard way; one that has ended is no error."""
        self.child.kill()
        self.child.wait(timeout=30)

    def close(self) -> None:
        self._thread.join(timeout=30)  # what the child started may hold its stderr a little longer
        if self.child.stderr is not None:
            self.child.stderr.close()

    def wait(self, seconds: float = TIMEOUT) -> int:
        code = self.child.wait(timeout=seconds)
        self._thread.join(timeout=10)
        return code


@dataclass
class LocalRegistry:
    """Debian's docker-registry on a loopback address; what was pushed stays in its folder when it stops."""

    folder: Path
    address: str
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\n"
            f"http: {{addr: '{self.address}'}}\n"
        )
        with (self.folder / "log").open("a") as log:
            argv = ["docker-registry", "serve", str(self.folder / "config.yml")]
            self.child = subprocess.Popen(argv, stdout=log, stderr=log)
        assert eventually(self._answers), (self.folder / "log").read_text()[-2000:]

    def stop(self) -> None:
        if self.child is not None:
            self.child.terminate()
            self.child.wait(timeout=30)
            self.child = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers there for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/v2/", trust_env=False).is_success
        except httpx.HTTPError:
            return False


def free_port() -> int:
    """A loopback port that nothing uses, below those that the kernel gives to clients; each worker has its range."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = 20000 + worker % 4 * 2500
    for port in range(begin + os.getpid() % 1500, begin + 2500):
        if port not in _GIVEN:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _GIVEN.add(port)
            return port
    raise AssertionError("no port is free")


_GIVEN: set[int] = set()


def copy_of_example(model: Path, ports: Mapping[str, int]) -> Path:
    """examples/single on other ports."""
    shutil.copytree(ROOT / "examples" / "single", model)
    common = model / "classes/cluster/single/init.yml"
    for name, usual, node in (("identity", 5000, "keystone"), ("image", 9292, "glance")):
        substitute(common, f"${{_param:public_address}}:{usual}", f"${{_param:public_address}}:{ports[name]}")
        substitute(model / f"nodes/{node}.yml", f"127.0.0.1:{usual}", f"127.0.0.1:{ports[name]}")
    return model


def substitute(file: Path, old: str, new: str) -> None:
    """Replace a text that the file must have."""
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))


def _at_work() -> str:
    """What runs on this machine, and what each process waits for in the kernel."""
    columns = "pid,ppid,etimes,stat,wchan:24,args"
    done = subprocess.run(("ps", "-ww", "--forest", "-eo", columns), capture_output=True, text=True, check=False)
    return "\n".join(line[:300] for line in done.stdout.splitlines() if "[" not in line[:80])


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def build_processes(words: Sequence[str]) -> list[int]:
    """Processes of this machine whose command line has all of the words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(word in argv for word in words):
            found.append(int(folder.name))
    return found
