"""Names and folders of clusters: one for each that runs; what a killed run left under a name is taken away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import binaries, cgroups
from .machine import end_recorded, ip

CLUSTERS = binaries.CACHE.parent / "clusters"
NAMES = "abcdefgh"
"""One for each cluster that may run at the same time."""


@contextlib.contextmanager
def claimed() -> Iterator[Path]:
    """An empty folder whose name no living run uses; at the end only logs stay in it."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as mine:
        folder = CLUSTERS / _claim(mine)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            clear(folder.name)


def _claim(mine: contextlib.ExitStack) -> str:
    """The first free name, locked until ``mine`` closes."""
    chosen = ""
    for name in NAMES:
        with contextlib.ExitStack() as lock:
            if _try_lock(name, lock):
                clear(name)
                if not chosen:
                    chosen = name
                    mine.enter_context(lock.pop_all())
    if not chosen:
        raise RuntimeError(f"{len(NAMES)} test clusters run already")
    return chosen


def clear(name: str) -> None:
    """Take away what is left of a cluster of that name, whatever became of its run; only logs stay."""
    folder = CLUSTERS / name
    for pid in (*folder.glob("*/pid"), folder / "registry.pid"):
        end_recorded(pid)
    with contextlib.suppress(RuntimeError):  # the kernel takes it away as well, a little later
        ip(f"link delete st-{name}")
    cgroups.remove(f"saltern-tests-{name}-*")
    for place, folders, files in os.walk(folder, topdown=False):
        for path in (Path(place) / entry for entry in files if not entry.endswith(".log")):
            path.unlink()
        for path in (Path(place) / entry for entry in folders):
            path.unlink() if path.is_symlink() else _remove_if_empty(path)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _try_lock(name: str, locks: contextlib.ExitStack) -> bool:
    lock = (CLUSTERS / f"{name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    locks.enter_context(lock)
    return True
