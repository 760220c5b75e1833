"""What tests with real engines share: a docker daemon where none runs (CI machines have no init that starts one)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .containers.plainsalt import PlainMachine, applied_machines
from .e2e.driver import copy_of_example, free_port

# A run in the background (`… &` of a script) begins with these ignored, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

settings.register_profile("steady", derandomize=not os.environ.get("SALTERN_TESTS_HUNT"))
settings.load_profile("steady")

DAEMON_FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests" / "dockerd"
"""Data of the daemon that the tests start; kept between runs, as its images are."""
DAEMON_WAIT = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share an engine's cloud stay together; the longest parts begin first, and the short tests fill up."""
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    order = ("docker", "podman", "ha", "cluster", "")
    items.sort(key=lambda item: order.index(_group(item)))


def _group(item: pytest.Item) -> str:
    """Which worker's test it is; "": any worker's."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    if folder == "cluster" or folder not in ("containers", "e2e"):
        return "cluster" if folder == "cluster" else ""
    engine = getattr(item, "callspec", None) and item.callspec.params.get("engine")  # type: ignore[attr-defined]
    if engine == "docker":
        return "docker"
    return "ha" if item.path.stem in ("test_rollouts", "test_faults") else "podman"


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
