"""Diffs, their causes, packages, and the files that differ."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.plan.changes import (
    Changes,
    FormulaChange,
    PackageChange,
    ValueChange,
    causes_of_diff,
    file_kinds,
    package_changes,
    unified,
)
from saltern.plan.revision import FileRecord
from tests.unit.plan.revisions import record

END = "\\ No newline at end of file"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            *("a\nb\n", "a\nc\n"), ["--- a/etc/x", "+++ b/etc/x", "@@ -1,2 +1,2 @@", " a", "-b", "+c"], id="a line"
        ),
        pytest.param(*("", "a\n"), ["--- a/etc/x", "+++ b/etc/x", "@@ -0,0 +1 @@", "+a"], id="all of it"),
        pytest.param(
            *("a\n", "a"), ["--- a/etc/x", "+++ b/etc/x", "@@ -1 +1 @@", "-a", "+a", END], id="the last newline goes"
        ),
        pytest.param(
            *("b\na", "c\na"),
            ["--- a/etc/x", "+++ b/etc/x", "@@ -1,2 +1,2 @@", "-b", "+c", " a", END],
            id="neither ends with a newline",
        ),
        pytest.param(
            *("a\x0cb\u2028c\rd\n", "a\x0cb\u2028c\re\n"),
            ["--- a/etc/x", "+++ b/etc/x", "@@ -1 +1 @@", "-a\x0cb\u2028c\rd", "+a\x0cb\u2028c\re"],
            id="only a newline ends a line",
        ),
        pytest.param(*("a\n", "a\n"), [], id="nothing"),
    ],
)
def test_a_diff(old: str, new: str, expected: list[str]) -> None:
    assert unified("/etc/x", old, new) == "".join(f"{line}\n" for line in expected)


def test_a_mode_is_a_line_of_its_own() -> None:
    assert unified("/x", "a\n", "a\n", ("0644 0:0", "0600 0:0")) == "mode and owner 0644 0:0 → 0600 0:0\n"
    both = unified("/x", "a\n", "b\n", ("0644 0:0", "0644 33:0")).splitlines()
    assert both[:2] == ["mode and owner 0644 0:0 → 0644 33:0", "--- a/x"]
    assert unified("/x", "", "b\n", ("", "0644 0:0")).startswith("--- a/x"), "a new file has no other mode"
    assert unified("/x", "a\n", "a\n", ("0644 0:0", "0644 0:0")) == ""


LINES = st.text("ab-+ \n\x0c\u2028", max_size=12)


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
def test_patch_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "x"

    @settings(max_examples=25)  # each is a process
    @given(LINES, LINES)
    def check(old: str, new: str) -> None:
        file.write_text(old, newline="")
        said = unified("/x", old, new)
        argv = ["patch", "--quiet", "--no-backup-if-mismatch", "-p1", str(file)]
        if said:
            subprocess.run(argv, input=said.encode(), check=True)
        found = file.read_bytes().decode() if file.exists() else ""  # patch removes what becomes empty
        assert found == new

    check()


# ---- causes


def value(path: str, old: Any, new: Any, place: str = "", nodes: tuple[str, ...] = ("web.example.com",)) -> ValueChange:
    return ValueChange(path, "changed", old, new, nodes, place or f"{path}.yml:1")


@pytest.mark.parametrize(
    ("diff", "values", "places"),
    [
        ("-workers = 4\n+workers = 8\n", [value("workers", 4, 8), value("other", "x", "y")], ["workers.yml:1"]),
        ("+port = 8080\n", [value("workers", 4, 8), value("port", None, 8080)], ["port.yml:1"]),
        (" workers = 8\n", [value("workers", 4, 8)], []),
        ("-gone = yes\n", [value("gone", "yes", None)], ["gone.yml:1"]),
        ("-now = yes\n", [value("gone", None, "yes")], []),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n---skip-name\n++++ x\n", [value("o", "skip-name", "x")], ["o.yml:1"]),
        ("--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n---skip-name\n", [value("o", "skip-name", None)], ["o.yml:1"]),
        ("--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n-y\n", [value("o", "x", "z"), value("p", None, "b/x")], []),
        ("+debug = true\n", [value("debug", *(False, True))], ["debug.yml:1"]),
        ("+url = http://10.0.0.9:80/\n", [value("vip", "10.0.0.1", "10.0.0.9")], ["vip.yml:1"]),
        ("+a b\n", [value("all", {"a": 1}, {"b": 1}), value("list", [], ["a"]), value("none", "x", "")], []),
        ("+x\n", [value("a", None, "x", place="-"), value("b", None, "x", place="-")], ["-"]),
    ],
)
def test_what_is_to_blame_for_a_diff(diff: str, values: list[ValueChange], places: list[str]) -> None:
    assert causes_of_diff(diff, values) == tuple(places)


def test_a_value_without_a_place_blames_nothing() -> None:
    assert causes_of_diff("+x\n", [ValueChange("a", "added", None, "x", ("web",))]) == ()


def test_the_causes_of_a_node() -> None:
    changes = Changes(
        values=(value("a", 1, 2, nodes=("web", "db")), value("b", 1, 2, nodes=("db",)), value("a", 3, 4)),
        formulas=(FormulaChange("nginx", ("init.sls", "map.jinja")), FormulaChange("mariadb", ("init.sls",))),
    )
    assert changes.causes("web", ["nginx"]) == ("a.yml:1", "nginx: init.sls", "nginx: map.jinja")
    assert changes.causes("db", []) == ("a.yml:1", "b.yml:1")
    assert changes.causes("mq", ["rabbitmq"]) == ()


# ---- packages and files


def test_packages() -> None:
    old = {"nginx": "1.22", "same": "1", "gone": "2"}
    new = {"nginx": "1.26", "same": "1", "came": "3"}
    assert package_changes(old, new) == (
        PackageChange("came", "", "3"),
        PackageChange("gone", "2", ""),
        PackageChange("nginx", "1.22", "1.26"),
    )


VERSIONS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]))


@given(VERSIONS, VERSIONS)
def test_package_changes_lead_from_one_to_the_other(old: dict[str, str], new: dict[str, str]) -> None:
    found = {**old}
    for change in package_changes(old, new):
        assert found.pop(change.name, "") == change.old != change.new
        found |= {change.name: change.new} if change.new else {}
    assert found == new


def test_files() -> None:
    plain, other, private = (
        FileRecord("a", "0644", "0:0"),
        FileRecord("b", "0644", "0:0"),
        FileRecord("a", "0600", "0:0"),
    )
    old = record(files={"/same": plain, "/text": plain, "/mode": plain, "/gone": plain})
    new = record(files={"/same": plain, "/text": other, "/mode": private, "/came": plain})
    kinds = [("/came", "added"), ("/gone", "removed"), ("/mode", "changed"), ("/text", "changed")]
    assert [*file_kinds(old, new)] == kinds
    assert [*file_kinds(None, record(files={"/a": plain}))] == [("/a", "added")]
    assert [*file_kinds(record(files={"/a": plain}), None)] == [("/a", "removed")]
    assert [*file_kinds(None, None)] == []
