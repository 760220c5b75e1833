"""Snapshots: equal content is one archive, and a model that is opened from one is the same model."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from saltern.base.errors import UsageError
from saltern.project import snapshot
from saltern.project.context import Options, Project, open_project
from tests.trees import write_tree

FILES = {
    "saltern.yml": "cloud: lab\nformulas: [{name: web, path: formulas/web, compat: python2},{name: db, path: ../db}]\n",
    "nodes/web01.yml": "classes: [common, service.web]\nparameters: {web: {workers: 4}}\n",
    "classes/common.yml": "parameters: {ntp: a}\n",
    "tool": "#!/bin/sh\n",
    "formulas/web/init.sls": "a:\n  test.nop\n",
    "formulas/web/metadata/service/init.yml": "applications: [web]\n",
    "../db/init.sls": "b:\n  test.nop\n",
}


def make(top: Path) -> Path:
    """A model with a formula inside and one beside it."""
    root = top / "model"
    root.mkdir(parents=True)
    write_tree(root, FILES)
    (root / "tool").chmod(0o755)
    return root


def project(root: Path, state: Path | None = None) -> Project:
    return open_project(root, Options(cache=root.parent / "cache", state=state or root.parent / "state"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path)


def names(one: Project, name: str, below: str = "model") -> dict[str, str]:
    """The members below a folder of a snapshot: path → type, executable bit, and target of a link."""
    with tarfile.open(one.state / "snapshots" / f"{name}.tar") as archive:
        return {
            m.name.removeprefix(f"{below}/"): (m.linkname or ("x" if m.mode & 0o100 else "-")) if not m.isdir() else "/"
            for m in archive
            if m.name.startswith(f"{below}/")
        }


def test_equal_content_has_one_name_wherever_and_whenever_it_lies(root: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "else" / "where")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "nodes" / "web01.yml").chmod(0o600)
    for left_out in (".git/HEAD", "classes/__pycache__/x", "formulas/web/x.pyc", ".venv/pyvenv.cfg"):
        write_tree(other, {left_out: "x"})
    first, second = project(root), project(other)
    assert snapshot.take(first) == snapshot.take(second) == snapshot.take(first)
    archives = [next((one.state / "snapshots").iterdir()) for one in (first, second)]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    assert [*archives[0].parent.iterdir()] == [archives[0]]


@pytest.mark.parametrize("file", sorted(FILES))
def test_any_other_content_has_another_name(root: Path, file: str) -> None:
    before = snapshot.take(project(root))
    path = root / file
    path.write_text(f"{path.read_text()}# more\n")
    assert snapshot.take(project(root)) != before


def test_the_executable_bit_counts(root: Path) -> None:
    before = snapshot.take(project(root))
    (root / "formulas/web/init.sls").chmod(0o755)
    after = snapshot.take(project(root))
    assert after != before
    with snapshot.opened(project(root), after) as past:
        assert os.access(past.root / "tool", os.X_OK)
        (web,) = (f for f in past.formulas if f.name == "web")
        assert (web.root / "init.sls").stat().st_mode & 0o100
        assert not (past.root / "nodes" / "web01.yml").stat().st_mode & 0o111


def test_an_opened_model_is_the_same_model(root: Path) -> None:
    now = project(root)
    name = snapshot.take(now)
    with snapshot.opened(now, name) as past:
        assert past.root != now.root
        assert (past.cloud, past.state, past.settings.engine) == (now.cloud, now.state, now.settings.engine)
        assert [(f.name, f.compat) for f in past.formulas] == [(f.name, f.compat) for f in now.formulas]
        assert [f.fingerprint() for f in past.formulas] == [f.fingerprint() for f in now.formulas]
        assert past.inventory.node("web01").parameters == now.inventory.node("web01").parameters
        assert past.inventory.node("web01").applications == ("web",), "a class that a formula brings"
        assert snapshot.formula_files(past.formulas) == snapshot.formula_files(now.formulas)
        folder = past.root
    assert not folder.exists()


def test_what_was_is_opened_and_not_what_is(root: Path) -> None:
    now = project(root)
    name = snapshot.take(now)
    (root / "nodes/web01.yml").write_text("classes: [common]\n")
    (root / "saltern.yml").write_text("cloud: other\n")
    shutil.rmtree(root / "formulas")
    shutil.rmtree(root.parent / "db")
    with snapshot.opened(now, name) as past:
        assert past.inventory.node("web01").parameters["web"] == {"workers": 4}
        assert [f.name for f in past.formulas][:2] == ["web", "db"]
        assert past.cloud == "lab"


def test_the_cloud_keeps_its_name_whatever_the_folder_is_called(root: Path) -> None:
    (root / "saltern.yml").unlink()
    now = project(root)
    with snapshot.opened(now, snapshot.take(now)) as past:
        assert past.cloud == now.cloud
        assert past.state == now.state


def test_formulas_within_the_model_are_kept_once(root: Path) -> None:
    now = project(root)
    found = names(now, snapshot.take(now))
    assert set(found) == {"classes", "nodes", "saltern.yml", "nodes/web01.yml", "classes/common.yml", "tool"}
    assert found["tool"] == "x"
    assert names(now, snapshot.take(now), "formulas/web") == {"init.sls": "-", "metadata/service/init.yml": "-"}


def test_an_empty_folder_of_classes(root: Path) -> None:
    (root / "classes/common.yml").unlink()
    (root / "nodes/web01.yml").write_text("classes: [service.web]\n")
    now = project(root)
    with snapshot.opened(now, snapshot.take(now)) as past:
        assert past.inventory.node("web01").applications == ("web",)


# ---- links


def test_links_within_the_model_stay_links(root: Path) -> None:
    (root / "classes/alias.yml").symlink_to("common.yml")
    (root / "classes/old").symlink_to("../classes")
    (root / "dangling").symlink_to("nowhere")
    now = project(root)
    name = snapshot.take(now)
    found = names(now, name)
    assert (found["classes/alias.yml"], found["classes/old"], found["dangling"]) == (
        "common.yml",
        "../classes",
        "nowhere",
    )
    (root / "classes/alias.yml").unlink()
    (root / "classes/alias.yml").symlink_to("../classes/common.yml")
    assert snapshot.take(project(root)) != name


@pytest.mark.parametrize("absolute", [False, True])
def test_links_that_lead_out_are_followed(root: Path, *, absolute: bool) -> None:
    write_tree(root.parent, {"shared/site.yml": "parameters: {site: a}\n", "shared/deep/x.yml": "parameters: {x: 1}\n"})
    (root.parent / "shared/deep/y.yml").symlink_to("x.yml")
    (root.parent / "shared/deep/site.yml").symlink_to("../site.yml")
    top = root.parent if absolute else Path("../..")
    (root / "classes/site.yml").symlink_to(top / "shared/site.yml")
    (root / "classes/deep").symlink_to(top / "shared/deep")
    (root / "nodes/web01.yml").write_text("classes: [site, deep.x, deep.y, deep.site]\n")
    now = project(root)
    name = snapshot.take(now)
    found = names(now, name)
    assert {k: v for k, v in found.items() if k.startswith("classes/") and k != "classes/common.yml"} == {
        "classes/site.yml": "-",
        "classes/deep/x.yml": "-",
        "classes/deep/y.yml": "x.yml",
        "classes/deep/site.yml": "../site.yml",
    }
    (root.parent / "shared/site.yml").write_text("parameters: {site: b}\n")
    assert snapshot.take(project(root)) != name, "what is elsewhere is part of the model"
    with snapshot.opened(now, name) as past:
        assert past.inventory.node("web01").parameters["site"] == "a"


def test_an_absolute_link_within_the_model_leads_into_the_copy(root: Path) -> None:
    (root / "classes/alias.yml").symlink_to(root / "classes/common.yml")
    (root / "all").symlink_to(root)
    (root / "nodes/web01.yml").write_text("classes: [alias]\n")
    now = project(root)
    name = snapshot.take(now)
    (root / "classes/common.yml").write_text("parameters: {ntp: later}\n")
    with snapshot.opened(now, name) as past:
        assert past.inventory.node("web01").parameters["ntp"] == "a"


def test_a_link_into_a_formula_within_the_model(root: Path) -> None:
    (root / "classes/brought").symlink_to("../formulas/web/metadata/service")
    (root / "nodes/web01.yml").write_text("classes: [brought]\n")
    now = project(root)
    with snapshot.opened(now, snapshot.take(now)) as past:
        assert past.inventory.node("web01").applications == ("web",)


# ---- what is not there


def test_the_own_state_and_cache_are_no_part_of_a_model_around_them(root: Path) -> None:
    one = open_project(root, Options(cache=root / "cache", state=root / "state"))
    first = snapshot.take(one)
    write_tree(root, {"cache/x": "1", "state/lab/jobs.json": "[]"})
    assert snapshot.take(one) == first


@pytest.mark.parametrize("folder", ["nodes", "classes"])
def test_a_model_with_parts_elsewhere_is_not_kept(root: Path, folder: str) -> None:
    (root / folder).rename(root.parent / folder)
    uris = {f"{name}_uri": f"{'..' if name == folder else '.'}/{name}" for name in ("nodes", "classes")}
    (root / "reclass-config.yml").write_text("".join(f"{key}: {uri}\n" for key, uri in uris.items()))
    now = project(root)
    assert snapshot.take(now) == ""
    assert not (now.state / "snapshots").exists()


@pytest.mark.parametrize("name", ["", "0" * 64])
def test_a_snapshot_that_is_not_kept(root: Path, name: str) -> None:
    now = project(root)
    assert snapshot.files_of(now, name) == {}
    with pytest.raises(UsageError, match="not kept") as caught, snapshot.opened(now, name):
        pass
    assert "commit" in caught.value.problems[0].resolution


def test_the_files_of_formulas(root: Path) -> None:
    now = project(root)
    name = snapshot.take(now)
    before = snapshot.files_of(now, name)
    assert {"web/init.sls", "web/metadata/service/init.yml", "db/init.sls", "keystone/metadata.yml"} <= set(before)
    (root / "formulas/web/init.sls").write_text("a:\n  test.fail_without_changes\n")
    after = snapshot.formula_files(project(root).formulas)
    assert [path for path in after if before[path] != after[path]] == ["web/init.sls"]


def test_what_was_opened_from_a_snapshot_is_that_snapshot(root: Path) -> None:
    """Else the way back would be another plan whenever it is made: the copies of formulas lie elsewhere each time."""
    now = project(root)
    name = snapshot.take(now)
    with snapshot.opened(now, name) as past:
        assert snapshot.take(past) == name
        assert (past.snapshot, now.snapshot) == (name, "")
