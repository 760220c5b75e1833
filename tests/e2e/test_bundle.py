"""All images of a cloud go from one registry to another by the real command, as a file, with their digests."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltern.images.engine import Engine
from saltern.images.registry import Registry
from saltern.images.toolchain import LABEL

from .driver import SALTERN, Cloud, LocalRegistry, free_port
from .test_foreign import copy_of_model

pytestmark = pytest.mark.parametrize("engine", ["podman"], indirect=True)  # docker's pushes: tests/containers


@pytest.fixture
def shop(engine: Engine, registry: str, tmp_path: Path) -> Iterator[Cloud]:
    """A model of two nodes that names a registry; nothing of it runs."""
    found = copy_of_model(engine, tmp_path, "e2e-bundle")
    with (found.model / "saltern.yml").open("a") as settings:
        settings.write(f"registry: {registry}/clouds\n")
    try:
        yield found
    finally:
        found.forget_images()
        tags = {tag for image in engine.images(LABEL) for tag in image.tags}
        engine.remove_images(sorted(tag for tag in tags if f"/{found.name}/" in tag))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LocalRegistry]:
    """The empty registry of an air-gapped site."""
    (tmp_path / "site").mkdir()
    found = LocalRegistry(tmp_path / "site", f"127.0.0.1:{free_port()}")
    found.start()
    try:
        yield found
    finally:
        found.stop()


def load(folder: Path, *words: str, code: int = 0) -> Any:
    """`saltern bundle load`, where there is no model."""
    argv = [str(SALTERN), "bundle", "load", *words, "--json"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout if code == 0 else done.stderr.splitlines()[-1])


def test_a_cloud_moves(shop: Cloud, site: LocalRegistry, tmp_path: Path) -> None:
    path = tmp_path / "cloud.tar"
    saved = shop.saltern("bundle", "save", str(path), "--target", "kubernetes", "--json").json
    assert saved["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    digests = {one["name"]: one["digest"] for one in saved["images"]}
    assert {name.partition(":")[0] for name in digests} == {
        "e2e-bundle/nginx",
        "e2e-bundle/redis",
        "e2e-bundle/installer-debian-12",
    }
    listed = shop.saltern("registry", "list", "--json").json
    assert {f"e2e-bundle/{one['image']}:{one['tag']}": one["digest"] for one in listed} == digests
    again = shop.saltern("bundle", "save", str(tmp_path / "again.tar"), "--target", "kubernetes", "--json").json
    assert again["sha256"] == saved["sha256"]

    cut = tmp_path / "cut.tar"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in load(tmp_path, "cut.tar", "--registry", site.address, code=8)["problems"][0]["brief"]
    assert Registry(site.address).repositories() == ()

    words = ("cloud.tar", "--registry", site.address, "--sha256", saved["sha256"])
    loaded = load(tmp_path, *words)["images"]
    assert {one["name"]: one["digest"] for one in loaded} == digests
    assert {one["was"] for one in loaded} == {"new"}
    assert {one["was"] for one in load(tmp_path, *words)["images"]} == {"there"}
    for name, digest in digests.items():
        pinned = f"{site.address}/{name.partition(':')[0]}@{digest}"
        try:
            shop.engine.pull(pinned)
        finally:
            shop.engine.remove_images([pinned])
