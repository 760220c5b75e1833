"""The command: help of every verb, and what small wrong models are told. Nothing is built; formulas compile locally."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from saltern.base.errors import ExitCode
from saltern.base.process import LocalRunner
from saltern.cli.main import cli
from saltern.images.toolchain import local_site_packages
from saltern.project import checking
from tests.trees import write_tree
from tests.unit.cli.conftest import Run, Said
from tests.unit.worker.conftest import CACHE


def verbs(command: click.Command = cli, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield words, command
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from verbs(sub, *words, name)


VERBS = dict(verbs())
WITHOUT_MODEL = (("completion",), ("inventory", "salt-modules"))


@dataclass(frozen=True)
class Model:
    """A model in the test's folder and its formula ``web``."""

    root: Path
    run: Run

    def write(self, files: Mapping[str, str]) -> Model:
        write_tree(self.root, files)
        return self

    def __call__(self, *words: str) -> Said:
        return self.run(*words, "--model", str(self.root), "--worker", "local", "--progress", "json")

    def wrong(self, code: ExitCode, *words: str) -> list[dict[str, Any]]:
        """The problems of a check that fails; the same is said to people, without a traceback."""
        said = self(*(words or ("check",)), "--json")
        assert (said.code, said.out) == (code, ""), said.err
        problems = said.problems()
        plain = self(*(words or ("check",)))
        assert plain.code == code
        for problem in problems:
            assert f"error: {problem['brief']}" in plain.err
            for place in problem["places"]:
                assert f"  at {place['file']}" in plain.err
            if problem["resolution"]:
                assert f"  do: {problem['resolution']}" in plain.err
        return problems


@pytest.fixture
def model(tmp_path: Path, run: Run) -> Model:
    site = local_site_packages(LocalRunner(), CACHE)
    toolchain = tmp_path / "cache" / "saltern" / "toolchain"
    toolchain.mkdir(parents=True)
    (toolchain / site.name).symlink_to(site)
    return Model(tmp_path / "model", run).write(
        {
            "saltern.yml": "formulas: [{name: web, path: ../formula}]\n",
            "nodes/web01.yml": "classes: [service]\nparameters: {web: {name: hello}}\n",
            "classes/service.yml": "applications: [web]\n",
            "../formula/web/init.sls": """\
                web_package:
                  pkg.installed:
                  - name: nginx
                web_file:
                  file.managed:
                  - name: /etc/web.conf
                  - contents: {{ pillar.web.name }}
                  - require: [{pkg: web_package}]
                web_service:
                  service.running:
                  - name: nginx
                  - watch: [{file: web_file}]
                """,
        }
    )


def place(problem: Mapping[str, Any], index: int = 0) -> str:
    found = problem["places"][index]
    return ":".join(str(part) for part in (Path(found["file"]).name, found["line"], found["column"]) if part)


