"""``saltern bundle`` and ``saltern registry``: what they ask for and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from saltern.cli import bundle, registry
from saltern.images.bundle.layout import Descriptor, NamedImage
from saltern.images.bundle.loading import Loaded
from saltern.images.bundle.saving import Saved
from saltern.images.serving import Place
from saltern.project.registries import Tagged
from tests.trees import write_tree
from tests.unit.cli.conftest import Run

DIGEST = "sha256:" + "a" * 64
SAVED = Saved((NamedImage("lab/web:k1", Descriptor(DIGEST, 7, "x")),), 2_500_000, "b" * 64)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "model"
    files = {"nodes/a.yml": "applications: [a]\n", "classes/a.yml": "{}\n"}
    write_tree(root, {**files, "saltern.yml": "cloud: lab\nregistry: 127.0.0.1:5171/clouds\ntarget: kubernetes\n"})
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the use cases were asked for."""
    found: list[Any] = []

    def save(_project: object, path: Path, target: str, revision: str) -> Saved:
        found.append((str(path), target, revision))
        return SAVED

    def load(path: Path, address: str, _emit: object, sha256: str) -> tuple[Loaded, ...]:
        found.append((str(path), address, sha256))
        return Loaded("lab/web:k1", DIGEST, "new"), Loaded("lab/db:k2", DIGEST, "moved", "sha256:b")

    monkeypatch.setattr(bundle.bundling, "save_bundle", save)
    monkeypatch.setattr(bundle.bundling, "load_bundle", load)
    return found


@pytest.mark.usefixtures("model")
def test_save(run: Run, asked: list[Any]) -> None:
    said = run("bundle", "save", "cloud.tar")
    assert said.code == ExitCode.OK
    assert said.out.splitlines()[-2:] == ["cloud.tar: 1 image, 2.5 MB", f"SHA-256 {'b' * 64}"]
    assert "lab/web:k1" in said.out
    run("bundle", "save", "old.tar", "--revision", "4", "--target", "compose")
    assert asked == [("cloud.tar", "kubernetes", ""), ("old.tar", "compose", "4")]


@pytest.mark.usefixtures("model", "asked")
def test_save_for_programs(run: Run) -> None:
    images = [{"name": "lab/web:k1", "digest": DIGEST}]
    expected = {"file": "cloud.tar", "size": 2_500_000, "sha256": "b" * 64, "images": images}
    assert run("bundle", "save", "cloud.tar", "--json").json == expected


def test_load(run: Run, model: Path, asked: list[Any], tmp_path: Path) -> None:
    (model / "cloud.tar").touch()
    said = run("bundle", "load", "cloud.tar")
    assert said.code == ExitCode.OK
    assert "sent; the tag was another image" in said.out
    assert run("bundle", "load", "cloud.tar", "--registry", "a:1", "--sha256", "b", "--json").json == {
        "registry": "a:1",
        "images": [
            {"name": "lab/web:k1", "digest": DIGEST, "was": "new", "before": ""},
            {"name": "lab/db:k2", "digest": DIGEST, "was": "moved", "before": "sha256:b"},
        ],
    }
    assert asked == [("cloud.tar", "127.0.0.1:5171/clouds", ""), ("cloud.tar", "a:1", "b")]


def test_load_without_a_model(run: Run, asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cloud.tar").touch()
    assert run("bundle", "load", "cloud.tar", "--registry", "a:1").code == ExitCode.OK
    done = run("bundle", "load", "cloud.tar", "--json")
    assert (done.code, done.problems()[0]["brief"]) == (ExitCode.REGISTRY, "there is no registry to load into")
    assert len(asked) == 1


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    found: list[Place] = []

    def serve(_runner: object, place: Place, on_ready: Callable[[], None]) -> None:
        found.append(place)
        on_ready()

    monkeypatch.setattr(registry.serving, "serve", serve)
    return found


def test_the_registry_of_the_model_is_run(run: Run, model: Path, served: list[Place], tmp_path: Path) -> None:
    said = run("registry", "run", "--folder", str(tmp_path / "data"))
    assert said.out == f"Registry at 127.0.0.1:5171, data in {tmp_path / 'data'}; Ctrl-C ends it.\n"
    assert served == [Place("127.0.0.1", 5171, tmp_path / "data")]
    assert "warning" not in said.err


def test_one_on_another_machine_is_not_run_here(run: Run, model: Path, served: list[Place]) -> None:
    (model / "saltern.yml").write_text("registry: registry.example:5000\n")
    run("registry", "run")
    assert served[0].address == "127.0.0.1:5055"


def test_without_a_model(run: Run, served: list[Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    said = run("registry", "run", "--address", "0.0.0.0:5172", "--json")
    told = json.loads(said.out)
    assert (told["address"], told["folder"]) == ("0.0.0.0:5172", str(tmp_path / "share/saltern/registry"))
    assert "whoever reaches 0.0.0.0:5172 can read and replace all images" in said.err
    assert run("registry", "run", "--address", "nowhere").code == ExitCode.USAGE


@pytest.mark.usefixtures("model")
def test_list(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.registries, "listed", lambda _: (Tagged("web", "k1", DIGEST),))
    assert run("registry", "list").out.split() == ["image", "tag", "digest", "web", "k1", DIGEST]
    assert run("registry", "list", "--json").json == [{"image": "web", "tag": "k1", "digest": DIGEST}]
    monkeypatch.setattr(registry.registries, "listed", lambda _: ())
    assert run("registry", "list").out == "The registry has no image of this cloud.\n"
