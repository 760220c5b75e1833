"""Package locks with newer packages, with an engine whose mirrors and apt are in memory."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ImageError, UsageError
from saltern.base.process import Completed
from saltern.images.base import LABEL_BASE_DIGEST
from saltern.images.engine import Image, RunSpec
from saltern.images.packages import LOCK_FILE, LockedImage, PackageLock, write_lock
from saltern.project import snapshot
from saltern.project.context import Project
from saltern.project.patching import upgraded_lock
from tests.unit.ops.lists import paragraph
from tests.unit.project.compiled import Nodes

MIRROR = {
    "bookworm": [
        paragraph("nginx", "1-1"),
        paragraph("libc6", "2-1"),
        paragraph("redis", "7-1"),
        paragraph("lib", "1"),
    ],
    "bookworm-security": [paragraph("nginx", "1-2"), paragraph("libc6", "2-2")],
}
LOCK = PackageLock(
    {
        "web": LockedImage("debian-12", {"nginx": "1-1", "lib": "1"}),
        "db": LockedImage("debian-12", {"redis": "7-1"}),
        "left-over": LockedImage("debian-12", {"nginx": "0-1"}),
    }
)


class FakeEngine:
    """Has every base, with libc6 in it; answers dpkg and apt."""

    way_out = "host"

    def __init__(self) -> None:
        self.updates = 0
        self.extra = ""
        self.broken = ""
        self.commands: list[tuple[str, ...]] = []

    def image(self, reference: str) -> Image:
        return Image("sha256:1", 1, {LABEL_BASE_DIGEST: "sha256:abc"}, (reference,))

    def run(
        self, spec: RunSpec, *, timeout: float | None = None, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        self.commands.append(spec.command)
        answer = {"dpkg-query": self._list, "cat": self._status, "/bin/sh": self._update, "apt-get": self._simulate}
        return answer[spec.command[0]](spec)

    def _list(self, spec: RunSpec) -> Completed:
        return Completed(spec.command, 0, "ii \tlibc6\t2-1\n", "")

    def _status(self, spec: RunSpec) -> Completed:
        return Completed(spec.command, 0, "Package: libc6\nStatus: install ok installed\nVersion: 2-1\n", "")

    def _update(self, spec: RunSpec) -> Completed:
        assert spec.network == self.way_out
        if self.broken == "mirror":
            return Completed(spec.command, 100, "", "E: Failed to fetch")
        self.updates += 1
        out = []
        for suite, paragraphs in MIRROR.items():
            folder = Path(spec.mounts[0].source)
            (folder / f"m_{suite}_InRelease").write_text(f"Codename: {suite}\n")
            (folder / f"m_{suite}_main_Packages").write_text("\n\n".join(paragraphs) + "\n")
            out.append(f"/var/lib/apt/lists/m_{suite}_main_Packages|main/Packages\n")
        return Completed(spec.command, 0, "".join(out), "")

    def _simulate(self, spec: RunSpec) -> Completed:
        assert spec.network == "none"
        if self.broken == "apt":
            return Completed(spec.command, 100, "", "E: unmet dependencies")
        wanted = (word.split("=") for word in spec.command[spec.command.index("install") + 1 :])
        return Completed(
            spec.command, 0, "".join(f"Inst {n} [0] ({v} x [amd64])\n" for n, v in wanted) + self.extra, ""
        )


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def project(nodes: Nodes, engine: FakeEngine) -> Project:
    nodes.write(a="", b="applications: [db]\n")
    found = nodes.project()
    write_lock(found.root, LOCK)
    return with_engine(found, engine)


def with_engine(project: Project, engine: Any) -> Project:
    project.__dict__["engine"] = engine
    return project


def changed(old: PackageLock, new: PackageLock) -> dict[str, dict[str, str]]:
    return {
        name: dict(set(entry.packages.items()) - set(old.images[name].packages.items()))
        for name, entry in new.images.items()
        if entry != old.images[name]
    }


def test_exactly_what_is_asked_for(project: Project) -> None:
    before = (project.root / LOCK_FILE).read_bytes()
    found = upgraded_lock(project, ["ngin?"])
    assert changed(LOCK, found.lock) == {"web": {"nginx": "1-2"}}
    assert [(m.image, m.package, m.old, m.new, m.suite) for m in found.moves] == [
        ("web", "nginx", "1-1", "1-2", "bookworm-security")
    ]
    assert (project.root / LOCK_FILE).read_bytes() == before
    assert json.loads(json.dumps(found.as_json()))["moves"][0]["cause"] == "asked"


def test_security_updates_of_the_base_are_in_every_image(project: Project) -> None:
    found = upgraded_lock(project, security=True)
    assert changed(LOCK, found.lock) == {"web": {"nginx": "1-2", "libc6": "2-2"}, "db": {"libc6": "2-2"}}


def test_what_apt_needs_besides(project: Project, engine: FakeEngine) -> None:
    engine.extra = "Inst libnew (3 x [amd64])\nRemv lib [1]\n"
    found = upgraded_lock(project, ["nginx"])
    assert found.lock.images["web"].packages == {"nginx": "1-2", "libnew": "3"}
    assert found.lock.images["db"] == LOCK.images["db"]


def test_the_newest_already(project: Project) -> None:
    found = upgraded_lock(project, ["redis"])
    assert found.is_empty
    assert found.lock == LOCK
    assert found.current == ("db: redis 7-1",)
    done = replace(project, lock=upgraded_lock(project, ["nginx"]).lock)
    assert upgraded_lock(with_engine(done, project.engine), ["nginx"]).is_empty


@pytest.mark.parametrize(
    ("packages", "briefs"),
    [
        (["none", "nginx", "no*"], ["no image has a package 'none'", "no image has a package 'no*'"]),
        (["nginx<2", "a b"], ["'nginx<2' has a bound", "'a b' asks for no package"]),
        ([], ["nothing to upgrade"]),
    ],
)
def test_what_cannot_be_asked_for(project: Project, packages: list[str], briefs: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        upgraded_lock(project, packages)
    assert [problem.brief for problem in error.value.problems] == briefs


def test_images_that_are_not_locked(project: Project) -> None:
    lock = PackageLock({"web--a": LOCK.images["web"], "db": LockedImage("debian-13", {})})
    with pytest.raises(UsageError, match=r"not in packages\.lock: db"):
        upgraded_lock(with_engine(replace(project, lock=lock), project.engine), ["nginx"])


def test_a_silent_mirror_and_the_index_of_before(project: Project, engine: FakeEngine) -> None:
    upgraded_lock(project, ["redis"])
    engine.broken = "mirror"
    with pytest.raises(ImageError, match="package index"):
        upgraded_lock(project, ["redis"])
    assert upgraded_lock(project, ["redis"], max_age=60).is_empty
    assert engine.updates == 1


def test_apt_finds_no_way(project: Project, engine: FakeEngine) -> None:
    engine.broken = "apt"
    with pytest.raises(ImageError, match="apt finds no way to install nginx=1-2"):
        upgraded_lock(project, ["nginx"])


def test_the_planned_lock_is_in_the_snapshot_as_if_it_were_written(project: Project) -> None:
    new = upgraded_lock(project, ["nginx"]).lock
    planned = snapshot.take(replace(project, lock=new))
    assert planned != snapshot.take(project)
    with tarfile.open(project.state / "snapshots" / f"{planned}.tar") as archive:
        file = archive.extractfile(f"model/{LOCK_FILE}")
        assert file is not None
        assert file.read().decode() == new.text()
    write_lock(project.root, new)
    assert snapshot.take(project) == planned
