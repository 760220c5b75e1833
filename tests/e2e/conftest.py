"""Whole clouds through the real ``saltern`` command, a real engine and a real registry; one main cloud per engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from saltern.base.errors import EngineError
from saltern.base.process import LocalRunner
from saltern.images.engine import Engine
from saltern.images.engine.select import ENGINES, select_engine

from .driver import CACHE, Cloud, LocalRegistry, copy_of_example, free_port


@pytest.fixture(scope="session", params=tuple(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "docker":
        request.getfixturevalue("docker_daemon")
    try:
        return select_engine(LocalRunner(), CACHE / "saltern", request.param)
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry on a loopback port."""
    if shutil.which("docker-registry") is None:
        if os.environ.get("CI"):
            pytest.fail("docker-registry is not installed")
        pytest.skip("docker-registry is not installed")
    found = LocalRegistry(tmp_path_factory.mktemp("registry"), f"127.0.0.1:{free_port()}")
    found.start()
    try:
        yield found.address
    finally:
        found.stop()


@pytest.fixture(scope="session")
def cloud(
    engine: Engine, registry: str, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """examples/single under another name, on other ports, with a registry. Tests bring it up when they need it."""
    folder = tmp_path_factory.mktemp(f"cloud-{engine.name}")
    name = f"e2e-{engine.name}"
    model = copy_of_example(folder / "model", ports)
    (model / "saltern.yml").write_text(f"cloud: {name}\nengine: {engine.name}\nregistry: {registry}\n")
    found = Cloud(name, model, folder / "state", engine, ports)
    found.clean()
    try:
        yield found
    finally:
        found.clean()
