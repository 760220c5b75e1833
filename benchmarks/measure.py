"""What the benchmark scripts share: a project of the example, timed runs, a table of medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from saltern.images.engine import Engine
from saltern.project.context import Options, Project, open_project

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "examples" / "single"
SALTERN = str(Path(sys.executable).parent / "saltern")


def project() -> Project:
    """The example with podman."""
    return open_project(MODEL, Options(engine="podman"))


def seconds(act: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def call(engine: Engine, *words: str) -> str:
    """Run an engine command; its stdout. A failure ends the benchmark."""

    done = subprocess.run(
        [*engine.argv, *words], env={**os.environ, **engine.environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr[-2000:]}")
    return done.stdout


def saltern(*words: str) -> None:
    """Run our command on the example; a failure ends the benchmark."""
    done = subprocess.run(
        [SALTERN, *words, "--model", str(MODEL), "--engine", "podman"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"saltern {' '.join(words)}\n{done.stderr[-2000:]}")


def table(rows: Sequence[tuple[str, Sequence[float], str]]) -> None:
    """Name, values and unit of each row: median, least and greatest."""
    print(f"{'':48} {'median':>10} {'least':>10} {'greatest':>10}")
    for name, values, unit in rows:
        found = [statistics.median(values), min(values), max(values)]
        print(f"{name:48} " + " ".join(f"{value:9.3f}{unit[:1]}" for value in found))
