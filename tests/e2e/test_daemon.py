"""The engine ends in the middle of an apply: a docker daemon of the test's own, in a network namespace of its own.

Nothing of it meets the daemon of the other tests: neither its data, nor its bridges, nor its rules for packets.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import EngineError
from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from .driver import CACHE, Cloud, eventually, substitute
from .test_foreign import PASSWORD, copy_of_model

OUR_IMAGES = ("localhost/saltern/base-debian-12", "localhost/saltern/toolchain-debian-12")
STARTS = 4
"""How often the daemon is started at most."""
SEARCH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@dataclass
class OwnDaemon:
    """A docker daemon in its own namespace; ``inside`` is what a command begins with that shall be there too."""

    folder: Path
    namespace: str = f"saltern-{os.getpid()}"
    child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def inside(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/run/netns/{self.namespace}")

    def start(self) -> None:
        """As systemd does: one that ends is started again, e.g. when the containerd of a killed one still holds on."""
        for _ in range(STARTS):
            self._spawn()
            if eventually(lambda: self.ended() or self._answers(), 60) and not self.ended():
                return
            if not self.ended():
                break
        pytest.fail((self.folder / "log").read_text()[-3000:])

    def _spawn(self) -> None:
        daemon = shutil.which("dockerd") or shutil.which("dockerd", path=SEARCH)
        assert daemon is not None
        folders = ("--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec")
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "log").open("a") as log:
            argv = [*self.inside, daemon, *folders, "--pidfile", f"{self.folder}/pid", "--host", self.address]
            self.child = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def ended(self) -> bool:
        return self.child is None or self.child.poll() is not None

    def end(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(number)
        self.child.wait(timeout=60)
        self.child = None

    def remove(self) -> None:
        """All of it, also when it could not be started any more: what a killed daemon leaves runs on and is mounted."""
        if self.child is not None:
            self.end(signal.SIGTERM)
        left = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        for pid in left.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([one for one in mounts if Path(one).is_relative_to(self.folder)]):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, images: list[str]) -> None:
        """Bring images over from the daemon of the other tests."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.address, "load"], stdin=saving.stdout, check=True, timeout=300)
        assert saving.returncode == 0

    def _answers(self) -> bool:
        done = subprocess.run(["docker", "--host", self.address, "version"], capture_output=True, check=False)
        return done.returncode == 0


@pytest.fixture
def daemon(docker_daemon: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDaemon]:
    own = OwnDaemon(tmp_path_factory.mktemp("dockerd"))
    subprocess.run(["ip", "netns", "add", own.namespace], check=True)
    try:
        subprocess.run([*own.inside, "ip", "link", "set", "lo", "up"], check=True)
        own.start()
        yield own
    finally:
        own.remove()
        subprocess.run(["ip", "netns", "delete", own.namespace], check=True)


@pytest.fixture
def cloud(daemon: OwnDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """tests/e2e/model in that daemon, up; its images are built by the other one, which has a network."""
    try:
        engine = select_engine(LocalRunner(), CACHE / "saltern", "docker")
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    found = copy_of_model(engine, tmp_path, "e2e-daemon")
    built = [image["tag"] for image in found.saltern("build", "--json").json]
    ours = found.call("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    daemon.load([*built, *(tag for tag in ours if tag.startswith(OUR_IMAGES))])
    monkeypatch.setenv("DOCKER_HOST", daemon.address)
    found = replace(found, inside=daemon.inside)
    try:
        found.up()
        yield found
    finally:
        if daemon.ended():
            daemon.start()
        found.clean()


def test_a_daemon_that_ends_in_the_middle(cloud: Cloud, daemon: OwnDaemon) -> None:
    """SIGKILL inside a step; then SIGTERM inside one of the apply that goes on; then all of it, with its data."""
    assert "OK" in cli(cloud, "SET visitors 42")
    substitute(cloud.model / "classes/app/cache.yml", "hello from salt", "hello again")
    substitute(cloud.model / "classes/app/cache.yml", "    server:\n", "    server:\n      maxmemory: 48mb\n")
    substitute(cloud.model / "classes/app/web.yml", "The blog", "A new blog")
    for number, state in ((signal.SIGKILL, "started"), (signal.SIGTERM, "done")):
        with cloud.started("apply", "--yes", "--no-verify") as running:
            assert running.wait_for(lambda e: e["stage"] in ("start", "job") and e["state"] == state)  # noqa: B023 - used at once
            daemon.end(number)
            code, said = running.wait(), "".join(running.lines)
        assert code in (7, 10), said
        assert "has a defect" not in said
        done = cloud.saltern("status", code=7)
        assert "docker" in done.stderr
        cloud.saltern("apply", "--yes", code=7)
        daemon.start()
        assert_true(cloud)
    cloud.saltern("apply", "--yes", "--no-verify")
    assert cloud.saltern("plan", "--json").json["steps"] == []
    status = assert_true(cloud)
    assert (status["rollout"]["outcome"], [line["ready"] for line in status["processes"]]) == ("done", [True, True])
    assert cloud.jobs() == []
    assert "hello again" in cli(cloud, "GET greeting")
    assert "42" in cli(cloud, "GET visitors")


def cli(cloud: Cloud, words: str) -> str:
    return cloud.call("exec", f"{cloud.name}-cache", "redis-cli", "--no-auth-warning", "-a", PASSWORD, *words.split())


def assert_true(cloud: Cloud) -> dict[str, Any]:
    """What `status` says is what the engine has."""
    found: dict[str, Any] = cloud.saltern("status", "--json", code=None).json
    there = {one.name.removeprefix(f"{cloud.name}-"): one.state for one in cloud.rows()}
    assert {line["service"]: line["state"] for line in found["processes"] if line["state"] != "missing"} == there
    assert all(line["state"] == "running" for line in found["processes"] if line["ready"])
    assert not there or {line["service"] for line in found["processes"]} == {"cache", "web"}
    return found
