from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from saltern.base.errors import ImageError
from saltern.images.base import Base
from saltern.images.context import write_context
from saltern.images.recipe import Metadata, ProcessFacts, Recipe, SourceFile

BASE = Base("debian-12", "localhost/saltern/base-debian-12:abc", "sha256:" + "0" * 64, {"dpkg": "1"})
CHUNK = {
    "state": "pkg",
    "fun": "installed",
    "__id__": "p",
    "name": "p",
    "pkgs": ["keystone"],
    "__file__": "a",
    "__line__": 3,
}
FILE = SourceFile(Path("/model/formulas/keystone/files/x"), "f" * 64)
RECIPE = Recipe(
    name="ctl01",
    base=BASE,
    toolchain_tag="localhost/saltern/toolchain:t1",
    toolchain_key="t1",
    chunks=(CHUNK,),
    metadata=Metadata("ctl01.example", "https://example.org/model", "c0ffee", "1"),
    files={"keystone/files/x": FILE},
    grains={"os_family": "RedHat"},
    packages={"keystone": "2:22.0.0-2", "bash": "5.2-2"},
)
FACTS = ProcessFacts("keystone", ("/usr/bin/keystone", "--name", 'a "b" $c'), (5000, 443), ("/var/lib/k",), "SIGTERM")


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, base=replace(BASE, digest="sha256:" + "1" * 64)),
        replace(RECIPE, chunks=({**CHUNK, "pkgs": ["glance"]},)),
        replace(RECIPE, chunks=(CHUNK, {**CHUNK, "name": "q"})),
        replace(RECIPE, files={"keystone/files/x": replace(FILE, sha256="e" * 64)}),
        replace(RECIPE, files={"keystone/files/x": replace(FILE, executable=True)}),
        replace(RECIPE, files={"keystone/files/y": FILE}),
        replace(RECIPE, packages={}),
        replace(RECIPE, toolchain_key="t2"),
        replace(RECIPE, grains={}),
        replace(RECIPE, compat=True),
        replace(RECIPE, files={**RECIPE.files, "_states/own.py": FILE}, grains={**RECIPE.grains, "rack": "r12"}),
        replace(RECIPE, chunks=({**CHUNK, "unless": [{"fun": "grains.equals"}]},), grains={"grains.equals": 1}),
    ],
)
def test_what_can_change_the_layer_changes_the_key(other: Recipe) -> None:
    assert other.key != RECIPE.key


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, metadata=Metadata("other", revision="beef")),
        replace(RECIPE, name="ctl02"),
        replace(RECIPE, base=replace(BASE, tag="registry.example/base:1", name="other")),
        replace(RECIPE, toolchain_tag="localhost/saltern/toolchain:other"),
        replace(RECIPE, chunks=({**CHUNK, "__line__": 4, "__file__": "b"},)),
        replace(RECIPE, chunks=(dict(reversed(CHUNK.items())),)),
        replace(RECIPE, grains={**RECIPE.grains, "rack": "r12"}),
        replace(RECIPE, chunks=({**CHUNK, "__id__": "renamed", "__sls__": "moved", "order": 7},)),
        replace(RECIPE, chunks=(CHUNK, {**CHUNK, "__id__": "the same again"})),
        replace(RECIPE, files={"keystone/files/x": replace(FILE, source=Path("/elsewhere/x"))}),
        replace(RECIPE, packages={"bash": "5.2-2", "keystone": "2:22.0.0-2"}),
    ],
)
def test_what_cannot_change_the_layer_keeps_the_key(other: Recipe) -> None:
    assert other.key == RECIPE.key


def test_the_key_is_stable_over_versions_of_saltern() -> None:
    assert RECIPE.key == "f8e17effaf5f60d7b556ead90f27a0ab3cde8d4b9ef699cc390732e66e2db006"


