from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from saltern.base.errors import ImageError, RegistryError
from saltern.base.events import Event, State, silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.images.base import DEFAULT_BASES, Base, ensure_base
from saltern.images.build import Action, Built, Site, build_images, push_images
from saltern.images.engine import Engine, RunSpec
from saltern.images.packages import LockedImage, PackageLock, read_lock, write_lock
from saltern.images.recipe import Metadata, ProcessFacts, Recipe, SourceFile
from saltern.images.registry import Registry

from .conftest import CACHE
from .test_engine import end_child, eventually

TOOLCHAIN = "localhost/saltern/toolchain-stub:1"
PAUSE = 100000 + os.getpid()
"""Seconds, and the mark, of a build step that a test ends."""
FACTS = ProcessFacts("nobody", ("/usr/bin/tree", "/etc"), (8080,), ("/var/lib/x",), "SIGTERM")


@pytest.fixture(scope="session")
def toolchain(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("toolchain")
    (folder / "bin").mkdir()
    shutil.copy(Path(__file__).parent / "stub_toolchain.sh", folder / "bin/python3")
    (folder / "bin/python3").chmod(0o755)
    (folder / "worker").touch()
    (folder / "Containerfile").write_text("FROM scratch\nCOPY bin /bin\nCOPY worker /worker\n")
    engine.build(folder, tag=TOOLCHAIN)
    return TOOLCHAIN


@dataclass
class Cloud:
    """A cloud of test images, and what was said while they were built."""

    engine: Engine
    base: Base
    site: Site
    events: list[Event] = field(default_factory=list)

    def recipe(self, name: str, install: str, sleep: int = 0, **more: object) -> Recipe:
        file = self.site.model / "x.conf"
        file.write_text("from the formula\n")
        chunk = {"state": "pkg", "fun": "installed", "__id__": install, "install": install, "sleep": sleep, **more}
        files = {"x/files/x.conf": SourceFile.of(file)}
        metadata = Metadata('Test: "$HOME"', source="https://example.org/model", revision="abc")
        return Recipe(name, self.base, TOOLCHAIN, "toolchain 1", (chunk,), metadata, files)

    def build(self, *recipes: Recipe, registry: Registry | None = None) -> tuple[Built, ...]:
        return build_images(
            self.engine, recipes, self.site, facts=lambda *_: FACTS, emit=self.events.append, registry=registry
        )

    def shell(self, image: str, script: str) -> str:
        done = self.engine.run(RunSpec(image, ("sh", "-c", script)))
        assert done.ok, done.stderr
        return done.stdout


@pytest.fixture
def cloud(engine: Engine, base: Base, toolchain: str, tmp_path: Path) -> Iterator[Cloud]:
    (tmp_path / "model").mkdir()
    name = f"saltern-test-{os.getpid()}"
    yield Cloud(engine, base, Site(name, tmp_path / "model", tmp_path / "contexts"))
    made = [tag for image in engine.images("io.saltern.key") for tag in image.tags if f"/{name}/" in tag]
    engine.remove_images(made)


def test_a_base_is_found_again(engine: Engine, base: Base) -> None:
    events: list[Event] = []
    again = ensure_base(engine, LocalRunner(), Store(CACHE), DEFAULT_BASES["debian-12"], events.append)
    assert again == base
    assert [event.state for event in events] == [State.CACHED]
    assert "dpkg" in base.packages
    assert "python3" not in base.packages


def test_nothing_of_this_machine_is_in_a_base(cloud: Cloud) -> None:
    found = cloud.shell(
        cloud.base.tag,
        "cat /etc/machine-id; ls /usr/share/man /usr/share/doc/dpkg /var/lib/apt/lists;"
        "apt-config dump | grep -v Changelogs;"
        "grep -rIl -i proxy /etc/apt || true; find /var/log -type f; cat /etc/apt/sources.list",
    )
    assert 'APT::Install-Recommends "false";' in found
    assert "changelog" not in found
    assert "copyright" in found
    assert "Proxy" not in found
    assert "deb.debian.org" in found


def test_an_image_is_built_once_and_says_what_it_is(cloud: Cloud) -> None:
    [built] = cloud.build(cloud.recipe("one", "tree"))
    assert built.action is Action.BUILD
    image = cloud.engine.image(built.tag)
    assert image is not None
    assert image.id == built.id
    assert image.labels["io.saltern.key"] == built.key
    assert image.labels["org.opencontainers.image.title"] == 'Test: "$HOME"'
    assert image.labels["org.opencontainers.image.base.digest"] == cloud.base.digest
    seen = cloud.shell(built.tag, "cat /opt/formulas/x/files/x.conf; ls -A /mnt /media /tmp /etc/apt/preferences.d")
    assert cloud.shell(built.tag, "stat -c %a /tmp").strip() == "1777"
    assert seen.split() == ["from", "the", "formula", "/etc/apt/preferences.d:", "/media:", "/mnt:", "/tmp:"]
    assert cloud.shell(built.tag, "find /var/lib/apt/lists /var/cache/apt -type f -size +0") == ""
    lock = read_lock(cloud.site.model)
    assert set(lock.images["one"].packages) == {"tree"}
    assert lock.images["one"].base == "debian-12"

    [again] = cloud.build(cloud.recipe("one", "tree"))
    assert (again.action, again.id, again.key) == (Action.KEEP, built.id, built.key)


def test_the_second_stage_comes_from_the_builders_cache(cloud: Cloud) -> None:
    cloud.build(cloud.recipe("one", "tree", sleep=1, mark=uuid.uuid4().hex))  # no earlier run's builder cache knows it
    text = "\n".join(event.text for event in cloud.events)
    assert "using cache" in text.lower() or "CACHED" in text
    assert len([event for event in cloud.events if event.text.endswith("sleeping")]) == 1  # the state ran once


def test_the_written_context_builds_the_same_with_the_engine_alone(cloud: Cloud) -> None:
    [built] = cloud.build(cloud.recipe("one", "tree"))
    context = cloud.site.contexts / "one"
    assert f"SALTERN_KEY={built.key}" in (context / "Containerfile").read_text()
    tag = f"localhost/{cloud.site.cloud}/by-hand:1"
    cloud.engine.build(context, tag=tag)
    image = cloud.engine.image(tag)
    assert image is not None
    assert image.labels["io.saltern.key"] == built.key
    cloud.engine.remove_images([tag])


def test_a_layer_serves_the_other_clouds_of_the_machine(cloud: Cloud) -> None:
    mark = uuid.uuid4().hex
    [first] = cloud.build(cloud.recipe("one", "tree", sleep=1, mark=mark))
    (cloud.site.model / "packages.lock").unlink()
    cloud.site = replace(cloud.site, cloud=f"{cloud.site.cloud}/other")
    [other] = cloud.build(cloud.recipe("one", "tree", sleep=1, mark=mark))
    assert (other.action, other.key) == (Action.BUILD, first.key)
    assert len([event for event in cloud.events if event.text.endswith("sleeping")]) == 1  # the state ran once
    assert cloud.engine.image(first.tag) is not None


def test_the_same_lock_gives_the_same_key_again(cloud: Cloud) -> None:
    [first] = cloud.build(cloud.recipe("one", "jq"))
    cloud.engine.remove_images([first.tag])
    [second] = cloud.build(cloud.recipe("one", "jq"))
    assert second.action is Action.BUILD
    assert second.key == first.key


def test_a_locked_version_that_the_mirror_lacks_is_named(cloud: Cloud) -> None:
    write_lock(cloud.site.model, PackageLock({"one": LockedImage("debian-12", {"tree": "1.0-1"})}))
    with pytest.raises(ImageError) as raised:
        cloud.build(cloud.recipe("one", "tree"))
    assert "tree=1.0-1" in raised.value.problems[0].details
    assert "packages.lock" in raised.value.problems[0].resolution


def test_a_failed_state_is_named_and_the_other_image_is_built(cloud: Cloud) -> None:
    with pytest.raises(ImageError) as raised:
        cloud.build(cloud.recipe("bad", "no-such-package"), cloud.recipe("good", "tree"))
    assert len(raised.value.problems) == 1, raised.value.problems
    [problem] = raised.value.problems
    assert "pkg.installed" in problem.brief
    assert "no-such-package" in problem.details
    assert set(read_lock(cloud.site.model).images) == {"good"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    host = f"127.0.0.1:{free_port()}"
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: {host}}}\n"
    )
    server = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert eventually(lambda: answers(int(host.partition(":")[2])))
        yield Registry(host)
    finally:
        server.terminate()
        server.wait()


