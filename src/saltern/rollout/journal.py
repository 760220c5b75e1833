"""What a rollout must remember and the engine cannot: which jobs are done. Unlike the cache, it may not be lost.

A job's name holds the hash of what it does, so a done job is never done again and a changed one is another job.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from pathlib import Path

from saltern.base.store import write_atomically
from saltern.rollout.rollouts import told
from saltern.targets.workload import Cloud


class Journal:
    """The file ``jobs.json`` of one cloud; each change is on disk before the method returns, or a RolloutError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._done = self._read()

    def _read(self) -> set[str]:
        try:
            return set(json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError):  # none yet, or damaged: jobs are safe to repeat
            return set()

    @property
    def done(self) -> frozenset[str]:
        """Container names of the jobs that succeeded."""
        return frozenset(self._done)

    def add(self, job: str) -> None:
        """Remember that a job succeeded."""
        with self._lock:
            self._done.add(job)
            self._write()

    def keep(self, jobs: Collection[str]) -> None:
        """Forget all jobs but these."""
        with self._lock:
            if not self._done <= set(jobs):
                self._done &= set(jobs)
                self._write()

    def _write(self) -> None:
        with told(self._path.parent):
            write_atomically(self._path, json.dumps(sorted(self._done), indent=1).encode() + b"\n")


def lost(
    cloud: Cloud, expected: dict[str, set[str]], present: Collection[str], forgetful: Collection[str] = ()
) -> dict[str, str]:
    """Workloads whose done jobs count no more, and why: their data is gone, or that of one they need.

    ``expected`` maps a workload's name to its data volumes; ``present`` are the volumes that the engine has;
    ``forgetful`` workloads lose what they have with their containers.
    """
    gone = dict.fromkeys(forgetful, "what it did goes with the old container")
    for name, volumes in expected.items():
        if missing := sorted(volumes - set(present)):
            gone[name] = f"what it did is gone: there is no volume {', '.join(missing)}"
    for wave in cloud.ordered():
        for workload in wave:
            need = next((need for need in workload.needs if need in gone), "")
            if need:
                gone.setdefault(workload.name, f"what it did in {need} is gone")
    return gone
