"""Whole clouds through the real ``saltern`` command, a real engine and a real registry; one main cloud per engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saltern.base.errors import EngineError
from saltern.base.process import LocalRunner
from saltern.images.engine import Engine
from saltern.images.engine.select import ENGINES, select_engine

from .driver import CACHE, Cloud, copy_of_example, free_port


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
    program = shutil.which("docker-registry")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("docker-registry is not installed")
        pytest.skip("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    with (folder / "log").open("w") as log:
        child = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
        try:
            _wait_for(f"http://{address}/v2/", folder / "log")
            yield address
        finally:
            child.terminate()
            child.wait(timeout=30)


def _wait_for(url: str, log: Path) -> None:
    for _ in range(100):
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer:\n{log.read_text()[-2000:]}")


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
