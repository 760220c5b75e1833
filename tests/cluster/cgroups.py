"""The cgroup of each node, below which its kubelet keeps the pods; on machines of either generation of cgroups."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from .machine import wait_until

TOP = Path("/sys/fs/cgroup")


def make(name: str) -> None:
    """Make it, in each hierarchy that there is."""
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
    for setting in (TOP / "cpuset" / "cpuset.cpus", TOP / "cpuset" / "cpuset.mems"):
        if setting.exists():
            (setting.parent / name / setting.name).write_text(setting.read_text())


def remove(name: str) -> None:
    """Remove it and what is below; its processes were ended a moment ago. ``name`` may be a pattern."""
    for top in [found for hierarchy in _hierarchies() for found in hierarchy.glob(name)]:
        folders = [path for path in (top, *top.rglob("*")) if path.is_dir()]
        for folder in sorted(folders, reverse=True):
            wait_until(functools.partial(_removed, folder), 10, f"the end of cgroup {folder}")


def _hierarchies() -> Iterator[Path]:
    if (TOP / "cgroup.controllers").exists():
        yield TOP
        return
    yield from (path for path in TOP.iterdir() if path.is_dir() and not path.is_symlink())


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True
