"""References to secrets: what counts as one, what takes their place, and where they are written."""

from __future__ import annotations

from saltern.model import load_inventory
from saltern.model.secret_references import (
    SecretReference,
    fill,
    find_references,
    is_reference,
    references_in,
    uses_of,
)
from saltern.model.secrets import secret_values
from tests.unit.model.conftest import Write

PASSWORD = SecretReference("age", "keystone/admin_password")


def test_a_reference_alone_or_inside_text() -> None:
    assert references_in("?{age:keystone/admin_password}") == (PASSWORD,)
    text = "mysql://k:?{age:keystone/admin_password}@db/?x=?{vault:kv/a/b#c d}"
    assert [str(found) for found in references_in(text)] == [str(PASSWORD), "?{vault:kv/a/b#c d}"]


def test_other_text_is_no_reference() -> None:
    for text in (
        "what?{}",
        "?{}",
        "?{Age:x}",
        "a?{2}",
        "?{age:a\nb}",
        "? {age:x}",
        "${age:x}",
        r"\?{age:x}",
        "?{age:x",
    ):
        assert references_in(text) == ()
    assert is_reference(str(PASSWORD))
    assert not is_reference(f"{PASSWORD}x")
    assert not is_reference(rf"\{PASSWORD}")


def test_paths_of_references() -> None:
    value = {"a": [1, {"b": str(PASSWORD)}], "c": "?{env:X}", "d": None, 5: "x ?{env:X}"}
    assert [(path, str(found)) for path, found in find_references(value)] == [
        (("a", 1, "b"), str(PASSWORD)),
        (("c",), "?{env:X}"),
        ((5,), "?{env:X}"),
    ]


def test_filling_keeps_everything_else() -> None:
    value = {"a": [1, f"x{PASSWORD}y{PASSWORD}"], "b": r"\?{env:X} \\?{env:X}", "c": True, 5: None}
    filled = fill(value, lambda reference: reference.name.upper())
    assert filled == {
        "a": [1, "xKEYSTONE/ADMIN_PASSWORDyKEYSTONE/ADMIN_PASSWORD"],
        "b": r"?{env:X} \?{env:X}",
        "c": True,
        5: None,
    }


def test_a_value_with_a_reference_in_it_is_not_read_again() -> None:
    assert fill("?{env:X}", lambda _: "?{env:Y}${a}") == "?{env:Y}${a}"


def test_stand_ins_differ_and_stay() -> None:
    stand_ins = {SecretReference("env", name).stand_in for name in ("X", "Y")}
    assert len(stand_ins) == 2
    assert SecretReference("env", "X").stand_in == "saltern-secret-5bd66602ff27c87f"


def test_through_references_and_merges_to_the_line_that_has_it(model: Write) -> None:
    root = model(
        **{
            "classes/passwords": """\
                parameters:
                  _param:
                    password: plain
                    site: prague
                """,
            "classes/secret": """\
                classes: [passwords]
                parameters:
                  _param:
                    password: ?{age:${_param:site}/db}
                    other: ?{env:OTHER}
                """,
            "nodes/n": """\
                classes: [secret]
                parameters:
                  db:
                    url: mysql://x:${_param:password}@db
                    users:
                    - {name: a, password: "${_param:other}"}
                """,
        }
    )
    node = load_inventory(root).node("n")
    assert node.parameters["db"]["url"] == "mysql://x:?{age:prague/db}@db"
    found = {(use.path[0], str(use.reference)): str(use.places[0]) for use in uses_of(node)}
    assert found == {
        ("_param", "?{age:prague/db}"): "classes/secret.yml:4:15",
        ("_param", "?{env:OTHER}"): "classes/secret.yml:5:12",
        ("db", "?{age:prague/db}"): "classes/secret.yml:4:15",
        ("db", "?{env:OTHER}"): "classes/secret.yml:5:12",
    }


def test_a_reference_is_no_secret_text_itself() -> None:
    assert secret_values({"password": str(PASSWORD), "token": "real-token"}) == {"real-token"}