def test_what_the_registry_has_is_pulled_and_not_built(cloud: Cloud, registry: Registry, tmp_path: Path) -> None:
    cloud.site = Site(cloud.site.cloud, cloud.site.model, cloud.site.contexts, registry.host)
    [built] = cloud.build(cloud.recipe("one", "tree"), registry=registry)
    assert built.tag.startswith(registry.host)
    pushed = push_images(cloud.engine, [built.tag], registry, silent)
    assert pushed == {built.tag: registry.digest(built.tag)}
    assert push_images(cloud.engine, [built.tag], registry, silent) == pushed
    cloud.engine.remove_images([built.tag])
    [pulled] = cloud.build(cloud.recipe("one", "tree"), registry=registry)
    assert (pulled.action, pulled.key) == (Action.PULL, built.key)
    assert "tree" in cloud.shell(pulled.tag, "ls /usr/bin/tree")


def test_a_registry_that_is_not_there_is_said_before_anything_is_built(cloud: Cloud) -> None:
    with pytest.raises(RegistryError):
        cloud.build(cloud.recipe("one", "tree"), registry=Registry(f"127.0.0.1:{free_port()}"))
    assert all(event.state is not State.STARTED for event in cloud.events)


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.containers import conftest, test_images
from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.images.base import DEFAULT_BASES, ensure_base
from saltern.images.build import Site
from saltern.images.engine.select import select_engine
engine = select_engine(LocalRunner(), conftest.CACHE, sys.argv[2])
base = ensure_base(engine, LocalRunner(), Store(conftest.CACHE), DEFAULT_BASES["debian-12"], silent)
folder = Path(sys.argv[3])
cloud = test_images.Cloud(engine, base, Site(sys.argv[4], folder / "model", folder / "contexts"))
class Told(list):
    def append(self, event):
        print(event.text, flush=True)
