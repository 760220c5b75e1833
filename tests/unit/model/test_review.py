"""What a review of a model's files finds: traps, plain secrets, and what no node uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from saltern.base.errors import Problem
from saltern.model import Options, open_inventory
from saltern.model.review import review

Write = Callable[..., Path]


def warnings(root: Path, kind: str, **class_paths: Path) -> list[Problem]:
    return [
        problem for problem in review(open_inventory(root, class_paths=class_paths)).warnings if problem.kind == kind
    ]


def said(found: list[Problem]) -> list[tuple[str, list[str]]]:
    return [(problem.brief, [str(place) for place in problem.places]) for problem in found]


# ---- classes


def test_a_class_that_no_node_uses(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]", "classes/a": "classes: [b.c]", "classes/b/c": "", "classes/d": ""})
    assert said(warnings(root, "unused-class")) == [("no node uses the class 'd'", ["classes/d.yml:1"])]


def test_a_whole_family_is_told_once(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [s.a.x]", "classes/s/a/x": "", "classes/s/b/x": "", "classes/s/b/init": "",
                    "classes/s/a/y": ""})  # fmt: skip
    assert said(warnings(root, "unused-class")) == [
        ("no node uses the class 's.a.y'", ["classes/s/a/y.yml:1"]),
        ("no node uses the 2 classes of 's.b'", ["classes/s/b/init.yml:1", "classes/s/b/x.yml:1"]),
    ]


def test_formulas_bring_classes_that_nobody_has_to_use(model: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    formula = tmp_path_factory.mktemp("formula")
    (formula / "single.yml").write_text("parameters: {_param: {port: 1}, password: hunter22}")
    root = model(**{"nodes/n": "classes: [service.web.single]"})
    found = review(open_inventory(root, class_paths={"service.web": formula, "service.db": formula}))
    assert found.warnings == ()


def test_a_class_by_a_reference_or_a_mapping_is_used(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [p, 'c.${_param:v}']", "classes/p": "parameters: {_param: {v: one}}",
                    "classes/c/one": "", "classes/mapped": ""})  # fmt: skip
    found = review(open_inventory(root, options=Options(class_mappings=("* mapped",))))
    assert found.warnings == ()


def test_nothing_is_called_unused_while_a_class_is_skipped(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [gone]\nparameters: {_param: {x: 1}}", "classes/a": ""})
    found = review(open_inventory(root, options=Options(ignore_class_notfound=True)))
    assert found.warnings == ()


def test_nothing_is_called_unused_while_a_node_is_broken(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [gone]\nparameters: {_param: {x: 1}}", "classes/a": ""})
    found = review(open_inventory(root))
    assert found.warnings == ()


# ---- parameters


def test_a_parameter_that_nothing_refers_to(model: Write) -> None:
    root = model(**{"nodes/n": "classes: [a]\nparameters:\n  _param:\n    used: 1\n    idle: 2\n  x: ${_param:used}",
                    "classes/a": "parameters:\n  _param:\n    idle: 1\n"})  # fmt: skip
    assert said(warnings(root, "unused-parameter")) == [
        ("nothing refers to _param:idle", ["classes/a.yml:3:11", "nodes/n.yml:5:11"])
    ]


@pytest.mark.parametrize(
    "use",
    [
        "parameters: {a: '${_param:x}'}",
        "parameters: {a: ['at ${_param:x:deep} end']}",
        "parameters: {_param: {v: x}, a: '${_param:${_param:v}}'}",
        "parameters: {all: '${_param}'}",
        "parameters: {a: '${other}', other: '${_param:x}'}",
        "parameters: {a: '$[ exports:q if exports:q == self:_param:x ]'}",
        "exports: {e: '${_param:x}'}",
        "classes: ['${_param:x:name}']",
    ],
)
def test_what_counts_as_use(model: Write, use: str) -> None:
    root = model(**{"nodes/n": "classes: [base, user]\n", "classes/user": use, "classes/k": "",
                    "classes/base": "parameters: {_param: {x: {deep: 1, name: k}}}"})  # fmt: skip
    assert warnings(root, "unused-parameter") == []


def test_a_class_that_no_node_uses_uses_nothing(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {_param: {x: 1}}", "classes/a": "parameters: {a: '${_param:x}'}"})
    assert len(warnings(root, "unused-parameter")) == 1


# ---- secrets


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("db: {password: hunter2}", "db:password"),
        ("_param: {mysql_admin_password: x}", "_param:mysql_admin_password"),
        ("db: {password: 12345}", "db:password"),
        ("tokens: [{secret: abc}]", "tokens:0:secret"),
        ("secret: {deep: {thing: abc}}", "secret:deep:thing"),
        ("conn: 'mysql://nova:hunter2@${_param:host}/nova'", "conn"),
        ("tls: {any: '-----BEGIN RSA PRIVATE KEY-----'}", "tls:any"),
        ("~password: hunter2", "password"),
        ("password: '?{ age:nearly/a/reference}'", "password"),
    ],
)
def test_secrets_in_plain_text(model: Write, text: str, path: str) -> None:
    root = model(**{"nodes/n": "parameters: {_param: {host: h}}", "classes/idle": f"parameters:\n  {text}\n"})
    (warning,) = warnings(root, "plain-secret")
    assert warning.brief == f"a secret in plain text: {path}"
    assert str(warning.places[0]).startswith("classes/idle.yml:2:")
    assert "hunter2" not in str(warning.as_json())


@pytest.mark.parametrize(
    "text",
    [
        "password: ${_param:password}",
        "password: '?{age:db/password}'",
        "password: ''",
        "password: ~",
        "password: $6$salt$hash",
        "password: /etc/keystone/password",
        "password_file: keys",
        "token: {expiration: 3600}",
        "key: ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ",
        "conn: 'mysql://nova:${_param:p}@host/nova'",
        "conn: 'mysql://nova:?{age:p}@host/nova'",
        "url: http://host:8080/a@b",
    ],
)
def test_what_is_no_secret_in_plain_text(model: Write, text: str) -> None:
    root = model(**{"nodes/n": "parameters: {}", "classes/idle": f"parameters:\n  {text}\n"})
    assert warnings(root, "plain-secret") == []


# ---- files


def test_traps_have_their_own_kinds(model: Write) -> None:
    root = model(**{"nodes/n": "parameters:\n  on: 0644\n  2: x\t\n"})
    found = {problem.kind: problem for problem in review(open_inventory(root)).warnings}
    assert {kind: str(problem.places[0]) for kind, problem in found.items()} == {
        "yaml-boolean": "nodes/n.yml:2:3",
        "yaml-number": "nodes/n.yml:2:7",
        "non-string-key": "nodes/n.yml:3:3",
        "tab": "nodes/n.yml:3:7",
    }
    assert "reads True" in found["yaml-boolean"].details
    assert found["yaml-number"].resolution == 'Quote it: "0644".'


def test_problems_and_warnings_of_files_that_no_node_uses(model: Write) -> None:
    root = model(**{"nodes/n": "parameters: {}", "classes/bad": "parameters: [", "classes/odd": "paramters: {}",
                    "classes/twice": "parameters: {a: 1, a: 2}"})  # fmt: skip
    found = review(open_inventory(root))
    assert [str(problem.places[0].file) for problem in found.problems] == ["classes/bad.yml"]
    assert {"unknown-key", "duplicate-key"} <= {problem.kind for problem in found.warnings}
