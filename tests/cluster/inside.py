"""A saltern in the cluster: its image, and a repository and a registry that its pods reach."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from saltern.base.process import LocalRunner
from saltern.images.base import DEFAULT_BASES
from saltern.images.engine.select import select_engine

from ..e2e.driver import CACHE, ROOT
from .cluster import Cluster

RELEASE = "3.11 36"
"""Of Debian 12, whose kubectl is of the cluster's version."""
FORWARD = """
import asyncio

async def pump(source, target):
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.close()

async def serve(reader, writer):
    other_reader, other_writer = await asyncio.open_connection({host!r}, {port})
    await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", {own}) as server:
        await server.serve_forever()

asyncio.run(main())
"""
"""The tests' registry has a loopback name for everybody, pods too: that is where plain HTTP is the rule."""


def push_image(folder: Path, registry: str) -> str:
    """Build saltern's own image as packaging/ says, and push it."""
    base = DEFAULT_BASES["debian-12"].tag
    own = {"BASE": base, "RELEASE": RELEASE, "PYTHON": sys.executable}
    subprocess.run((str(ROOT / "packaging/context"), str(folder)), env={**os.environ, **own}, check=True)
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    image = f"{registry}/saltern:tests"
    engine.build(folder, tag=image)
    engine.push(image)
    return image


@contextlib.contextmanager
def served(repository: Path, address: str) -> Iterator[str]:
    """Serve a repository to the pods; its URL."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    options = (
        "--export-all",
        "--reuseaddr",
        f"--listen={address}",
        f"--port={port}",
        f"--base-path={repository.parent}",
    )
    daemon = subprocess.Popen(("git", "daemon", *options), stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not _answers(address, port):
            assert time.monotonic() < deadline, "git daemon does not answer"
            time.sleep(0.1)
        yield f"git://{address}:{port}/{repository.name}"
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()


def _answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def with_registry(path: Path, cluster: Cluster) -> None:
    """Give the pods of a Deployment's file a container beside that brings them the registry at its name."""
    text = path.read_text()
    raw: dict[str, Any] = yaml.safe_load(text)
    (main,) = raw["spec"]["template"]["spec"]["containers"]
    host, port = cluster.registry_inside
    script = FORWARD.format(host=host, port=port, own=cluster.registry.rpartition(":")[2])
    beside = {"name": "registry", "image": main["image"], "command": ["python3", "-c", script]}
    raw["spec"]["template"]["spec"]["containers"].append({**beside, "securityContext": main["securityContext"]})
    path.write_text(text.partition("\n")[0] + "\n" + yaml.safe_dump(raw, sort_keys=False))
