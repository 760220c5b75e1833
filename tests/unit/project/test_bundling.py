"""Which images a bundle has, of which revision, and where they go; the registry and the engine are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import RegistryError, UsageError
from saltern.base.events import silent
from saltern.formulas.worker import Frozen
from saltern.images.build import Action, Built
from saltern.images.bundle.reading import opened
from saltern.model.settings import Settings
from saltern.plan.revision import Revision
from saltern.project import building, bundling, registries, snapshot
from saltern.project.building import Imaged
from saltern.project.bundling import load_bundle, save_bundle
from saltern.project.context import Project
from tests.trees import write_tree
from tests.unit.images.memory_registry import MemoryRegistry
from tests.unit.project.compiled import BASE, TOOLCHAIN, Nodes
from tests.unit.rollout.fakes import FakeEngine

REGISTRY = "127.0.0.1:5001/clouds"
INSTALLER = f"lab/installer-debian-12:{TOOLCHAIN.key}"


@dataclass
class PushingEngine(FakeEngine):
    """Pushes into the registry in memory."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    pushed: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def tag(self, reference: str, new: str) -> None:
        self.tags[new] = reference

    def push(self, reference: str, **_: Any) -> str:
        self.pushed.append(reference)
        return self.registry.add_image(reference.partition("/")[2], [reference.encode()]).digest

    def sweep(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def engine(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> PushingEngine:
    """A model of two nodes, one of which has jobs. An image's key is the node's parameter ``key``."""
    found = PushingEngine({})
    nodes.write(
        web="applications: [web]\nparameters: {key: k1}\n",
        db="applications: [db]\nparameters: {key: k2, saltern: {target: kubernetes}}\n",
    )
    write_tree(nodes.root, {"saltern.yml": f"cloud: lab\nregistry: {REGISTRY}\ntarget: kubernetes\n"})

    def build_locked(project: Project, _names: Sequence[str] = ()) -> tuple[Imaged, ...]:
        assert project.is_locked()
        return tuple(_imaged(project, one) for one in Nodes(project.root).compiled(project))

    def _imaged(project: Project, one: Any) -> Imaged:
        key = one.member.parameters["key"]
        jobs = Frozen(({"state": "x"},), {}) if one.member.name == "db" else Frozen((), {})
        tag = f"{project.settings.registry}/{project.cloud}/{one.member.image_name}:{key}"
        return Imaged(replace(one, after=jobs), Built(one.member.image_name, tag, key, "id", Action.KEEP))

    monkeypatch.setattr(Project, "engine", found)
    monkeypatch.setattr(bundling, "build_locked", build_locked)
    monkeypatch.setattr(building, "build_locked", build_locked)
    monkeypatch.setattr(building, "ensure_installer", lambda *_: None)
    for module in (building, bundling, registries):
        monkeypatch.setattr(module, "needed_registry", lambda *_: found.registry.client)
    return found


def names(path: Path) -> list[str]:
    with opened(path, silent) as bundle:
        return [image.name for image in bundle.images]


def test_the_images_of_all_nodes_are_built_pushed_and_saved(
    nodes: Nodes, engine: PushingEngine, tmp_path: Path
) -> None:
    done = save_bundle(nodes.project(), tmp_path / "a.tar", "compose")
    assert names(tmp_path / "a.tar") == ["lab/db:k2", "lab/web:k1"]
    assert engine.pushed == [f"{REGISTRY}/lab/db:k2", f"{REGISTRY}/lab/web:k1"]
    known = engine.registry.manifests
    assert [one.manifest.digest for one in done.images] == [
        known["clouds/lab/db", "k2"].digest,
        known["clouds/lab/web", "k1"].digest,
    ]


def test_what_jobs_need_on_kubernetes_comes_along(nodes: Nodes, engine: PushingEngine, tmp_path: Path) -> None:
    """And no cluster is asked: there is none here."""
    save_bundle(nodes.project(), tmp_path / "a.tar", "kubernetes")
    assert names(tmp_path / "a.tar") == ["lab/db:k2", INSTALLER, "lab/web:k1"]
    engine.pushed.clear()
    save_bundle(nodes.project(), tmp_path / "b.tar", "kubernetes")
    assert engine.pushed == []
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_revision(nodes: Nodes, engine: PushingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images, in the registry that the model names now."""
    project = nodes.project()
    taken = snapshot.take(project)
    monkeypatch.setattr(bundling.recording, "named", lambda _, name: Revision({}, snapshot={"4": taken}[name]))
    nodes.write(web="applications: [web]\nparameters: {key: k9}\n")
    settings = f"cloud: lab\nregistry: {engine.registry.host}/elsewhere\n"
    write_tree(nodes.root, {"saltern.yml": settings})
    save_bundle(nodes.project(), tmp_path / "now.tar", "compose")
    save_bundle(nodes.project(), tmp_path / "old.tar", "compose", "4")
    assert names(tmp_path / "now.tar") == ["lab/web:k9"], "a node of Kubernetes is none of compose"
    assert "lab/web:k1" in names(tmp_path / "old.tar")
    assert {repository.partition("/")[0] for repository, _ in engine.registry.manifests} == {"elsewhere"}


@pytest.mark.usefixtures("engine")
def test_a_revision_that_is_not_known(nodes: Nodes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no revision '7'"):
        save_bundle(nodes.project(), tmp_path / "a.tar", "compose", "7")
    assert not (tmp_path / "a.tar").exists()


def test_a_model_without_a_registry(nodes: Nodes, tmp_path: Path) -> None:
    nodes.write(web="")
    with pytest.raises(RegistryError, match="the model names none"):
        save_bundle(nodes.project(), tmp_path / "a.tar", "compose")


@pytest.mark.parametrize("below", ["", "site", "site/clouds/"])
def test_where_a_bundle_goes(
    nodes: Nodes, engine: PushingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    save_bundle(nodes.project(), tmp_path / "a.tar", "compose")
    target = MemoryRegistry("127.0.0.1:5002")
    monkeypatch.setattr(bundling, "Registry", lambda host: target.client if host == target.host else None)
    done = load_bundle(tmp_path / "a.tar", f"{target.host}/{below}" if below else target.host, silent)
    assert [one.was for one in done] == ["new", "new"]
    prefix = f"{below.strip('/')}/" if below else ""
    assert {repository for repository, _ in target.manifests} == {f"{prefix}lab/db", f"{prefix}lab/web"}


@pytest.mark.usefixtures("engine")
def test_a_registry_that_does_not_answer(nodes: Nodes, tmp_path: Path) -> None:
    save_bundle(nodes.project(), tmp_path / "a.tar", "compose")
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 does not answer"):
        load_bundle(tmp_path / "a.tar", "127.0.0.1:9", silent)


# ---- push and list


def test_push_sends_what_jobs_and_plans_in_a_cluster_need(nodes: Nodes, engine: PushingEngine) -> None:
    nodes.write(db="applications: [db]\nparameters: {key: k2}\n")
    project = nodes.project()
    base = f"{REGISTRY}/lab/{BASE.tag.rpartition('/')[2]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "build", lambda one, names: bundling.build_locked(one))
        patch.setattr(Project, "is_locked", lambda _: True)
        assert {base, f"{REGISTRY}/{INSTALLER}"} < building.push(project).keys()
        assert engine.tags == {base: BASE.tag}
        compose = replace(project, settings=replace(project.settings, target="compose"))
        assert not {base, f"{REGISTRY}/{INSTALLER}"} & building.push(compose).keys()


def test_the_images_of_a_cloud(nodes: Nodes, engine: PushingEngine) -> None:
    registry = engine.registry
    one = registry.add_image("clouds/lab/web:k1", [b"a"])
    other = registry.add_image("clouds/lab/web:k2", [b"b"])
    for name in ("clouds/labs/web:k1", "lab/web:k1", "clouds/other/web:k1"):
        registry.add_image(name, [b"c"])
    assert registries.listed(nodes.project()) == (
        registries.Tagged("web", "k1", one.digest),
        registries.Tagged("web", "k2", other.digest),
    )


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("127.0.0.1:5001/clouds", "127.0.0.1:5001"),
        ("localhost:5001", "localhost:5001"),
        ("registry.example:5000", registries.ADDRESS),
        ("", registries.ADDRESS),
    ],
)
def test_where_a_registry_is_run(monkeypatch: pytest.MonkeyPatch, named: str, address: str) -> None:
    monkeypatch.setattr(registries, "_settings", lambda _: Settings("lab", registry=named))
    assert registries.address_of(None) == address
