"""``saltern explain``: tables for people, JSON for programs, and what is said when there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.base.errors import ExitCode
from tests.trees import write_tree
from tests.unit.cli.conftest import Run, Said

FILES = {
    "nodes/web01.cloud.yml": """\
        classes: [base, role.web]
        environment: prod
        parameters:
          web:
            host: 10.0.0.2
            names: [c]
        """,
    "classes/base.yml": """\
        classes: [role.web]
        environment: lost
        applications: [ntp]
        parameters:
          _param:
            host: 10.0.0.1
            word: s3cretword
            kept: ?{age:web}
        """,
    "classes/role/web.yml": """\
        applications: [nginx, ~ntp]
        parameters:
          web:
            host: ${_param:host}
            url: http://${_param:host}:${web:port}/
            port: 80
            names: [a, b]
            key:with:colons: {deep: {deeper: {deepest: [1]}}}
            login:
              user: me
              password: ${_param:word}
              dsn: mysql://me:${_param:word}@db
              token: ${_param:kept}
        exports:
          url: ${web:url}
        """,
    "nodes/lb01.cloud.yml": """\
        parameters:
          backends: $[ exports:url ]
          bad: ${nothing}
        """,
}

Explain = Callable[..., Said]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", FILES)


@pytest.fixture
def explain(run: Run, tree: Path) -> Explain:
    return lambda *words: run("explain", *words, "--model", str(tree))


def lines(said: Said) -> list[str]:
    assert said.code == ExitCode.OK, said.err
    return [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]


def test_a_value_and_its_chain(explain: Explain) -> None:
    assert lines(explain("web01", "web:host")) == [
        'parameters:web:host of web01.cloud = "10.0.0.2"',
        "at class written",
        'set classes/role/web.yml:4:11 role.web "${_param:host}"',
        "from _param:host",
        'set classes/base.yml:6:11 base "10.0.0.1"',
        'overwrote nodes/web01.cloud.yml:5:11 web01.cloud "10.0.0.2"',
    ]


def test_json_is_exact(explain: Explain) -> None:
    found = explain("web01.cloud", "parameters:web:url", "--json").json
    assert (found["node"], found["subject"], found["value"]) == (
        "web01.cloud", "parameters:web:url", "http://10.0.0.1:80/",
    )  # fmt: skip
    (origin,) = found["origins"]
    assert {key: origin[key] for key in ("kind", "file", "line", "column", "class", "path", "value", "constant")} == {
        "kind": "set",
        "file": "classes/role/web.yml",
        "line": 5,
        "column": 10,
        "class": "role.web",
        "path": "web:url",
        "value": "http://${_param:host}:${web:port}/",
        "constant": False,
    }
    assert [(one["path"], one["node"], one["exports"]) for one in origin["references"]] == [
        ("_param:host", "", False),
        ("web:port", "", False),
    ]
    assert origin["references"][1]["origins"][0]["value"] == 80
    assert found["leaves"] == found["requests"] == found["entries"] == found["problems"] == []


def test_a_tree_lists_its_values_with_the_places_that_decide(explain: Explain) -> None:
    found = lines(explain("web01", "web", "--depth", "2"))
    assert found[:4] == [
        "parameters:web of web01.cloud: a dictionary of 6",
        "at class written",
        "set classes/role/web.yml:3:3 role.web",
        "merged nodes/web01.cloud.yml:4:3 web01.cloud",
    ]
    assert found[4] == "value of is at through"
    assert 'parameters:web:host "10.0.0.2" nodes/web01.cloud.yml:5:11' in found
    assert 'parameters:web:names:2 "c" nodes/web01.cloud.yml:6:13' in found
    assert 'parameters:web:"key:with:colons":deep … 1 below classes/role/web.yml:8:23' in found
    assert (
        'parameters:web:url "http://10.0.0.1:80/" classes/role/web.yml:5:10'
        " _param:host (classes/base.yml:6:11), web:port (classes/role/web.yml:6:11)"
    ) in found
    deep = explain("web01", 'web:"key:with:colons":deep', "--depth", "0", "--json").json
    assert [(leaf["path"], leaf["value"]) for leaf in deep["leaves"]] == [
        ('parameters:web:"key:with:colons":deep:deeper:deepest:0', 1)
    ]


def test_secrets_are_hidden_with_all_that_they_are_made_of(explain: Explain, tree: Path) -> None:
    (tree / "nodes/web01.cloud.yml").write_text("classes: [base]\nparameters: {_param: {word: another-one}}\n")
    for words in (("web", "--depth", "0"), ("web:login:password",), ("_param",), ("_param:word",), ("parameters",)):
        for style in ((), ("--json",)):
            said = explain("web01", *words, *style)
            assert said.code == ExitCode.OK, said.err
            assert "s3cretword" not in said.out
            assert "another-one" not in said.out
    found = explain("web01", "web:login:password", "--json").json
    assert found["value"] == "***"
    assert found["origins"][0]["value"] == "${_param:word}"
    assert [one["value"] for one in found["origins"][0]["references"][0]["origins"]] == ["***", "***"]
    assert explain("web01", "web:login:dsn", "--json").json["value"] == "mysql://me:***@db"
    assert explain("web01", "web:login:token", "--json").json["value"] == "?{age:web}"


def test_secrets_that_a_query_brings_are_hidden(explain: Explain, tree: Path) -> None:
    (tree / "nodes/db.yml").write_text("exports: {password: s3cretword, login: {password: s3cretword, user: me}}\n")
    (tree / "nodes/lb01.cloud.yml").write_text(
        "parameters:\n  all: ['$[ exports:password ]', x]\n  logins: $[ exports:login ]\n"
        "  text: of $[ exports:password ]\n"
    )
    for path in ("parameters", "all:0:db", "text", "logins"):
        said = explain("lb01", path, "--depth", "0", "--json")
        assert said.code == ExitCode.OK, said.err
        assert "s3cretword" not in said.out
    assert explain("lb01", "all:0:db", "--json").json["value"] == "***"
    assert explain("lb01", "logins:db", "--json").json["value"] == {"password": "***", "user": "me"}


def test_exports_and_queries(explain: Explain) -> None:
    assert lines(explain("web01", "exports:url"))[:4] == [
        'exports:url of web01.cloud = "http://10.0.0.1:80/"',
        "at class written",
        'set classes/role/web.yml:15:8 role.web "${web:url}"',
        "from web:url",
    ]


def test_a_query_tells_the_nodes_that_answered(explain: Explain, tree: Path) -> None:
    (tree / "nodes/web01.cloud.yml").write_text("classes: [base]\n")
    found = lines(explain("lb01", "backends"))
    assert found[0] == "parameters:backends of lb01.cloud: a dictionary of 1"
    assert "from exports:url of web01.cloud" in found
    assert found[-1].startswith(
        'parameters:backends:web01.cloud "http://10.0.0.1:80/" nodes/lb01.cloud.yml:2:13 exports:url'
    )


def test_only_some_of_many_answers_are_shown(explain: Explain, tree: Path) -> None:
    for number in range(12):
        (tree / f"nodes/n{number:02}.yml").write_text(f"exports: {{url: {number}}}\n")
    said = explain("lb01", "backends")
    assert len([line for line in lines(said) if line.startswith("from exports:url of n")]) == 10
    assert "… and 2 more (all with --json)" in said.out
    (origin,) = explain("lb01", "backends", "--json").json["origins"]
    assert len(origin["references"]) == 12


def test_a_class_tells_all_who_asked(explain: Explain) -> None:
    assert lines(explain("web01", "class:role.web")) == [
        "class:role.web of web01.cloud",
        "class asked for at by",
        "role.web classes/base.yml:1:11 web01.cloud → base",
        "role.web nodes/web01.cloud.yml:1:17 web01.cloud",
    ]
    assert explain("web01", "class:base", "--json").json["requests"] == [
        {
            "name": "base",
            "written": "base",
            "file": "nodes/web01.cloud.yml",
            "line": 1,
            "column": 11,
            "class": "web01.cloud",
            "chain": ["web01.cloud"],
            "first": True,
            "mapping": "",
        }
    ]
    assert lines(explain("web01", "classes"))[0] == "classes of web01.cloud: a list of 2"
    assert len(lines(explain("web01", "classes"))) == 4


def test_applications(explain: Explain) -> None:
    assert lines(explain("web01", "applications")) == [
        "applications of web01.cloud: a list of 2",
        "application at class",
        "added nginx classes/role/web.yml:1:16 role.web",
        "removed ntp classes/role/web.yml:1:23 role.web",
        "added ntp classes/base.yml:3:16 base",
    ]
    assert lines(explain("web01", "applications:ntp"))[0] == 'applications:ntp of web01.cloud = "ntp"'


def test_environment(explain: Explain) -> None:
    assert lines(explain("web01", "environment")) == [
        'environment of web01.cloud = "prod"',
        "at class written",
        'ignored classes/base.yml:2:14 base "lost"',
        'set nodes/web01.cloud.yml:2:14 web01.cloud "prod"',
    ]
    assert lines(explain("lb01", "environment")) == ['environment of lb01.cloud = "base"']


def test_what_saltern_adds_is_called_automatic(explain: Explain) -> None:
    assert lines(explain("web01", "_reclass_:name:short"))[2] == 'set automatic _reclass_ "cloud"'


@pytest.mark.parametrize(
    ("path", "brief", "details", "resolution"),
    [
        (
            "web:hots",
            "node web01.cloud has no parameters:web:hots",
            "parameters:web has no key 'hots'.",
            "Did you mean parameters:web:host?",
        ),
        (
            "nginx:login:user",
            "node web01.cloud has no parameters:nginx:login:user",
            "parameters has no key 'nginx'.",
            "Did you mean parameters:web:login:user?",
        ),
        (
            "web:names:3",
            "node web01.cloud has no parameters:web:names:3",
            "parameters:web:names is a list of 3; '3' leads nowhere.",
            "Did you mean parameters:web:names:0 or parameters:web:names:1 or parameters:web:names:2?",
        ),
        (
            "web:port:x:y:z:q",
            "node web01.cloud has no parameters:web:port:x:y:z:q",
            "parameters:web:port is no dictionary; 'x' leads nowhere.",
            "Ask for parameters:web:port to see what there is.",
        ),
        ("class:role.wbe", "node web01.cloud has no class 'role.wbe'", "", "Did you mean role.web?"),
        ("applications:x", "node web01.cloud has no application 'x'", "", "It has: nginx, ntp."),
        (
            "a::b",
            "the path 'a::b' cannot be read: a key is empty",
            "",
            "Write a:b, and quote a key that holds ':': a:\"b:c\".",
        ),
    ],
)
def test_nothing_there(explain: Explain, path: str, brief: str, details: str, resolution: str) -> None:
    said = explain("web01", path, "--json")
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    (problem,) = said.problems()
    assert (problem["brief"], problem["details"], problem["resolution"]) == (brief, details, resolution)


def test_values_that_cannot_be_rendered(explain: Explain) -> None:
    said = explain("lb01", "bad", "--json")
    assert said.code == ExitCode.MODEL
    (problem,) = said.problems()
    assert problem["brief"] == "reference to nothing: ${nothing}"
    assert [(place["file"], place["line"]) for place in problem["places"]] == [("nodes/lb01.cloud.yml", 3)]
    bad = [leaf for leaf in explain("lb01", "--json").json["leaves"] if leaf["problem"]]
    assert [(leaf["path"], leaf["problem"]) for leaf in bad] == [("parameters:bad", "reference to nothing: ${nothing}")]


def test_a_wrong_query_is_only_its_own_values_problem(explain: Explain, tree: Path) -> None:
    (tree / "nodes/lb01.cloud.yml").write_text("parameters:\n  wrong: $[ exports:a nonsense ]\n  right: 1\n")
    leaves = explain("lb01", "--json").json["leaves"]
    (wrong,) = [leaf for leaf in leaves if leaf["problem"]]
    (origin,) = wrong["origins"]
    assert wrong["path"] == "parameters:wrong"
    assert (origin["value"], origin["references"]) == ("$[ exports:a nonsense ]", [])
    assert explain("lb01", "wrong").code == ExitCode.MODEL


def test_other_nodes_may_be_broken_and_classes_missing(explain: Explain, tree: Path) -> None:
    (tree / "nodes/wrong.yml").write_text("classes: [nope]\nparameters: {x: 1}\n")
    assert explain("web01", "web:port").code == ExitCode.OK
    said = explain("wrong", "x")
    assert lines(said)[0] == "parameters:x of wrong = 1"
    assert "warning: class 'nope' does not exist" in said.err
    missing = explain("wrong", "y", "--json")
    assert missing.code == ExitCode.MODEL
    assert missing.problems()[0]["brief"] == "class 'nope' does not exist"


def test_node_names(explain: Explain, tree: Path) -> None:
    assert explain("web99", "web").code == ExitCode.MODEL
    (tree / "nodes/web01.other.yml").write_text("")
    said = explain("web01", "web", "--json")
    assert said.code == ExitCode.USAGE
    assert said.problems()[0]["resolution"] == "Give the full name: web01.cloud or web01.other."


def test_the_json_of_every_kind_has_the_same_keys(explain: Explain) -> None:
    keys: set[Any] = set()
    for path in ("web", "web:port", "exports", "class:base", "classes", "applications", "environment"):
        keys.add(json.dumps(sorted(explain("web01", path, "--json").json)))
    assert len(keys) == 1


def test_keys_that_need_quotes(run: Run, tmp_path: Path) -> None:
    text = """\
        parameters:
          a: {"": v, 'it''s "x": y': w, 'b\\': z}
          x: ${a}
        """
    model = write_tree(tmp_path / "keys", {"nodes/n.yml": text, "classes/none.yml": ""})
    said = run("explain", "n", "x", "--json", "--model", str(model))
    assert said.code == ExitCode.OK, said.err
    assert run("uses", "nodes/n.yml:2", "--model", str(model)).code == ExitCode.OK
    for path in ('x:""', """x:'it''s "x": y'""", 'x:"b\\"'):
        assert run("explain", "n", path, "--model", str(model)).code == ExitCode.OK


def test_the_start_of_a_long_chain_of_references(run: Run, tmp_path: Path) -> None:
    chain = [f"  a{n}: ${{a{n + 1}}}" for n in range(150)]
    text = "\n".join(["parameters:", *chain, "  a150: 1", ""])
    model = write_tree(tmp_path / "long", {"nodes/n.yml": text, "classes/none.yml": ""})
    for words in (("a0",), ("a0", "--json"), (), ("--json",)):
        said = run("explain", "n", *words, "--model", str(model))
        assert said.code == ExitCode.OK, said.err[-500:]
