"""``saltern.yml`` and ``parameters.saltern``."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import ModelError, Problem
from saltern.model.allow import Allowance
from saltern.model.settings import (
    BUILT_IN_BASES,
    FormulaSetting,
    KubernetesNode,
    KubernetesSettings,
    NodeSettings,
    OperateSettings,
    Publish,
    Settings,
    find_model,
    load_settings,
    read_node_settings,
)


def refused(root: Path, text: str) -> list[Problem]:
    (root / "saltern.yml").write_text(text)
    with pytest.raises(ModelError) as caught:
        load_settings(root)
    return list(caught.value.problems)


@pytest.mark.parametrize(("folder", "cloud"), [("lab", "lab"), ("My Cloud_2", "my-cloud-2"), ("--", "cloud")])
def test_the_folder_names_the_cloud(tmp_path: Path, folder: str, cloud: str) -> None:
    (tmp_path / folder).mkdir()
    assert load_settings(tmp_path / folder) == Settings(cloud=cloud)


def test_an_empty_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "saltern.yml").write_text("# nothing yet\n")
    assert load_settings(tmp_path) == load_settings(tmp_path.parent / tmp_path.name)


def test_everything(tmp_path: Path) -> None:
    (tmp_path / "saltern.yml").write_text(
        "cloud: lab\nengine: docker\nregistry: 127.0.0.1:5000/x\nsource: https://x\n"
        "bases: {mine: {image: 'debian:12'}}\n"
        "formulas: [{name: web, git: 'https://g', ref: v1, compat: python2}, {name: db, path: ../db}]\n"
    )
    assert load_settings(tmp_path) == Settings(
        *("lab", "compose", "docker", "127.0.0.1:5000/x", "https://x"),
        {**BUILT_IN_BASES, "mine": {"image": "debian:12"}},
        (FormulaSetting("web", git="https://g", ref="v1", compat="python2"), FormulaSetting("db", path="../db")),
    )


def test_what_may_be_carried_out_by_itself(tmp_path: Path) -> None:
    assert load_settings(tmp_path).operate == OperateSettings(("config",), auto_rollback=True)
    (tmp_path / "saltern.yml").write_text("operate: {automatic: [config, image], auto_rollback: false}\n")
    assert load_settings(tmp_path).operate == OperateSettings(("config", "image"), auto_rollback=False)
    (tmp_path / "saltern.yml").write_text("operate:\n  auto_rollback: false\n")
    assert load_settings(tmp_path).operate == OperateSettings(auto_rollback=False)
    (problem,) = refused(tmp_path, "cloud: lab\noperate:\n  automatic:\n  - config\n  - everything\n")
    assert "operate:automatic:1: 'everything' is not one of" in problem.brief
    assert [place.line for place in problem.places] == [5]


def test_what_kubernetes_is_told(tmp_path: Path) -> None:
    (tmp_path / "saltern.yml").write_text(
        "target: kubernetes\nkubernetes: {context: c, namespace: prod, storage: 5Gi, pull_secrets: [a, b]}\n"
    )
    assert load_settings(tmp_path).target == "kubernetes"
    assert load_settings(tmp_path).kubernetes == KubernetesSettings("c", "prod", storage="5Gi", pull_secrets=("a", "b"))
    raw = {"target": "kubernetes", "kubernetes": {"storage": {"data": "1Gi"}, "node_selector": {"a": "b"}}}
    settings, problems = read_node_settings(raw, "n", BUILT_IN_BASES)
    assert (settings.target, problems) == ("kubernetes", ())
    assert settings.kubernetes == KubernetesNode(storage={"data": "1Gi"}, node_selector={"a": "b"})


def test_problems_have_their_place_and_advice(tmp_path: Path) -> None:
    unknown, engine = refused(tmp_path, "cloud: lab\nclowd: x\nengine: lxc\n")
    assert "'clowd' was unexpected" in unknown.brief
    known = "backup, bases, check, cloud, engine, formulas, inventory, kubernetes, operate, registry, source, target"
    assert unknown.resolution == f"known keys: {known}"
    assert "engine: 'lxc' is not one of" in engine.brief
    assert engine.resolution == "use one of podman, docker"
    (place,) = engine.places
    assert (Path(place.file).name, place.line) == ("saltern.yml", 3)


@pytest.mark.parametrize(
    ("text", "brief", "line"),
    [
        ("cloud: Lab\n", "cloud: 'Lab' does not match", 1),
        ("formulas:\n- {name: web}\n", "formula 'web' needs exactly one of path and git", 2),
        ("formulas:\n- {name: web, path: a, git: b}\n", "formula 'web' needs exactly one of path and git", 2),
        ("formulas:\n- {name: a, path: x}\n- {name: a, path: y}\n", "formula 'a' is listed twice", 3),
        ("bases:\n  x: {mirror: m}\n", "base 'x' needs exactly one of bootstrap and image", 2),
        ("formulas:\n- path: x\n", "formulas:0: 'name' is a required property", 2),
        ("cloud: a\ncloud: b\n", "cloud", 2),
        ("- a\n", "is not of type 'object'", 1),
        ("cloud: [\n", "", 2),
    ],
)
def test_refused(tmp_path: Path, text: str, brief: str, line: int) -> None:
    (problem,) = refused(tmp_path, text)
    assert brief in problem.brief
    assert line in [place.line for place in problem.places]
    assert all(place.file.endswith("saltern.yml") for place in problem.places)


def test_find_model_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nodes and classes are elsewhere, a file says so."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("reclass-config.yml", "kapicorp-reclass-config.yml", "saltern.yml"):
        folder = tmp_path / name.removesuffix(".yml")
        (folder / "docs").mkdir(parents=True)
        (folder / name).write_text("")
        assert find_model(folder / "docs") == folder
    (tmp_path / "home").mkdir()
    assert find_model(tmp_path) is None
    (tmp_path / "home" / "reclass-config.yml").write_text("")
    assert find_model(tmp_path) == tmp_path / "home"


def test_settings_of_the_inventory_have_places(tmp_path: Path) -> None:
    (tmp_path / "saltern.yml").write_text("inventory:\n  delimiter: ';'\n")
    given = load_settings(tmp_path).inventory["delimiter"]
    assert (given.value, given.place.line) == (";", 2)
    (problem,) = refused(tmp_path, "inventory:\n  delimiter: ';'\n  allow_none_override: 1\n")
    assert "allow_none_override: 1 is not of type 'boolean'" in problem.brief
    assert [place.line for place in problem.places] == [3]


def test_find_model(tmp_path: Path) -> None:
    for folder in ("nodes", "classes/a/b"):
        (tmp_path / folder).mkdir(parents=True)
    assert find_model(tmp_path / "classes" / "a" / "b") == tmp_path
    assert find_model(tmp_path) == tmp_path
    assert find_model(tmp_path.parent) is None


def test_node_settings() -> None:
    assert read_node_settings(None, "n", BUILT_IN_BASES) == (NodeSettings(), ())
    raw = {"target": "none", "base": "debian-13", "publish": [{"port": 80, "address": "1.2.3.4:80"}], "memory": "1g"}
    assert read_node_settings({"replicas": 2}, "n", BUILT_IN_BASES) == (NodeSettings(replicas=2), ())
    wanted = NodeSettings("none", "debian-13", publish=(Publish(80, "1.2.3.4:80"),), memory="1g")
    assert read_node_settings(raw, "n", BUILT_IN_BASES) == (wanted, ())


@pytest.mark.parametrize(
    ("raw", "brief", "resolution"),
    [
        ({"target": "vm"}, "n: target: 'vm' is not one of", "use one of compose, kubernetes, none"),
        ({"base": "arch"}, "n: base 'arch' does not exist", "known: debian-12, debian-13"),
        ({"publish": [{"port": 80}]}, "n: publish:0: 'address' is a required property", ""),
        ({"publish": [{"port": 80, "address": "80"}]}, "n: publish:0:address: '80' does not match", ""),
        *(
            (
                {"publish": [{"port": 80, "address": address}]},
                f"n: publish: {address} is no address of a machine",
                "write an IPv4 address and a port from 1 to 65535, e.g. 127.0.0.1:8080",
            )
            for address in ("127.0.0.1:65536", "127.0.0.1:0", "1.2.3:80", "1.2.3.400:80")
        ),
        ({"memory": "lots"}, "n: memory: 'lots' does not match", ""),
        (
            {"x": 1},
            "'x' was unexpected",
            "known keys: base, grains, image, kubernetes, memory, publish, replicas, target",
        ),
        ({"replicas": 0}, "n: replicas: 0 is less than", ""),
        ({"replicas": "2"}, "n: replicas: '2' is not of type 'integer'", ""),
        (
            {"replicas": 2, "publish": [{"port": 80, "address": "1.2.3.4:80"}]},
            "n: 2 replicas cannot all be published at 1.2.3.4:80",
            "publish the balancer in front of them instead, or remove `replicas`",
        ),
        (
            {"replicas": 2, "kubernetes": {"every_machine": True}},
            "n: a node with a pod on every machine has no replicas of its own",
            "remove one of `replicas` and `kubernetes: {every_machine: true}`",
        ),
        ({"kubernetes": {"storage": {"data": "much"}}}, "n: kubernetes:storage:data: 'much' does not match", ""),
        ([], "n: [] is not of type 'object'", ""),
    ],
)
def test_node_settings_refused(raw: object, brief: str, resolution: str) -> None:
    settings, (problem,) = read_node_settings(raw, "n", BUILT_IN_BASES)
    assert settings == NodeSettings()
    assert brief in problem.brief
    assert problem.resolution == resolution


def test_allowed_warnings(tmp_path: Path) -> None:
    (tmp_path / "saltern.yml").write_text("check: {allow: [{kind: tab}, {kind: salt, files: 'a*', reason: old}]}\n")
    assert load_settings(tmp_path).allowed == (Allowance("tab"), Allowance("salt", "a*", "old"))
    problem, *_ = refused(tmp_path, "check: {allow: [{kind: tabs}]}\n")
    assert "duplicate-key" in problem.resolution
