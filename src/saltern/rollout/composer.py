"""The Compose implementations behind one function each; which one fits is found out once per run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from saltern.base.errors import EngineError, Problem
from saltern.base.process import Completed, Runner
from saltern.images.engine import Engine


class Composer:
    """Starts single services of a Compose file, without what they depend on: Saltern keeps the order itself.

    podman-compose cannot wait for a job that has already ended, and no implementation shows jobs, probes and processes
    as one progress; see docs/decisions/031-compose.md.
    """

    def __init__(self, engine: Engine, runner: Runner, argv: Sequence[str], file: Path) -> None:
        self._engine = engine
        self._runner = runner
        self._argv = (*argv, "-p", file.parent.name, "-f", str(file))

    def up(self, service: str, *, replace: bool) -> Completed:
        """Create and start one service in the background; ``replace``: a container of that name goes first."""
        recreate = ("--force-recreate",) if replace else ()
        return self._runner.run(
            (*self._argv, "up", "-d", "--no-deps", *recreate, service), env=self._engine.environment, timeout=300
        )


def find_composer(engine: Engine, runner: Runner, file: Path) -> Composer:
    """The Compose implementation for an engine; raises EngineError when there is none."""
    if engine.name == "podman":
        script = Path(sys.executable).parent / "podman-compose"
        return Composer(engine, runner, (str(script) if script.exists() else "podman-compose",), file)
    for argv in ((*engine.argv, "compose"), ("docker-compose",)):
        if runner.run((*argv, "version"), env=engine.environment, timeout=30).ok:
            return Composer(engine, runner, argv, file)
    raise EngineError(
        Problem("docker has no compose", resolution="install docker-compose (Debian) or the compose plugin of docker")
    )
