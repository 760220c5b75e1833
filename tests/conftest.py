"""What tests with real engines share: a docker daemon where none runs (CI machines have no init that starts one)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from .containers.plainsalt import PlainMachine, applied_machines
from .e2e.driver import copy_of_example, free_port

# A run in the background (`… &` of a script) begins with these ignored, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

settings.register_profile("steady", derandomize=not os.environ.get("SALTERN_TESTS_HUNT"), deadline=None)
settings.load_profile("steady")

DAEMON_FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests" / "dockerd"
"""Data of the daemon that the tests start; kept between runs, as its images are."""
DAEMON_WAIT = 60.0


GROUPS = ("podman", "docker", "cluster", "rollouts")
"""What tests have in common that only one process may have, in the order in which they begin.

The first of podman's end builds and look at what is left: no other group that builds with podman runs by then. The
cluster's binaries are built while the first two run.
"""


def group_of(nodeid: str) -> str:
    """Which tests stay in one process: those of an engine's cloud, of the cluster; else those of a file."""
    file, _, name = nodeid.partition("::")
    folder = file.removeprefix("tests/").partition("/")[0]
    if folder == "cluster":
        return "cluster"
    if folder not in ("containers", "e2e"):
        return file
    if folder == "e2e" and Path(file).stem in ("test_rollouts", "test_faults"):
        return "rollouts"
    if re.search(r"\[(.*-)?docker(-.*)?\]$", name):
        return "docker"
    return "podman"


class ByGroup(LoadScopeScheduling):
    """Gives groups to processes, in the order in which they are collected."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    """For ``-n``. (xdist's own groups do not work with pytest 9.2, whose node ids are fixed.)"""
    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long groups come first, and the short tests fill up."""
    items.sort(key=lambda item: (*GROUPS, group_of(item.nodeid)).index(group_of(item.nodeid)))


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    """Where the main cloud answers; one engine's is gone when the next one's begins."""
    return {"identity": free_port(), "image": free_port()}


@pytest.fixture(scope="session")
def plain(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PlainMachine]]:
    """The example's nodes on plain machines; one set of them serves all tests of all engines, as it takes minutes."""
    with applied_machines(copy_of_example(tmp_path_factory.mktemp("plain") / "model", ports), "debian-12") as machines:
        yield machines


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[None]:
    """A docker daemon that answers: the machine's own, else one that is started by hand and ended with the tests.

    Where neither works nothing is said here; the engine's own error tells, or the test is skipped.
    """
    daemon = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/usr/local/sbin")
    if _answers() or daemon is None or os.geteuid() != 0:
        yield
        return
    DAEMON_FOLDER.mkdir(parents=True, exist_ok=True)
    folders = ("--data-root", str(DAEMON_FOLDER / "data"), "--exec-root", str(DAEMON_FOLDER / "exec"))
    pid_file = ("--pidfile", str(DAEMON_FOLDER / "pid"))
    (DAEMON_FOLDER / "pid").unlink(missing_ok=True)
    with (DAEMON_FOLDER / "log").open("w") as log:
        child = subprocess.Popen([daemon, *folders, *pid_file], stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + DAEMON_WAIT
            while time.monotonic() < deadline and child.poll() is None and not _answers():
                time.sleep(0.5)
            if not _answers() and os.environ.get("CI"):
                tail = "\n".join((DAEMON_FOLDER / "log").read_text().splitlines()[-20:])
                pytest.fail(f"dockerd does not answer after {DAEMON_WAIT:.0f} s:\n{tail}")
            yield
        finally:
            child.terminate()
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _answers() -> bool:
    client = shutil.which("docker") or "/usr/bin/docker"
    try:
        done = subprocess.run([client, "version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