cloud.events = Told()
cloud.build(cloud.recipe("slow", "tree", sleep=int(sys.argv[6]), tick=int(sys.argv[5])))
"""


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def start_build(cloud: Cloud, tick: int) -> subprocess.Popen[str]:
    folder = cloud.site.model.parent
    root = str(Path(__file__).parents[2])
    argv = [sys.executable, "-c", CHILD, root, cloud.engine.name, str(folder), cloud.site.cloud]
    child = subprocess.Popen(
        [*argv, str(tick), str(PAUSE)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    assert any("sleeping" in line for line in child.stdout)
    return child


def is_step_running() -> bool:
    """Whether the RUN step of :data:`CHILD` runs; its pause is known by its length."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes().split(b"\0")[:2] == [b"sleep", str(PAUSE).encode()]:
                return True
    return False


def working_containers() -> list[str]:
    """Those of our builds; no other test has this toolchain."""
    listed = LocalRunner().run(["podman", "ps", "-a", "--external", "--format", "{{.Image}}"]).stdout
    return [line for line in listed.splitlines() if line.startswith(TOOLCHAIN)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_an_ended_build_leaves_nothing(cloud: Cloud, number: signal.Signals) -> None:
    child = start_build(cloud, number)
    try:
        assert eventually(is_step_running)
        started = time.monotonic()
    finally:
        end_child(child, number)
    assert time.monotonic() - started < 30
    if number is signal.SIGKILL:
        cloud.engine.sweep()
    assert eventually(lambda: not is_step_running())
    if cloud.engine.name == "podman":  # a build of somebody else may run on this machine, then only a later sweep helps
        assert eventually(lambda: not working_containers() or bool(cloud.engine.sweep() and False), seconds=90)
    [built] = cloud.build(cloud.recipe("slow", "tree"))
    assert built.action is Action.BUILD


LATER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.containers import conftest
from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine
engine = select_engine(LocalRunner(), conftest.CACHE, sys.argv[2])
engine.build(Path(sys.argv[3]), tag="localhost/saltern/never:1")
"""


def test_the_later_steps_of_a_killed_build_end_too(cloud: Cloud, tmp_path: Path) -> None:
    """Their containers come from images that have no name of ours."""
    (tmp_path / "Containerfile").write_text(f"FROM {cloud.base.tag}\nRUN true\nRUN exec sleep {PAUSE}\n")
    argv = (sys.executable, "-c", LATER, str(Path(__file__).parents[2]), cloud.engine.name, str(tmp_path))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        assert eventually(is_step_running, seconds=60)
        child.kill()
    cloud.engine.sweep()
    assert eventually(lambda: not is_step_running())
