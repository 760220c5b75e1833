"""Manifests in a folder: what is written, what is masked, what of an earlier rendering is removed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.errors import ConfigError, UsageError
from saltern.project import manifests
from saltern.project.cluster import entries
from saltern.project.context import Options, Project, open_project
from saltern.project.manifests import Manifests, render_manifests
from saltern.targets.kubernetes.manifest import HEADER, KUSTOMIZATION
from saltern.targets.kubernetes.site import ConfigFile
from saltern.targets.workload import ConfigMount
from tests.trees import write_tree
from tests.unit.project.cloud import World, render
from tests.unit.rollout.kubernetes.server import FakeServer


@pytest.fixture(autouse=True)
def rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes render as the world says, for whatever target."""

    def render_cloud(project: Project) -> Any:
        made = render(project)
        return made.whole or made.cloud, made.configured, made.revealer

    monkeypatch.setattr(manifests, "render_cloud", render_cloud)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "model", tmp_path / "state", tmp_path / "cache").install(monkeypatch)


def test_no_cluster_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer()
    world = World(tmp_path / "model", tmp_path / "state", tmp_path / "cache", server=server).install(monkeypatch)
    assert "deployment-web.yaml" in texts(written(world.node("web", conf={"listen": 80})))
    assert server.calls == []


def written(world: World, *, secrets: bool = False) -> Manifests:
    return render_manifests(world.project(), world.root.parent / "out", "1.36", secrets=secrets)


def texts(done: Manifests) -> dict[str, str]:
    return {p.relative_to(done.folder).as_posix(): p.read_text() for p in sorted(done.folder.rglob("*.yaml"))}


def test_the_same_twice_is_the_same_bytes(world: World) -> None:
    world.node("web", conf={"listen": 80}).node("db", conf={"size": 5})
    first, again = texts(written(world)), texts(written(world))
    assert first == again
    assert {*yaml.safe_load(first[KUSTOMIZATION])["resources"]} == {*first} - {KUSTOMIZATION}
    deployment = yaml.safe_load(first["deployment-web.yaml"])
    assert deployment["metadata"]["annotations"]["io.saltern.origin"] == "nodes/web.yml"
    (secret,) = [yaml.safe_load(text) for path, text in first.items() if path.startswith("secret-web")]
    assert base64.b64decode(secret["data"]["etc.web.conf"]) == b"listen = 80\n"


def test_another_configuration_is_another_secret_and_the_old_file_goes(world: World) -> None:
    world.node("web", conf={"listen": 80})
    before = {*texts(written(world))}
    done = written(world.node("web", conf={"listen": 81}))
    after = {*texts(done)}
    assert len(before - after) == len(after - before) == 1
    assert {*done.removed} == before - after


def test_secrets_are_masked_unless_asked_for(world: World) -> None:
    world.node("web", conf={"password": "s3cret-of-all"})
    masked = texts(written(world))
    assert "s3cret-of-all" not in "".join(masked.values())
    (path,) = [path for path in masked if path.startswith("masked/")]
    assert yaml.safe_load(masked[path])["stringData"] == {"etc.web.conf": "password = ***\n"}
    assert path.removeprefix("masked/") not in yaml.safe_load(masked[KUSTOMIZATION])["resources"]

    done = written(world, secrets=True)
    file = done.folder / path.removeprefix("masked/")
    assert file.stat().st_mode & 0o777 == 0o600
    assert base64.b64decode(yaml.safe_load(file.read_text())["data"]["etc.web.conf"]) == b"password = s3cret-of-all\n"
    assert not (done.folder / "masked").exists()
    assert file.name in yaml.safe_load((done.folder / KUSTOMIZATION).read_text())["resources"]

    assert not (written(world).folder / file.name).exists(), "masked again: the values are gone"


def test_files_of_others_stay(world: World) -> None:
    out = world.root.parent / "out"
    write_tree(out, {"ingress-mine.yaml": "kind: Ingress\n", "README.md": "x\n"})
    world.node("web")
    done = written(world)
    assert done.removed == ()
    assert (out / "ingress-mine.yaml").read_text() == "kind: Ingress\n"


def test_a_file_of_others_in_the_place_of_ours_is_refused(world: World) -> None:
    out = world.root.parent / "out"
    write_tree(out, {KUSTOMIZATION: "resources: []\n"})
    world.node("web")
    with pytest.raises(UsageError) as caught:
        written(world)
    assert caught.value.problems[0].brief == f"{out / KUSTOMIZATION} was not written by saltern"
    assert [path.name for path in out.iterdir()] == [KUSTOMIZATION], "nothing was written"


def test_only_what_changed_is_written(world: World) -> None:
    world.node("web").node("db", conf={"size": 5})
    done = written(world)
    before = {path: path.stat().st_mtime_ns for path in done.folder.rglob("*.yaml")}
    written(world.node("db", conf={"size": 6}))
    changed = {path.name for path, time in before.items() if path.exists() and path.stat().st_mtime_ns != time}
    assert changed == {"deployment-db.yaml", KUSTOMIZATION}


def test_nodes_of_both_targets_are_rendered(world: World) -> None:
    write_tree(world.node("web").node("db").root, {"nodes/db.yml": _with_target(world, "kubernetes")})
    for targets, names in [(("compose",), ["web"]), (("compose", "kubernetes"), ["db", "web"])]:
        options = Options(state=world.state, cache=world.cache, targets=targets)
        assert [member.name for member in open_project(world.root, options).members] == names


def _with_target(world: World, target: str) -> str:
    raw = yaml.safe_load((world.root / "nodes" / "db.yml").read_text())
    raw["parameters"]["saltern"]["target"] = target
    return yaml.safe_dump(raw)


def test_folders_are_read_with_links_and_modes(tmp_path: Path) -> None:
    write_tree(tmp_path, {"etc/x/b": "one", "etc/x/sub/c": "two", "etc/y": "three"})
    (tmp_path / "etc/x/a").symlink_to("../y")
    (tmp_path / "etc/x").chmod(0o750)
    (tmp_path / "etc/x/b").chmod(0o600)
    owner = (tmp_path / "etc/x").stat()
    found = list(entries(ConfigMount(f"{tmp_path}/etc/x", "/etc/x"), {"/etc/x/b": "***"}))
    assert [(e.path, e.kind, e.folder) for e in found] == [
        ("/etc/x", "directory", "/etc/x"),
        ("/etc/x/a", "symlink", "/etc/x"),
        ("/etc/x/b", "file", "/etc/x"),
        ("/etc/x/sub", "directory", "/etc/x"),
        ("/etc/x/sub/c", "file", "/etc/x"),
    ]
    folder, link, file = found[:3]
    assert (folder.mode, folder.uid, folder.gid) == (0o750, owner.st_uid, owner.st_gid)
    assert link.target == "../y"
    assert (file.mode, file.content, file.masked) == (0o600, b"one", "***")
    (single,) = entries(ConfigMount(f"{tmp_path}/etc/y", "/etc/y"), {})
    assert single == ConfigFile("/etc/y", "file", 0o644, owner.st_uid, owner.st_gid, b"three")


def test_what_no_cluster_could_take_is_told_before_anything_is_written(world: World) -> None:
    world.node("web_1")
    with pytest.raises(ConfigError) as caught:
        written(world)
    (problem,) = caught.value.problems
    assert "'web_1'" in problem.brief
    assert [str(place) for place in problem.places] == ["nodes/web_1.yml"]
    assert not (world.root.parent / "out").exists()


def test_every_file_begins_as_ours(world: World) -> None:
    assert all(text.startswith(HEADER) for text in texts(written(world.node("web"))).values())
