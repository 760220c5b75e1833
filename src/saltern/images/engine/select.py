"""Which engine to use: the siblings in one dict, podman first where both are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from saltern.base.errors import EngineError, Problem, UsageError
from saltern.base.process import Runner
from saltern.images.engine import Engine, docker, podman

Prepare = Callable[[Runner, Path], Engine]
"""Makes an engine ready, with a cache directory for what was found out; an EngineError says why it cannot be used."""

ENGINES: Mapping[str, Prepare] = {"podman": podman.prepare, "docker": docker.prepare}
"""In the order of preference."""


def select_engine(runner: Runner, cache: Path, name: str = "", engines: Mapping[str, Prepare] = ENGINES) -> Engine:
    """The engine ``name``, or without a name the first one that works; the EngineError tells of all that were tried."""
    if name and name not in engines:
        raise UsageError(Problem(f"unknown engine {name!r}", resolution=f"use one of: {', '.join(engines)}"))
    if name:
        return engines[name](runner, cache)
    problems: list[Problem] = []
    for prepare in engines.values():
        try:
            return prepare(runner, cache)
        except EngineError as error:
            problems += error.problems
    raise EngineError(problems)
