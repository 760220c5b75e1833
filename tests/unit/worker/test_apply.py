"""Applying chunks where the worker runs, below a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.worker import ApplyResult

from .conftest import Formula


def test_bytes_owner_and_mode_arrive(formula: Formula, tmp_path: Path) -> None:
    formula.pillar = {"x": "é"}
    formula.write({"web/t": "{{ pillar.x }}\x0cend\n\n"})
    result = formula.apply(
        f"{tmp_path}/out/x:\n  file.managed:\n  - source: salt://web/t\n  - template: jinja\n  - mode: '0640'\n"
        "  - makedirs: true\n"
    )
    assert result.ok, result.results
    assert (tmp_path / "out/x").read_bytes() == "é\x0cend\n\n".encode()
    assert (tmp_path / "out/x").stat().st_mode & 0o7777 == 0o640


def test_no_diff_and_no_secret_in_the_answer(formula: Formula, tmp_path: Path) -> None:
    formula.pillar = {"password": "s3cr3t"}
    (tmp_path / "x").write_text("old")
    result = formula.apply(f"{tmp_path}/x:\n  file.managed:\n  - contents_pillar: password\n")
    assert result.ok
    assert "s3cr3t" in (tmp_path / "x").read_text()
    assert "s3cr3t" not in repr(result)


def test_secret_in_the_output_of_a_command_is_hidden(formula: Formula) -> None:
    formula.pillar = {"db": {"password": "s3cr3t-value"}}
    result = formula.apply("a:\n  cmd.run:\n  - name: echo {{ pillar.db.password }}; exit 1\n")
    assert not result.ok
    assert "s3cr3t" not in repr(result)


def test_what_the_request_calls_secret_is_hidden_whatever_its_key(formula: Formula) -> None:
    formula.pillar = {"url": "mysql://web:s3cr3t-value@db"}
    formula.secrets = ("s3cr3t-value",)
    [result] = formula.apply("show:\n  cmd.run:\n  - name: echo {{ pillar.url }} >&2; false\n").results
    assert not result.ok
    assert "s3cr3t-value" not in str(result)
    assert "web:***@db" in str(result)


def test_custom_state_and_order(formula: Formula, tmp_path: Path) -> None:
    log = tmp_path / "log"
    formula.write(
        {
            "_states/mything.py": "def present(name, path):\n    open(path, 'a').write(name)\n"
            "    return {'name': name, 'changes': {'x': 1}, 'result': True, 'comment': 'done'}\n"
        }
    )
    result = formula.apply(
        f"c:\n  mything.present:\n  - path: {log}\n  - require: [{{mything: a}}]\n"
        f"a:\n  mything.present:\n  - path: {log}\nb:\n  mything.present:\n  - path: {log}\n"
    )
    assert log.read_text() == "acb"
    first = result.results[0]
    assert (first.id, first.function, first.comment) == ("a", "mything.present", "done")


def test_failure_is_told_with_its_place_and_stops_what_requires_it(formula: Formula, tmp_path: Path) -> None:
    result = formula.apply(
        f"{tmp_path}/x:\n  file.managed:\n  - contents: a\n  - user: nosuchuser\n"
        f"after:\n  cmd.run:\n  - name: touch {tmp_path}/ran\n  - require: [{{file: {tmp_path}/x}}]\n"
    )
    assert not result.ok
    assert [one.id for one in result.failed] == [f"{tmp_path}/x", "after"]
    problem = result.problems("web01")[0]
    assert "nosuchuser" in problem.brief
    assert str(problem.places[0]) == "web/init.sls:1"
    assert not (tmp_path / "ran").exists()


def test_an_argument_that_salt_does_not_have_fails_its_state_alone(formula: Formula, tmp_path: Path) -> None:
    result = formula.apply(
        f"a:\n  file.touch:\n  - name: {tmp_path}/x\n  - gone: 1\n"
        f"b:\n  file.touch:\n  - name: {tmp_path}/y\n  - require: [file: a]\n"
        f"c:\n  file.touch:\n  - name: {tmp_path}/z\n"
    )
    assert sorted((one.id, one.ok) for one in result.results) == [("a", False), ("b", False), ("c", True)]
    (refused,) = [one for one in result.results if one.id == "a"]
    assert refused.comment == "'gone' is an invalid keyword argument for 'file.touch'"
    assert str(result.problems("web01")[0].places[0]) == "web/init.sls:1"


def test_unknown_state_function_fails_clearly(formula: Formula) -> None:
    result = formula.apply("a:\n  nosuch.present: []\n")
    assert "nosuch.present" in result.failed[0].comment


def run_some(formula: Formula, text: str, *keep: str) -> ApplyResult:
    chunks = [chunk.raw for chunk in formula.sls(text).chunks if chunk.id in keep]
    return formula.worker.apply(formula.context, chunks)


@pytest.mark.parametrize(
    ("state", "requisite", "acts"),
    [
        ("cmd.wait", "watch: [{pkg: gone}]", True),
        ("cmd.wait", "listen: [{pkg: gone}]", True),
        ("cmd.run", "require: [{pkg: gone}]", True),
        ("cmd.run", "onchanges: [{pkg: gone}]", True),
        ("cmd.run", "onchanges: [{pkg: gone}, {test: quiet}]", True),
        ("cmd.run", "onchanges: [{test: quiet}]", False),
        ("cmd.run", "onchanges_any: [{pkg: gone}, {test: quiet}]", True),
        ("cmd.run", "require_any: [{pkg: gone}, {test: bad}]", True),
        ("cmd.run", "require: [{pkg: gone}, {test: bad}]", False),
        ("cmd.run", "onfail: [{pkg: gone}]", False),
        ("cmd.run", "onfail: [{pkg: gone}, {test: bad}]", True),
        ("cmd.run", "prereq: [{pkg: gone}]", True),
        ("cmd.wait", "watch: [{test: quiet}]", False),
        ("cmd.wait", "watch: [{test: loud}]", True),
        ("cmd.run", "require: [{sls: web.other}]", True),
        ("cmd.wait", "watch: [{sls: web.other}]", True),
    ],
)
def test_requisites_on_chunks_of_an_earlier_phase(
    formula: Formula, tmp_path: Path, state: str, requisite: str, acts: bool
) -> None:
    formula.write({"web/other.sls": "other:\n  test.nop: []\n"})
    text = (
        "include: [web.other]\ngone:\n  pkg.installed: []\nquiet:\n  test.succeed_without_changes: []\n"
        "loud:\n  test.succeed_with_changes: []\nbad:\n  test.fail_without_changes: []\n"
        f"it:\n  {state}:\n  - name: touch {tmp_path}/ran\n  - {requisite}\n"
    )
    run_some(formula, text, "it", "quiet", "loud", "bad")
    assert (tmp_path / "ran").exists() is acts


def test_module_wait_on_an_earlier_phase_runs(formula: Formula, tmp_path: Path) -> None:
    text = (
        "gone:\n  pkg.installed: []\n"
        f"it:\n  module.wait:\n  - name: file.touch\n  - m_name: {tmp_path}/ran\n  - watch: [{{pkg: gone}}]\n"
    )
    result = run_some(formula, text, "it")
    assert result.ok, result.results
    assert (tmp_path / "ran").exists()


def test_unless_onlyif_creates_and_check_cmd(formula: Formula, tmp_path: Path) -> None:
    text = "".join(
        f"{name}:\n  cmd.run:\n  - name: touch {tmp_path}/{name}\n  - {condition}\n"
        for name, condition in {
            "a": "unless: 'true'",
            "b": "onlyif: 'false'",
            "c": f"creates: {tmp_path}",
            "d": "onlyif: ['true', 'test -d /']",
        }.items()
    )
    assert formula.apply(text).ok
    assert sorted(path.name for path in tmp_path.glob("?")) == ["d"]


def test_accumulators_and_listen_at_run_time(formula: Formula, tmp_path: Path) -> None:
    text = (
        f"{tmp_path}/x:\n  file.blockreplace:\n  - marker_start: A\n  - marker_end: B\n  - append_if_not_found: true\n"
        "acc:\n  file.accumulated:\n"
        f"  - filename: {tmp_path}/x\n  - text: line\n  - require_in: [{{file: {tmp_path}/x}}]\n"
        f"go:\n  cmd.wait:\n  - name: touch {tmp_path}/heard\n  - listen: [{{file: {tmp_path}/x}}]\n"
    )
    (tmp_path / "x").write_text("start\n")
    result = formula.apply(text)
    assert result.ok, result.results
    assert "line" in (tmp_path / "x").read_text()
    assert (tmp_path / "heard").exists()


def test_collect(formula: Formula, tmp_path: Path) -> None:
    top, out = tmp_path / "top", tmp_path / "out"
    top.mkdir()
    for name in ("kept", "changed", "gone"):
        (top / name).write_text(name)
    text = (
        f"{top}/changed:\n  file.managed:\n  - contents: new\n  - mode: '0600'\n"
        f"{top}/gone:\n  file.absent: []\n{top}/link:\n  file.symlink:\n  - target: kept\n"
        f"{top}/d/new:\n  file.managed:\n  - contents: x\n  - makedirs: true\n"
    )
    chunks = [dict(chunk.raw) for chunk in formula.sls(text).chunks]
    request: dict[str, Any] = {"op": "apply", "chunks": chunks, "collect": {"out": str(out), "root": str(top)}}
    result = ApplyResult.of(formula.worker._ask(formula.context, request))
    assert [(f.path.removeprefix(str(top)), f.type, f.mode, f.target) for f in result.files] == [
        ("/changed", "file", "0600", ""),
        ("/d", "directory", "0755", ""),
        ("/d/new", "file", "0644", ""),
        ("/link", "symlink", "0777", "kept"),
    ]
    assert result.removed == (f"{top}/gone",)
    copy = Path(f"{out}{top}/changed")
    assert copy.read_text() == "new\n"
    assert copy.stat().st_mode & 0o7777 == 0o600
    assert Path(f"{out}{top}/link").readlink() == Path("kept")


def test_folders_that_are_wanted_whole(formula: Formula, tmp_path: Path) -> None:
    top, out = tmp_path / "top", tmp_path / "out"
    for name in ("some/old", "some/deep/old", "other/old"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    text = f"{top}/some/new:\n  file.managed:\n  - contents: x\n{top}/other/new:\n  file.managed:\n  - contents: x\n"
    chunks = [dict(chunk.raw) for chunk in formula.sls(text).chunks]
    wanted = {"out": str(out), "root": str(top), "whole": [f"{top}/some", f"{top}/missing"]}
    result = ApplyResult.of(formula.worker._ask(formula.context, {"op": "apply", "chunks": chunks, "collect": wanted}))
    assert result.folders == (f"{top}/some",)
    copied = [str(path.relative_to(f"{out}{top}")) for path in Path(f"{out}{top}").rglob("*") if path.is_file()]
    assert sorted(copied) == ["other/new", "some/deep/old", "some/new", "some/old"]
    assert [file.path.removeprefix(f"{top}/some") for file in result.kept] == ["", "/deep", "/deep/old", "/old"]
    assert {(file.uid, file.sha256 != "") for file in result.kept} == {(os.getuid(), False), (os.getuid(), True)}


def test_formulas_that_are_edited_meanwhile_are_no_configuration(formula: Formula, tmp_path: Path) -> None:
    out = tmp_path / "out"
    edit = f"edit:\n  cmd.run:\n  - name: date >> {formula.root}/README.md\n"
    text = f"{tmp_path}/new:\n  file.managed:\n  - contents: x\n{edit}"
    chunks = [dict(chunk.raw) for chunk in formula.sls(text).chunks]
    request: dict[str, Any] = {"op": "apply", "chunks": chunks, "collect": {"out": str(out), "root": str(tmp_path)}}
    result = ApplyResult.of(formula.worker._ask(formula.context, request))
    assert (formula.root / "README.md").exists()
    assert [file.path for file in result.files] == [f"{tmp_path}/new"]
    assert not (out / "README.md").exists()


def test_inspect_gives_passwd_and_group(formula: Formula) -> None:
    result = formula.worker.apply(formula.context, (), inspect=["no-such-service"])
    assert result.ok
    assert result.units["no-such-service"].unit == ""
    assert "root:" in result.passwd
    assert "root:" in result.group
