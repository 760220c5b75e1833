"""``saltern inventory`` prints what the reference prints, byte by byte; both run on the same tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from reclass import get_storage, output
from reclass.adapters import salt
from reclass.core import Core
from reclass.settings import Settings

from saltern.base.errors import ExitCode
from tests.trees import write_tree
from tests.unit.cli.conftest import Run

FILES = {
    "nodes/web01.cloud.yml": """
        classes: [base, "role.${kind}"]
        environment: prod
        applications: [nginx]
        parameters: {on: yes, text: é, number: 1, again: "${list}", kept: [{1: a}], day: 5}
        exports: {address: "${number}"}
        """,
    "nodes/db01.yml": """
        classes: [base]
        environment: prod
        parameters: {peers: "$[ exports:address ]"}
        """,
    "classes/base/init.yml": "applications: [ntp]\nparameters: {kind: web, list: [{a: b}, c]}",
    "classes/role/web.yml": "classes: [..base]\nparameters: {list: [d]}",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", FILES)


def reference(tree: Path, style: str, node: str = "", *, pretty: bool = True) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its parser's, about names that pyparsing has renamed
        storage = get_storage("yaml_fs", str(tree / "nodes"), str(tree / "classes"), compose_node_name=False)
        core = Core(storage, None, Settings())
        text: str = output(core.nodeinfo(node) if node else core.inventory(), style, pretty, no_refs=False)
    return text + "\n"


def timeless(text: str) -> str:
    """Without the moment; YAML may fold its line anywhere inside it."""
    return re.sub(r"\b[A-Z][a-z]{2}\s+[A-Z][a-z]{2}\s+\d+\s+[\d:]{8}\s+\d{4}\b", "NOW", text)


@pytest.mark.parametrize("style", ["yaml", "json"])
@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize("node", ["web01.cloud", "db01"])
def test_nodeinfo(run: Run, tree: Path, style: str, node: str, *, pretty: bool) -> None:
    words = ["--output", style, "--pretty-print" if pretty else "--no-pretty-print"]
    said = run("inventory", "--model", str(tree), "--nodeinfo", node, "--timestamp", *words)
    assert (said.code, said.err) == (0, "")
    assert timeless(said.out) == timeless(reference(tree, style, node, pretty=pretty))


def test_inventory(run: Run, tree: Path) -> None:
    said = run("inventory", "--model", str(tree), "--inventory", "--timestamp")
    found, expected = (yaml.safe_load(timeless(text)) for text in (said.out, reference(tree, "yaml")))
    for kind in ("classes", "applications"):  # there in the order of the files on the disk
        expected[kind] = {name: sorted(nodes) for name, nodes in expected[kind].items()}
    assert found == expected


def test_the_same_output_each_time(run: Run, tree: Path) -> None:
    said = run("inventory", "--model", str(tree), "-i", "--json")
    assert said.json["__reclass__"] == {}
    about: dict[str, Any] = said.json["nodes"]["db01"]["__reclass__"]
    uri = f"yaml_fs://{tree}/nodes/db01.yml"
    assert about == {"node": "db01", "name": "db01", "uri": uri, "environment": "prod"}


def test_what_json_has_no_word_for(run: Run, tree: Path) -> None:
    """The reference fails here."""
    (tree / "nodes" / "day.yml").write_text("parameters: {day: 2026-11-22}")
    said = run("inventory", "--model", str(tree), "--nodeinfo", "day", "-o", "json")
    assert said.json["parameters"]["day"] == "2026-11-22"


def test_only_the_node_that_is_asked_for(run: Run, tree: Path) -> None:
    (tree / "nodes" / "broken.yml").write_text("classes: [none]")
    assert run("inventory", "--model", str(tree), "--nodeinfo", "web01.cloud").code == 0
    assert run("inventory", "--model", str(tree), "--inventory").code == ExitCode.MODEL


@pytest.mark.parametrize("words", [(), ("-i", "-n", "db01")])
def test_one_mode(run: Run, tree: Path, words: tuple[str, ...]) -> None:
    said = run("inventory", "--model", str(tree), *words)
    assert said.code == ExitCode.USAGE
    assert "--nodeinfo" in said.err


def test_strict(run: Run, tree: Path) -> None:
    (tree / "nodes" / "odd.yml").write_text("parameter: {}")
    odd = ("inventory", "--model", str(tree), "--nodeinfo", "odd")
    assert "unknown key 'parameter'" in run(*odd).err
    assert run(*odd, "--strict").code == ExitCode.MODEL


@pytest.mark.parametrize("node", ["web01.cloud", "db01"])
def test_what_salt_takes(run: Run, tree: Path, node: str) -> None:
    folders = {"nodes_uri": str(tree / "nodes"), "classes_uri": str(tree / "classes")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {"pillar": salt.ext_pillar(node, {}, **folders), "top": salt.top(node, **folders)}
    for kind, value in expected.items():
        said = run("inventory", "--model", str(tree), "--nodeinfo", node, "--salt", kind, "--json")
        assert said.json == json.loads(json.dumps(value))


def test_the_top_data_of_all(run: Run, tree: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = salt.top(None, nodes_uri=str(tree / "nodes"), classes_uri=str(tree / "classes"))
    assert run("inventory", "--model", str(tree), "-i", "--salt", "top", "--json").json == expected


def test_a_pillar_is_one_minions(run: Run, tree: Path) -> None:
    said = run("inventory", "--model", str(tree), "-i", "--salt", "pillar")
    assert (said.code, "--salt pillar needs --nodeinfo" in said.err) == (ExitCode.USAGE, True)


def test_the_folder_of_salts_modules(run: Run) -> None:
    assert (Path(run("inventory", "salt-modules").out.strip()) / "saltern.py").is_file()


def test_the_style_of_the_configuration(run: Run, tree: Path) -> None:
    (tree / "reclass-config.yml").write_text("output: json\npretty_print: false\n")
    line = run("inventory", "--model", str(tree), "--nodeinfo", "db01").out
    assert line.startswith('{"__reclass__":{"node":"db01"')
    assert run("inventory", "--model", str(tree), "--nodeinfo", "db01", "-o", "yaml", "-y").out.startswith(
        "__reclass__:\n"
    )


def test_nodes_and_classes_elsewhere(run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other verbs use the same location: here ``explain``."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "saltern.yml").write_text("inventory: {inventory_base_uri: ../tree, compose_node_name: true}\n")
    monkeypatch.chdir(home)
    assert run("inventory", "--nodeinfo", "db01", "--json").json["applications"] == ["ntp"]
    (origin,) = run("explain", "db01", "parameters:kind", "--json").json["origins"]
    assert origin["file"] == f"{tree}/classes/base/init.yml"


def test_only_the_pillar_has_the_values_of_secrets(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "nodes" / "vault.yml").write_text("parameters: {url: 'mysql://x:?{env:DB_PASSWORD}@db'}")
    asked = ("inventory", "--model", str(tree), "--nodeinfo", "vault", "--json")
    assert run(*asked).json["parameters"]["url"] == "mysql://x:?{env:DB_PASSWORD}@db"
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    assert run(*asked, "--salt", "pillar").code == ExitCode.SECRET
    monkeypatch.setenv("DB_PASSWORD", "hidden")
    assert run(*asked, "--salt", "pillar").json["url"] == "mysql://x:hidden@db"


def test_an_inventory_in_git(run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from a branch, with a configuration in the home; what is not committed does not count."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    author = ("-c", "user.name=t", "-c", "user.email=t@example")
    for words in (("init", "-q", "-b", "prod"), ("add", "."), (*author, "commit", "-qm", "all")):
        subprocess.run(("git", "-C", str(tree), *words), check=True)
    (tree / "classes" / "base" / "init.yml").write_text("not: committed")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "reclass-config.yml").write_text(
        f"storage_type: yaml_git\nignore_class_regexp: x\n"
        f"nodes_uri: {{repo: {tree}, branch: prod, root: nodes}}\nclasses_uri: {{repo: {tree}, root: classes}}\n"
    )
    monkeypatch.chdir(tmp_path)
    said = run("inventory", "--nodeinfo", "db01")
    found = yaml.safe_load(said.out)
    assert found["parameters"]["peers"] == {"web01.cloud": 1}
    assert found["__reclass__"]["uri"] == f"git_fs://{tree} prod nodes/db01.yml"
    assert "unknown option 'ignore_class_regexp'" in said.err
    assert "reclass-config.yml:2:1" in said.err
    (origin,) = run("explain", "db01", "parameters:kind", "--json").json["origins"]
    assert (origin["file"], origin["line"]) == (f"{tree}@prod:classes/base/init.yml", 2)
