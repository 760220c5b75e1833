"""Packages of the base that the package lock wants newer: nothing in a formula asks for them, so apt is asked here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Result = dict[str, Any]
Execute = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command; returns its code and what it said."""

KEEP_FILES = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")


def run(wanted: Mapping[str, str], execute: Execute | None = None) -> list[Result]:
    """Bring packages (name → version) to the versions; a result as of a state, or none when there is nothing to do."""
    execute = execute or _execute
    begun = time.monotonic()
    _, said = execute(("dpkg-query", "-W", "-f", "${Package}\t${Version}\n", *sorted(wanted)))
    installed = dict(line.split("\t", 1) for line in said.splitlines() if "\t" in line)
    # What is not there any more was removed by a state, and stays so.
    behind = [name for name in sorted(wanted) if installed.get(name, wanted[name]) != wanted[name]]
    missing = [f"{name}={wanted[name]}" for name in behind]
    if not missing:
        return []
    code, said = execute(("apt-get", "-q", "update"))
    if code == 0:
        code, said = execute(("apt-get", "-q", "-y", "--only-upgrade", *KEEP_FILES, "install", *missing))
    return [
        {
            "id": "packages.lock",
            "name": "packages.lock",
            "function": "apt-get install",
            "ok": code == 0,
            "changes": {name: {"old": installed[name], "new": wanted[name]} for name in behind if code == 0},
            "comment": f"upgraded {', '.join(missing)}" if code == 0 else said.strip()[-3000:],
            "seconds": round(time.monotonic() - begun, 3),
        }
    ]


def _execute(argv: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(
        list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False
    )
    sys.stderr.write(done.stdout)
    return done.returncode, done.stdout
