"""Bundles between real registries: what an engine pushed has the same digests in another registry."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from saltern.base.events import silent
from saltern.base.process import LocalRunner, Service
from saltern.images.build import push_images
from saltern.images.bundle.loading import load
from saltern.images.bundle.reading import opened
from saltern.images.bundle.saving import Saved, save
from saltern.images.engine import Engine
from saltern.images.registry import Reference, Registry
from saltern.images.serving import Place, serve

NAMES = ("bundle-test/base:k1", "bundle-test/web:k2")


class Ending:
    """A starter whose program can be ended from elsewhere; its service is then interrupted, as by Ctrl-C."""

    def __init__(self) -> None:
        self.ending = threading.Event()

    def start(self, argv: Sequence[str], log: Path) -> Service:
        service = LocalRunner().start(argv, log)

        class Interrupted:
            ended, end = service.ended, service.end
            ending = self.ending

            def wait(self) -> int:
                self.ending.wait()
                raise KeyboardInterrupt

        return Interrupted()


@contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """`saltern registry run` on a free port."""
    if shutil.which("docker-registry") is None:
        pytest.fail("docker-registry is not installed")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        place = Place("127.0.0.1", one.getsockname()[1], folder)
    starter, ready = Ending(), threading.Event()
    thread = threading.Thread(target=serve, args=(starter, place, ready.set))
    thread.start()
    try:
        assert ready.wait(30)
        yield Registry(place.address)
    finally:
        starter.ending.set()
        thread.join()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Registry]:
    with running(tmp_path / "source") as registry:
        yield registry


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    with running(tmp_path / "target") as registry:
        yield registry


@pytest.fixture
def digests(engine: Engine, source: Registry, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two small images, the second made from the first, pushed by the engine: name → digest."""
    tags = [f"{source.host}/{name}" for name in NAMES]
    for tag, start in zip(tags, ("scratch", tags[0]), strict=True):
        folder = tmp_path / Path(tag).name.replace(":", "-")
        folder.mkdir()
        (folder / "file").write_text(tag.partition("/")[2] * 1000)
        (folder / "Containerfile").write_text(f'FROM {start}\nCOPY file /{folder.name}\nCMD ["/x"]\n')
        engine.build(folder, tag=tag)
    try:
        pushed = push_images(engine, tags, source, silent)
        yield {tag.partition("/")[2]: digest for tag, digest in pushed.items()}
    finally:
        engine.remove_images(tags)


def saved(source: Registry, digests: dict[str, str], path: Path) -> Saved:
    return save(source, {name: (name.partition(":")[0], digest) for name, digest in digests.items()}, path, silent)


def test_from_one_registry_to_another(
    engine: Engine, source: Registry, target: Registry, digests: dict[str, str], tmp_path: Path
) -> None:
    path, again = tmp_path / "cloud.tar", tmp_path / "again.tar"
    assert saved(source, digests, path).sha256 == saved(source, digests, again).sha256
    assert path.read_bytes() == again.read_bytes()

    with opened(path, silent) as bundle:
        done = load(bundle, target, f"{target.host}/site/", silent)
        assert [one.was for one in done] == ["new", "new"]
        assert {one.was for one in load(bundle, target, f"{target.host}/site/", silent)} == {"there"}

    assert {one.name: one.digest for one in done} == digests
    assert target.repositories() == tuple(f"site/{name.partition(':')[0]}" for name in NAMES)
    for name, digest in digests.items():
        found = Reference.parse(f"{target.host}/site/{name}")
        assert target.digest(f"{target.host}/site/{name}") == digest
        assert target.manifest(found.repository, digest) == source.manifest(name.partition(":")[0], digest)
        assert target.tags(found.repository) == (found.tag,)
        pinned = f"{target.host}/{found.repository}@{digest}"
        try:
            engine.pull(pinned)
            assert engine.image(pinned) is not None
        finally:
            engine.remove_images([pinned])


@pytest.mark.parametrize("engine", ["podman"], indirect=True)  # docker pushes manifests of its own kind, no OCI ones
def test_other_tools_read_it(engine: Engine, source: Registry, digests: dict[str, str], tmp_path: Path) -> None:
    """podman takes an image out of a bundle by its name, with the digest that it had; into storage of its own."""
    path = tmp_path / "cloud.tar"
    saved(source, digests, path)
    runner = LocalRunner()
    with tempfile.TemporaryDirectory(prefix="bundle-") as own:  # podman takes no long names
        storage = ("--root", f"{own}/storage", "--runroot", f"{own}/run", "--storage-driver", "vfs")
        for name, digest in digests.items():
            pull = (*engine.argv, *storage, "pull", "-q", f"oci-archive:{path}:{name}")
            done = runner.run(pull, env=engine.environment)
            assert done.ok, done.stderr
            inspect = (*engine.argv, *storage, "image", "inspect", "--format", "{{.Digest}}", done.stdout.strip())
            assert runner.run(inspect, env=engine.environment).stdout.strip() == digest