# ---- help


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_of_every_verb_has_examples(run: Run, words: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        said = run(*words, option)
        assert said.code == ExitCode.OK
        assert "Examples:" in said.out
        assert f"saltern {' '.join(words)}" in said.out.partition("Examples:")[2]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_option_and_verb_has_help(words: tuple[str, ...]) -> None:
    command = VERBS[words]
    assert command.get_short_help_str()
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [o.name for o in options if not o.help] == []


@pytest.mark.parametrize("words", [w for w in VERBS if w not in WITHOUT_MODEL], ids=" ".join)
def test_every_verb_has_the_common_options(words: tuple[str, ...]) -> None:
    names = {name for p in VERBS[words].params for name in p.opts}
    assert {"--strict", "--json", "--debug"} <= names
    assert ("--model" in names) is (words != ("operate",)), "that one has a repository"
    if "--engine" in names:
        assert {"--worker", "--progress"} <= names


@pytest.mark.parametrize("name", sorted(name for name, one in cli.commands.items() if isinstance(one, click.Group)))
def test_help_of_every_group_has_examples(run: Run, name: str) -> None:
    assert f"saltern {name}" in run(name, "--help").out.partition("Examples:")[2]


def test_help_of_the_whole_and_version(run: Run) -> None:
    assert "Examples:" in run("--help").out
    assert run("--version").out.startswith("saltern, version ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    if shell == "bash":
        pytest.importorskip("click.shell_completion")
    said = run("completion", shell)
    assert said.code == 0
    assert "_SALTERN_COMPLETE" in said.out


# ---- wrong use


@pytest.mark.parametrize("words", [("chekc",), ("check", "--nope"), ("show",), ("logs", "x", "--tail", "0")], ids=str)
def test_wrong_use_is_2(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words)
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert "Error: " in said.err


def test_wrong_use_is_json_too(run: Run) -> None:
    said = run("check", "--json", "--nope")
    assert said.code == ExitCode.USAGE
    assert "--nope" in said.problems()[0]["brief"]


def test_no_model(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("check")
    assert said.code == ExitCode.USAGE
    assert "error: no model here" in said.err
    assert "do: go into a model, or give one with --model" in said.err
    said = run("check", "--model", str(tmp_path))
    assert f"{tmp_path} is no model: it has no nodes/ and no classes/" in said.err.replace("\n", "")


def test_show_names_secrets_by_their_references(model: Model) -> None:
    model.write(
        {
            "nodes/web01.yml": "classes: [service]\nparameters: {web: {name: 'h?{env:NOT_SET}'}}\n",
            "../formula/web/init.sls": "web_hello:\n  cmd.run:\n  - name: echo {{ pillar.web.name }}\n",
        }
    )
    said = model("show", "web01", "--json")
    assert said.json["chunks"][0]["name"] == "echo h?{env:NOT_SET}"


def test_an_unknown_node_names_the_known_ones(model: Model) -> None:
    (problem,) = model.wrong(ExitCode.USAGE, "show", "web99")
    assert problem["brief"] == "there is no node 'web99'"
    assert problem["resolution"] == "known nodes: web01"


def test_a_local_worker_builds_nothing(model: Model) -> None:
    (problem,) = model.wrong(ExitCode.USAGE, "build")
    assert problem["brief"] == "a local worker cannot build images"


# ---- a good model


def test_check(model: Model) -> None:
    said = model("check")
    assert (said.code, said.out) == (ExitCode.OK, "1 node with 3 states: no errors, 0 warnings\n"), said.err
    assert model("check", "--json").json == {"nodes": 1, "states": 3, "warnings": []}


def test_check_from_a_folder_below(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.root / "nodes")
    assert model.run("check", "--worker", "local").out.startswith("1 node with 3 states")


def test_show(model: Model) -> None:
    found = model("show", "web01", "--json").json
    assert found["node"] == "web01"
    assert [(c["phase"], c["function"], c["id"], c["place"]) for c in found["chunks"]] == [
        ("build", "pkg.installed", "web_package", "web/init.sls:1"),
        ("config", "file.managed", "web_file", "web/init.sls:4"),
        ("process", "service.running", "web_service", "web/init.sls:9"),
    ]
    assert all(c["reason"] for c in found["chunks"])
    table = model("show", "web01").out
    assert [line.split()[0] for line in table.splitlines()] == ["phase", "build", "config", "process"]


def test_show_says_what_a_node_talks_to(model: Model) -> None:
    model.write({"../formula/web/meta/container.yml": "connects: [{host: db, port: 3306}]\nreaches: [{host: app}]\n"})
    assert model("show", "web01", "--json").json["talks_to"] == [
        {"host": "db", "port": 3306, "waits": True},
        {"host": "app", "port": 0, "waits": False},
    ]
    rows = [line.split() for line in model("show", "web01").out.splitlines()]
    assert rows[-2:] == [["db", "3306", "yes"], ["app", "any", "no"]]


SPHINX = """
doc:
  name: Web
  role:
    server:
      param:
        password: {value: {{ pillar.web.password | json }}}
        port: {value: {{ pillar.web.port }}}
"""


def test_docs(model: Model, tmp_path: Path) -> None:
    model.write({"../formula/web/meta/sphinx.yml": SPHINX})
    web = "{name: hello, password: do-not-show-this, port: 80}"
    model.write({"nodes/web01.yml": f"classes: [service]\nparameters: {{web: {web}}}\n"})
    said = model("render", "--target", "docs", str(tmp_path / "pages"), "--json")
    assert said.json == {"folder": str(tmp_path / "pages"), "pages": ["index.md", "web01.md"], "removed": []}, said.err
    page = (tmp_path / "pages" / "web01.md").read_text()
    assert "| port | `80` |" in page
    assert "| password | `***` |" in page
    (tmp_path / "pages" / "gone.md").write_text((tmp_path / "pages" / "index.md").read_text())
    again = model("render", "--target", "docs", str(tmp_path / "pages"), "--json")
    assert again.json["removed"] == ["gone.md"]


def test_docs_leave_the_files_of_others_alone(model: Model, tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("mine\n")
    (problem,) = model.wrong(ExitCode.USAGE, "render", "--target", "docs", str(tmp_path))
    assert "was not written by saltern" in problem["brief"]
    assert (tmp_path / "index.md").read_text() == "mine\n"


@pytest.mark.parametrize("words", [(), ("pages", "--secrets")])
def test_docs_need_a_folder_and_have_no_secrets(model: Model, words: tuple[str, ...]) -> None:
    model.wrong(ExitCode.USAGE, "render", "--target", "docs", *words)


def test_progress_is_on_stderr_and_a_second_time_nothing_is_compiled(model: Model) -> None:
    first, second = model("check", "--json"), model("check", "--json")
    assert [json.loads(line)["state"] for line in first.err.splitlines()] == ["started", "done"]
    assert second.err == ""
    assert first.out == second.out


def test_brackets_in_a_state_id_are_no_markup(model: Model) -> None:
    model.write({"../formula/web/init.sls": "'[/bold] and [red]x':\n  test.nop\n"})
    said = model("show", "web01")
    assert said.code == ExitCode.OK, said.err
    assert "[/bold] and [red]x" in said.out


def test_formulas(model: Model) -> None:
    listed = model("formulas", "list", "--json").json
    assert listed[0] == {
        "name": "web",
        "origin": "path ../formula",
        "compat": "",
        "root": str(model.root.parent / "formula"),
    }
    assert "keystone" in [f["name"] for f in listed]
    assert model("formulas", "lock", "--json").json == {}
    assert model("formulas", "fetch").out == "Nothing to fetch.\n"


# ---- wrong models


def test_an_unknown_class(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes:\n- service\n- servise.x\n"})
    (problem,) = model.wrong(ExitCode.MODEL)
    assert "servise.x" in problem["brief"]
    assert problem["node"] == "web01"
    assert place(problem).startswith("web01.yml")


def test_a_loop_of_references(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes: [service]\nparameters:\n  web: {name: '${a}'}\n  a: ${b}\n  b: ${a}\n"})
    problems = model.wrong(ExitCode.MODEL)
    assert any("a" in p["brief"] and place(p).startswith("web01.yml:") for p in problems)


def test_wrong_yaml_has_line_and_column(model: Model) -> None:
    model.write({"classes/service.yml": "applications:\n- web\n  bad: [\n"})
    (problem,) = model.wrong(ExitCode.MODEL)
    file, line, column = place(problem).split(":")
    assert file == "service.yml"
    assert int(line) in (3, 4)
    assert int(column)


def test_a_duplicate_key_is_a_warning_and_with_strict_an_error(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes: [service]\nparameters:\n  web: {name: a}\n  web: {name: b}\n"})
    said = model("check")
    assert said.code == ExitCode.OK
    assert "warning: " in said.err
    assert "1 warning" in said.out
    (warning,) = model("check", "--json").json["warnings"]
    assert "web01.yml:4" in [place(warning, i).rpartition(":")[0] for i in range(len(warning["places"]))]
    (problem,) = model.wrong(ExitCode.MODEL, "check", "--strict")
    assert problem["brief"] == warning["brief"]


def test_an_error_of_jinja_names_template_and_line(model: Model) -> None:
    model.write({"../formula/web/init.sls": "a:\n  test.nop\n{% if pillar.web.nothing.deep %}\n{% endif %}\n"})
    (problem,) = model.wrong(ExitCode.FORMULA)
    assert place(problem) == "init.sls:3"
    assert "nothing" in problem["brief"] + problem["details"]
    assert problem["node"] == "web01"


def test_an_error_in_a_template_of_a_built_file(model: Model) -> None:
    model.write({"../formula/web/init.sls": "a:\n  test.nop\n{% for %}\n"})
    (problem,) = model.wrong(ExitCode.FORMULA)
    assert place(problem) == "init.sls:3"


def test_an_unknown_requisite(model: Model) -> None:
    model.write({"../formula/web/init.sls": "a:\n  test.nop:\n  - require: [{pkg: nothing_of_that_name}]\n"})
    (problem,) = model.wrong(ExitCode.FORMULA)
    assert "nothing_of_that_name" in problem["brief"] + problem["details"]
    assert place(problem) == "init.sls:1"


def test_an_unknown_application(model: Model) -> None:
    model.write({"classes/service.yml": "applications: [wbe]\n"})
    (problem,) = model.wrong(ExitCode.FORMULA)
    assert "wbe" in problem["brief"] + problem["details"]


def test_a_conflict_of_phases_names_both_states(model: Model) -> None:
    model.write(
        {
            "../formula/web/init.sls": """\
                up:
                  service.running:
                  - name: nginx
                late:
                  pkg.installed:
                  - name: tool
                  - require: [{service: up}]
                """,
            "../formula/web/meta/container.yml": "phases: {late: build}\n",
        }
    )
    (problem,) = model.wrong(ExitCode.PHASE)
    assert "'up'" in problem["brief"]
    assert "'late'" in problem["brief"]
    assert {place(problem, i).partition(":")[0] for i in range(len(problem["places"]))} == {"init.sls"}
    assert "meta/container.yml" in problem["resolution"]


def test_wrong_metadata_of_a_formula(model: Model) -> None:
    model.write({"../formula/web/meta/container.yml": "volumes: [{name: x}]\n"})
    (problem,) = model.wrong(ExitCode.FORMULA)
    assert problem["brief"].startswith("web/meta/container.yml, rendered for web01: volumes:0: 'path' is a required")


def test_an_unknown_base(model: Model) -> None:
    model.write({"nodes/web01.yml": "classes: [service]\nparameters: {saltern: {base: debian-99}}\n"})
    (problem,) = model.wrong(ExitCode.MODEL)
    assert problem["brief"] == "parameters:saltern of web01: base 'debian-99' does not exist"
    assert problem["resolution"] == "known: debian-12, debian-13"
    assert place(problem).startswith("web01.yml:2"), "where it was set"


def test_an_unknown_setting(model: Model) -> None:
    model.write({"saltern.yml": "clowd: x\nengine: lxc\n"})
    problems = model.wrong(ExitCode.MODEL)
    assert ["'clowd' was unexpected" in problems[0]["brief"], place(problems[1])] == [True, "saltern.yml:2:1"]


def test_nodes_that_clash_and_nodes_that_do_nothing(model: Model) -> None:
    model.write(
        {
            "nodes/web01.example.com.yml": "classes: [service]\nparameters: {web: {name: x}}\n",
            "nodes/idle.yml": "classes: []\n",
        }
    )
    briefs = {p["brief"] for p in model.wrong(ExitCode.MODEL)}
    assert briefs == {
        "node idle applies nothing",
        "nodes web01 and web01.example.com have the same host name 'web01'",
    }


def test_all_nodes_problems_at_once(model: Model) -> None:
    model.write({"nodes/web02.yml": "classes: [service]\n", "nodes/web03.yml": "classes: [service]\n"})
    assert {p["node"] for p in model.wrong(ExitCode.FORMULA)} == {"web02", "web03"}


# ---- defects and interruptions


def test_a_defect_is_admitted(run: Run, monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("[/x] [red]")

    monkeypatch.setattr(checking, "check", fail)
    said = model("check")
    assert said.code == ExitCode.BUG
    assert "saltern has a defect: ZeroDivisionError: [/x] [red]" in said.err
    assert "--debug" in said.err


def test_an_interruption_is_130(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "check", stop)
    said = model("check")
    assert (said.code, said.out) == (ExitCode.INTERRUPTED, "")
    assert "interrupted" in said.err
