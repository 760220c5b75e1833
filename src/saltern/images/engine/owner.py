"""Who made a helper container: a process id that cannot be confused with a later process of the same number."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
_START_FIELD = 19
"""``starttime`` is field 22 of /proc/PID/stat; 19 counts from the state, which follows the command's last ")"."""


def stat_fields(pid: int | str, proc: Path = PROC) -> list[str]:
    """Fields of /proc/PID/stat from the state on (state, parent, …). Raises OSError when there is no such process."""
    return (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def start_time(pid: int, proc: Path = PROC) -> str:
    """When the process started, in clock ticks since boot as text; "" when there is no such process."""
    try:
        fields = stat_fields(pid, proc)
    except OSError:
        return ""
    return "" if not fields or fields[0] in "ZX" else fields[_START_FIELD]


def owner(proc: Path = PROC) -> str:
    """This process as the value of the owner label: ``<pid>:<start time>``."""
    pid = os.getpid()
    return f"{pid}:{start_time(pid, proc)}"


def is_alive(value: str, proc: Path = PROC) -> bool:
    """Whether the process of an owner label still runs; a label that nobody could have written counts as dead."""
    pid, _, started = value.partition(":")
    return pid.isdigit() and bool(started) and start_time(int(pid), proc) == started
