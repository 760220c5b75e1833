"""What a rollout did to data, and must be known as long as the data lives: done upgrade stages, and generations.

One file per cloud, beside the jobs' journal. A stage is written down when it has been done; a new generation before
the first act that makes it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, RolloutError
from saltern.base.store import write_atomically
from saltern.rollout.rollouts import told


@dataclass(frozen=True, slots=True)
class Upgrading:
    """A component of a workload on its way from one Debian version to another. ``done`` are keys of its stages."""

    old: str
    new: str
    done: tuple[str, ...] = ()


class Ledger:
    """The file; every change is on disk when the method returns. Raises RolloutError when that cannot be done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        raw = _read(path)
        self._upgrades = {key: Upgrading(**{**one, "done": tuple(one["done"])}) for key, one in raw["upgrades"].items()}
        self._generations = {name: int(number) for name, number in raw["generations"].items()}
        self._newest = {name: int(number) for name, number in {**raw["generations"], **raw["newest"]}.items()}

    @property
    def upgrades(self) -> Mapping[str, Upgrading]:
        """``<workload>/<component>`` → how far its upgrade came."""
        return dict(self._upgrades)

    @property
    def generations(self) -> Mapping[str, int]:
        """Workload → which of its fresh instances counts, where it is not the first."""
        return dict(self._generations)

    def next(self, workload: str) -> int:
        """The number of a workload's next fresh instance; none ever had it, so its volumes are new."""
        return self._newest.get(workload, 1) + 1

    def done(self, key: str, old: str, new: str, stage: str) -> None:
        """A command of a stage was done."""
        with self._lock:
            known = self._upgrades.get(key)
            if known is None or known.new != new:
                known = Upgrading(old, new)
            self._upgrades[key] = replace(known, done=tuple(dict.fromkeys([*known.done, stage])))
            self._write()

    def forget(self, key: str) -> None:
        """Nothing of the upgrade is left to be done, or it was taken back."""
        with self._lock:
            if self._upgrades.pop(key, None) is not None:
                self._write()

    def begin(self, generations: Mapping[str, int]) -> None:
        """These workloads get fresh instances."""
        with self._lock:
            if generations:
                self._generations |= generations
                self._newest |= {name: max(number, self._newest.get(name, 1)) for name, number in generations.items()}
                self._write()

    def go_back(self, generations: Mapping[str, int]) -> None:
        """Of these workloads an instance before the newest counts again."""
        self.begin(generations)

    def clear(self) -> None:
        """The data is gone."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        upgrades = {key: asdict(one) for key, one in self._upgrades.items()}
        raw = {"upgrades": upgrades, "generations": self._generations, "newest": self._newest}
        with told(self._path.parent):
            write_atomically(self._path, json.dumps(raw, indent=1, sort_keys=True).encode() + b"\n")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        raw = json.loads(path.read_text())
        kinds = {"newest": {}, **raw}  # files of before have no such number
        return {kind: dict(kinds[kind]) for kind in ("upgrades", "generations", "newest")}
    except FileNotFoundError:
        return {"upgrades": {}, "generations": {}, "newest": {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RolloutError(
            Problem(
                f"{path} is damaged: {error}",
                details="it says which schema changes were made; without it, they could be made twice, or forgotten",
                resolution="restore it from a backup of this folder; `saltern history` shows what was done",
            )
        ) from error
