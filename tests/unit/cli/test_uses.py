"""``saltern uses``: what lines, paths and classes reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from tests.trees import write_tree
from tests.unit.cli.conftest import Run, Said

FILES = {
    "nodes/web01.yml": "classes: [web]\n",
    "nodes/web02.yml": "classes: [web]\nparameters:\n  _param:\n    host: own\n",
    "nodes/db.yml": """\
        classes:
        - base
        applications:
        - mariadb
        - ntp
        parameters:
          peers: $[ exports:url ]
        """,
    "classes/base.yml": """\
        applications: [ntp]
        parameters:
          _param:
            host: h
            port: 80
          lost: [a]
          block: |
            one
            two
        """,
    "classes/web.yml": """\
        classes:
        - base
        applications:
        - ~ntp
        parameters:
          web:
            host: ${_param:host}
            url: http://${web:host}:${_param:port}/
            copy: ${web_defaults}
          web_defaults:
            a: 1
            b: ${_param:port}
          ~lost: [b]
        exports:
          url: ${web:url}
        """,
    "classes/unused.yml": "parameters: {u: 1}\n",
}

Uses = Callable[..., Said]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", FILES)


@pytest.fixture
def uses(run: Run, tree: Path) -> Uses:
    return lambda *words: run("uses", *words, "--model", str(tree))


def groups(said: Said) -> dict[str, list[str]]:
    """By the nodes: ``path < through < …`` of each value."""
    assert said.code == ExitCode.OK, said.err
    return {
        " ".join(group["nodes"]): [
            " < ".join([f"{'exports:' if use['exports'] else ''}{use['path']}", *use["through"]])
            for use in group["uses"]
        ]
        for group in said.json["groups"]
    }


def test_a_line_through_references_and_queries(uses: Uses) -> None:
    assert groups(uses("classes/base.yml:5", "--json")) == {
        "db web01 web02": ["_param:port"],
        "db": [
            "peers:web01 < exports:url of web01 < web:url < _param:port",
            "peers:web02 < exports:url of web02 < web:url < _param:port",
        ],
        "web01 web02": [
            "exports:url < web:url < _param:port",
            "web:copy:b < web_defaults:b < _param:port",
            "web:url < _param:port",
            "web_defaults:b < _param:port",
        ],
    }


def test_where_it_is_overwritten_a_line_reaches_nothing(uses: Uses) -> None:
    said = uses("classes/base.yml:4", "--json")
    assert said.json["nodes"] == ["db", "web01", "web02"]
    assert said.json["without_effect"] == ["web02"]
    assert groups(said) == {
        "db web01": ["_param:host"],
        "db": ["peers:web01 < exports:url of web01 < web:url < web:host < _param:host"],
        "web01": [
            "exports:url < web:url < web:host < _param:host",
            "web:host < _param:host",
            "web:url < web:host < _param:host",
        ],
    }
    assert groups(uses("classes/base.yml:6", "--json")) == {"db": ["lost:0"]}


def test_the_line_of_a_key_means_what_is_below_it(uses: Uses) -> None:
    expected = {
        "web01 web02": [
            "web:copy:a < web_defaults:a",
            "web:copy:b < web_defaults:b",
            "web_defaults:a",
            "web_defaults:b",
        ]
    }
    assert groups(uses("classes/web.yml:10", "--json")) == expected
    assert groups(uses("classes/web.yml:9", "--json")) == {"web01 web02": ["web:copy:a", "web:copy:b"]}


def test_a_line_inside_a_text_means_the_text(uses: Uses) -> None:
    assert groups(uses("classes/base.yml:9", "--json")) == {"db web01 web02": ["block"]}


def test_a_line_that_asks_for_a_class_or_an_application(uses: Uses) -> None:
    found = uses("classes/web.yml:2", "--json").json
    assert found["groups"] == found["applications"] == []
    assert found["classes"] == [
        {
            "name": "base",
            "file": "classes/web.yml",
            "line": 2,
            "column": 3,
            "by": "web",
            "nodes": ["web01", "web02"],
            "counts": ["web01", "web02"],
        }
    ]
    (removed,) = uses("classes/web.yml:4", "--json").json["applications"]
    assert (removed["name"], removed["counts"]) == ("~ntp", ["web01", "web02"])
    (added,) = uses("classes/base.yml:1", "--json").json["applications"]
    assert (added["name"], added["nodes"], added["counts"]) == ("ntp", ["db", "web01", "web02"], ["db"])


def test_a_file(uses: Uses) -> None:
    found = uses("nodes/web02.yml", "--json")
    assert (found.json["subject"], found.json["nodes"]) == ("nodes/web02.yml", ["web02"])
    assert groups(found)["web02"] == [
        "_param:host",
        "exports:url < web:url < web:host < _param:host",
        "web:host < _param:host",
        "web:url < web:host < _param:host",
    ]
    assert groups(uses("unused.yml", "--json")) == {}


def test_a_path(uses: Uses) -> None:
    found = uses("_param:host", "--json")
    assert (found.json["subject"], found.json["nodes"]) == ("parameters:_param:host", ["db", "web01", "web02"])
    assert groups(found)["web01 web02"] == [
        "exports:url < web:url < web:host < _param:host",
        "web:host < _param:host",
        "web:url < web:host < _param:host",
    ]
    assert groups(uses("web_defaults", "--json")) == {
        "web01 web02": [
            "web:copy:a < web_defaults:a",
            "web:copy:b < web_defaults:b",
            "web_defaults:a",
            "web_defaults:b",
        ]
    }
    assert groups(uses("web_defaults:a", "--json")) == {
        "web01 web02": ["web:copy:a < web_defaults:a", "web_defaults:a"]
    }
    assert groups(uses("exports:url", "--json")) == {
        "web01 web02": ["exports:url"],
        "db": ["peers:web01 < exports:url of web01", "peers:web02 < exports:url of web02"],
    }


def test_a_class(uses: Uses) -> None:
    for name in ("base", "class:base"):
        found = uses(name, "--json").json
        assert (found["subject"], found["nodes"]) == ("class:base", ["db", "web01", "web02"])
        assert [(one["by"], one["line"], one["nodes"]) for one in found["classes"]] == [
            ("web", 2, ["web01", "web02"]),
            ("db", 2, ["db"]),
        ]
    assert uses("unused", "--json").json["nodes"] == []


def test_the_tables(uses: Uses) -> None:
    lines = [" ".join(line.split()) for line in uses("classes/base.yml:4").out.splitlines() if line.strip()]
    assert lines == [
        "classes/base.yml:4 is in 3 nodes",
        "2 nodes: db, web01",
        "value through",
        "parameters:_param:host",
        "1 node: db",
        "value through",
        "parameters:peers:web01 exports:url of web01 → web:url → web:host → _param:host",
        "1 node: web01",
        "value through",
        "exports:url web:url → web:host → _param:host",
        "parameters:web:host _param:host",
        "parameters:web:url web:host → _param:host",
        "without effect, because it is overwritten, in 1 node: web02",
    ]
    lines = [" ".join(line.split()) for line in uses("base").out.splitlines() if line.strip()]
    assert lines == [
        "class:base is in 3 nodes",
        "class asked for at by with effect in without",
        "base classes/web.yml:2:3 web 2 nodes: web01, web02",
        "base nodes/db.yml:2:3 db 1 node: db",
    ]


def test_generated_nodes_are_reached_through_their_definition(uses: Uses, tree: Path) -> None:
    (tree / "nodes/cfg.yml").write_text(
        "parameters:\n  base: 10.0.0\n  reclass: {storage: {node: {cmp: {params: {ip: '${base}.1'}}}}}\n"
    )
    found = groups(uses("nodes/cfg.yml:2", "--json"))
    assert found["cmp"] == ["_param:ip < reclass:storage:node:cmp:params:ip of cfg < base"]
    assert found["cfg"] == ["base", "reclass:storage:node:cmp:params:ip < base"]


def test_a_wrong_query_hides_nothing_else(uses: Uses, tree: Path) -> None:
    (tree / "nodes/db.yml").write_text(
        "classes: [base]\nparameters:\n  x: $[ exports:a nonsense ]\n  y: ${_param:host}\n"
    )
    assert groups(uses("_param:host", "--json"))["db"] == ["y < _param:host"]


@pytest.mark.parametrize(
    ("what", "brief", "resolution"),
    [
        ("classes/bsae.yml:1", "the model has no file 'classes/bsae.yml'", "Did you mean classes/base.yml?"),
        ("class:wbe", "class 'wbe' does not exist", "Did you mean web?"),
        ("no:such", "no node has parameters:no:such", "saltern explain NODE shows what a node has."),
        (
            "classes",
            "'classes' names nothing that is used",
            "Give a file, a line of one (classes/a.yml:3), a path (a:b, exports:a) or a class.",
        ),
    ],
)
def test_nothing_there(uses: Uses, what: str, brief: str, resolution: str) -> None:
    said = uses(what, "--json")
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    problems: list[dict[str, Any]] = said.problems()
    assert [(problem["brief"], problem["resolution"]) for problem in problems] == [(brief, resolution)]


def test_the_end_of_a_files_name_is_enough_where_it_is_the_only_one(uses: Uses, tree: Path) -> None:
    assert uses("web.yml", "--json").json["subject"] == "classes/web.yml"
    (tree / "classes/deep").mkdir()
    (tree / "classes/deep/web.yml").write_text("")
    said = uses("web.yml", "--json")
    assert said.problems()[0]["resolution"] == "Did you mean classes/deep/web.yml or classes/web.yml?"


def test_a_class_that_only_an_environment_has(uses: Uses, tree: Path) -> None:
    (tree / "reclass-config.yml").write_text(
        "storage_type: mixed\nnodes_uri: {storage_type: yaml_fs, uri: nodes}\n"
        "classes_uri:\n  storage_type: yaml_fs\n  uri: classes\n  env_overrides: [{prod: {uri: prod}}]\n"
    )
    (tree / "prod").mkdir()
    (tree / "prod/only.yml").write_text("parameters: {a: 1}\n")
    (tree / "nodes/n.yml").write_text("environment: prod\nclasses: [only]\n")
    for name in ("only", "class:only"):
        assert uses(name, "--json").json["nodes"] == ["n"]


def test_an_export_of_a_query_on_itself(run: Run, tmp_path: Path) -> None:
    model = write_tree(
        tmp_path / "loops",
        {
            "nodes/a.yml": "exports:\n  e: $[ exports:e ]\n  f: $[ exports:e ]\n",
            "classes/none.yml": "",
            "nodes/b.yml": "parameters:\n  p: 1\n  q: $[ exports:f ]\nexports:\n  e: ${p}\n",
        },
    )
    said = run("uses", "nodes/b.yml:2", "--json", "--model", str(model))
    assert "exports:e < p" in groups(said)["b"]


def test_the_end_of_a_long_chain_of_references(run: Run, tmp_path: Path) -> None:
    lines = [f"  a{n}: ${{a{n + 1}}}" for n in range(100)]
    text = "\n".join(["parameters:", *lines, "  a100: 1", ""])
    model = write_tree(tmp_path / "long", {"nodes/n.yml": text, "classes/none.yml": ""})
    (found,) = groups(run("uses", "a100", "--json", "--model", str(model))).values()
    assert len(found) == 101