def test_the_first_stage_is_the_beginning_of_the_whole() -> None:
    first, whole = RECIPE.containerfile(), RECIPE.containerfile(FACTS)
    assert whole.startswith(first)
    assert f"SALTERN_KEY={RECIPE.key}" in first
    assert "LABEL" not in first


def test_only_without_a_lock_a_layer_is_of_a_day() -> None:
    unlocked = RECIPE.with_packages({})
    today = unlocked.asked_on("2026-12-01")
    assert f"SALTERN_KEY={unlocked.key}-2026-12-01 " in today.containerfile(FACTS)
    assert today.key == unlocked.key
    locked = {"keystone": "1"}
    assert today.with_packages(locked) == unlocked.with_packages(locked)
    assert unlocked.with_packages(locked).asked_on("2026-12-01") == unlocked.with_packages(locked)


def test_the_containerfile() -> None:
    text = RECIPE.containerfile(FACTS, key="k2")
    assert "FROM localhost/saltern/base-debian-12:abc\n" in text
    assert "--mount=type=bind,from=localhost/saltern/toolchain:t1,target=/mnt" in text
    assert "EXPOSE 443\nEXPOSE 5000\n" in text
    assert 'VOLUME ["/var/lib/k"]\n' in text
    assert "USER keystone\n" in text
    assert 'CMD ["/usr/bin/keystone", "--name", "a \\"b\\" $c"]\n' in text
    assert 'LABEL io.saltern.key="k2"\n' in text
    assert 'LABEL org.opencontainers.image.revision="c0ffee"\n' in text


def test_labels_are_one_line_and_literal() -> None:
    recipe = replace(RECIPE, metadata=Metadata('a\nb "c" $d \\e'))
    text = recipe.containerfile(ProcessFacts())
    assert 'LABEL org.opencontainers.image.title="a b \\"c\\" \\$d \\\\e"\n' in text
    assert "# a b " in text.splitlines()[0]
    assert "org.opencontainers.image.source" not in text


def test_a_locked_package_can_only_be_installed_in_its_version() -> None:
    assert RECIPE.preferences() == (
        "Package: bash\nPin: version 5.2-2\nPin-Priority: 1001\n\n"
        "Package: bash\nPin: release *\nPin-Priority: -1\n\n"
        "Package: keystone\nPin: version 2:22.0.0-2\nPin-Priority: 1001\n\n"
        "Package: keystone\nPin: release *\nPin-Priority: -1\n"
    )
    assert replace(RECIPE, packages={}).preferences() == ""


def test_packages_of_the_base_that_the_lock_has_newer_are_upgraded() -> None:
    recipe = RECIPE.with_packages({"keystone": "1", "dpkg": "2"})
    assert json.loads(recipe.request())["upgrade"] == {"dpkg": "2"}
    assert "upgrade" not in json.loads(RECIPE.request())


def test_the_request_is_the_workers() -> None:
    request = json.loads(RECIPE.request())
    assert request["op"] == "apply"
    assert request["build"] is True
    assert request["roots"] == ["/media/formulas"]
    assert request["chunks"] == [CHUNK]
    assert request["pillar"] == {}


def test_the_context_holds_everything_and_replaces_what_was_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    source.chmod(0o750)
    recipe = replace(RECIPE, files={"keystone/files/deep/x": SourceFile.of(source)})
    folder = tmp_path / "contexts" / "ctl01"
    folder.mkdir(parents=True)
    (folder / "stale").touch()
    write_context(recipe, folder)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [
        "Containerfile",
        "input/apt.conf",
        "input/formulas/keystone/files/deep/x",
        "input/preferences",
        "input/request.json",
    ]
    copy = folder / "input/formulas/keystone/files/deep/x"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("content", 0o755)
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_file_leaves_the_context(path: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    with pytest.raises(ImageError):
        write_context(replace(RECIPE, files={path: SourceFile.of(source)}), tmp_path / "context")
    assert not (tmp_path / "context").exists()
