"""``reclass-config.yml`` and ``inventory`` of ``saltern.yml``: where the trees are, the options, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import ModelError, Place, Problem
from saltern.model.location import GitSource, Given, Location, read_location
from saltern.model.options import Options


def located(root: Path, text: str, **own: object) -> Location:
    (root / "reclass-config.yml").write_text(text)
    return read_location(root, {key: Given(value, Place("saltern.yml", 1)) for key, value in own.items()})


def refused(root: Path, text: str) -> Problem:
    with pytest.raises(ModelError) as caught:
        located(root, text)
    (problem,) = caught.value.problems
    return problem


def test_without_a_file(tmp_path: Path) -> None:
    assert read_location(tmp_path) == Location(tmp_path, tmp_path / "nodes", tmp_path / "classes")


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = located(tmp_path, "inventory_base_uri: x/../inventory\nnodes_uri: targets\nclasses_uri: ~/classes\n")
    assert (found.nodes, found.classes) == (tmp_path / "inventory/targets", tmp_path / "home/classes")
    elsewhere = located(tmp_path, "inventory_base_uri: /srv/reclass\n")
    assert (elsewhere.nodes, elsewhere.classes) == (Path("/srv/reclass/nodes"), Path("/srv/reclass/classes"))


def test_a_file_in_the_home_is_about_etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert located(tmp_path, "").nodes == Path("/etc/reclass/nodes")
    (tmp_path / "nodes").mkdir()
    assert located(tmp_path, "").nodes == tmp_path / "nodes"


def test_options(tmp_path: Path) -> None:
    text = (
        "allow_none_override: yes\nignore_class_notfound_regexp: 'service.*'\nclass_mappings: ['* all']\n"
        "reference_sentinels: ['<<', '>>']\ncompose_node_name: true\n"
    )
    assert located(tmp_path, text, compose_node_name=False).options == Options(
        allow_none_override=True,
        ignore_class_notfound_regexp=("service.*",),
        class_mappings=("* all",),
        reference_sentinels=("<<", ">>"),
        compose_node_name=False,
    )


def test_style_and_keys_that_mean_nothing(tmp_path: Path) -> None:
    found = located(tmp_path, "output: json\npretty_print: false\ngroup_errors: true\nignore_class_regexp: ['.*']\n")
    assert found.style == {"output": "json", "pretty_print": False}
    (warning,) = found.warnings
    assert (warning.brief, str(warning.places[0])) == (
        "unknown option 'ignore_class_regexp'",
        "reclass-config.yml:4:1",
    )


def test_git(tmp_path: Path) -> None:
    (tmp_path / "nodes.git").mkdir()
    found = located(
        tmp_path,
        """
        storage_type: yaml_git
        nodes_uri: {repo: nodes.git}
        classes_uri:
          repo: git+ssh://git@host:classes.git
          root: a/b/
          privkey: /keys/one
          env_overrides:
          - prod: {root: c}
          - test: {branch: main, repo: other}
        """,
    )
    address = "git+ssh://git@host:classes.git"
    assert found.nodes == GitSource(str(tmp_path / "nodes.git"), "master")
    assert found.classes == GitSource(address, "__env__", "a/b", privkey="/keys/one")
    assert found.environments == {
        "prod": GitSource(address, "prod", "c", privkey="/keys/one"),
        "test": GitSource("other", "main", "a/b", privkey="/keys/one"),
    }


def test_mixed(tmp_path: Path) -> None:
    found = located(
        tmp_path,
        """
        storage_type: mixed
        nodes_uri: {storage_type: yaml_fs, uri: targets}
        classes_uri:
          storage_type: yaml_git
          repo: classes
          env_overrides:
          - dev: {storage_type: yaml_fs, uri: classes/dev}
          - prod: {branch: stable}
        """,
    )
    assert (found.nodes, found.classes) == (tmp_path / "targets", GitSource("classes", "__env__"))
    assert found.environments == {"dev": tmp_path / "classes/dev", "prod": GitSource("classes", "stable")}


@pytest.mark.parametrize(
    ("text", "brief", "line"),
    [
        ("nodes_uri: [", "wrong YAML", 2),
        ("- a\n", "reclass-config.yml holds no mapping", 1),
        ("\nallow_none_override: 1\n", "allow_none_override: 1 is not of type 'boolean'", 2),
        ("storage_type: yaml_fsd\n", "'yaml_fsd' is not one of", 1),
        ("nodes_uri: a\nclasses_uri: a\n", "the folders of nodes and classes overlap", 1),
        ("nodes_uri: a\nclasses_uri: a/b\n", "the folders of nodes and classes overlap", 1),
        ("nodes_uri: {repo: x}\n", "nodes_uri is a mapping", 1),
        ("storage_type: yaml_git\nnodes_uri: x\nclasses_uri: {repo: x}\n", "nodes_uri is no mapping", 2),
        ("storage_type: yaml_git\nnodes_uri: {repo: x}\nclasses_uri: {root: x}\n", "classes_uri has no repo", 3),
        ("storage_type: mixed\nnodes_uri: {uri: x}\nclasses_uri: {storage_type: yaml_fs, uri: c}\n",
         "nodes_uri has no storage_type", 2),
        ("storage_type: yaml_git\nnodes_uri: {repo: x, brnch: y}\nclasses_uri: {repo: x}\n",
         "'brnch' was unexpected", 2),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, brief: str, line: int) -> None:
    problem = refused(tmp_path, text)
    assert brief in problem.brief
    assert problem.places[0].line == line
    assert problem.places[0].file == "reclass-config.yml"


@pytest.mark.parametrize(
    ("patterns", "details"), [("'*.foo'", "*.foo"), ("[a, '*.foo']", "*.foo"), ("[a, '(?i)b']", "a|(?i)b")]
)
def test_a_wrong_regular_expression(tmp_path: Path, patterns: str, details: str) -> None:
    problem = refused(tmp_path, f"compose_node_name: true\nignore_class_notfound_regexp: {patterns}\n")
    assert problem.brief.startswith("ignore_class_notfound_regexp holds a wrong regular expression: ")
    assert ([str(place) for place in problem.places], problem.details) == (["reclass-config.yml:2:1"], details)
