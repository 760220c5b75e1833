"""Real engines for the tests of this folder: each test that takes ``engine`` runs with podman and with docker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.errors import EngineError
from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.images.base import DEFAULT_BASES, Base, ensure_base
from saltern.images.engine import Engine
from saltern.images.engine.select import ENGINES, select_engine

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests"
"""Kept between runs: bootstrapped bases."""


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "docker":
        request.getfixturevalue("docker_daemon")
    try:
        engine = select_engine(LocalRunner(), CACHE, request.param)
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    engine.sweep()
    yield engine
    engine.sweep()


@pytest.fixture(scope="session")
def base(engine: Engine) -> Base:
    return ensure_base(engine, LocalRunner(), Store(CACHE), DEFAULT_BASES["debian-12"], silent)
