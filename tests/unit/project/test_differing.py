"""Two revisions of a model: what differs in which nodes, and the line and commit that did it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saltern.base.errors import SalternError, UsageError
from saltern.project.changes import Cause, Diff
from saltern.project.context import Project
from saltern.project.differing import diff, values_between
from tests.unit.project.history import History

BASE: dict[str, str | None] = {
    "nodes/ctl01.yml": "classes: [ctl]\n",
    "nodes/ctl02.yml": "classes: [ctl]\n",
    "nodes/db01.yml": "classes: [common]\n",
    "classes/ctl.yml": "classes: [common]\nparameters:\n  nova:\n    workers: 4\n    url: http://${_param:vip}/\n",
    "classes/common.yml": "parameters:\n  _param:\n    vip: 10.0.0.1\n  ntp: [a, b]\n",
}


@pytest.fixture
def history(tmp_path: Path) -> History:
    found = History(tmp_path / "repository").start()
    found.commit("Base", BASE)
    return found


def told(found: Diff) -> list[tuple[tuple[str, ...], list[tuple[str, str, list[tuple[object, object]]]]]]:
    return [
        (
            group.nodes,
            [(c.kind.value, c.path, [(v.old, v.new) for v in c.variants]) for c in group.changes],
        )
        for group in found.groups
    ]


def the_cause(found: Diff) -> Cause:
    (cause,) = {change.cause for group in found.groups for change in group.changes}
    assert cause is not None
    return cause


def by(cause: Cause | None) -> tuple[str, bool, str]:
    assert cause is not None
    assert cause.commit is not None
    return str(cause.place), cause.is_old, cause.commit.summary or "not committed"


def test_nothing_differs(history: History) -> None:
    found = diff(history.project(), "HEAD")
    assert found.is_empty
    assert (found.nodes, found.problems) == (3, ())


def test_a_value_in_a_class_is_one_change_of_all_its_nodes(history: History) -> None:
    text = (history.model / "classes/ctl.yml").read_text().replace("workers: 4", "workers: 8")
    commit = history.commit("More workers", {"classes/ctl.yml": f"# a line more\n{text}"})
    history.commit("Something else", {"README": "x"})
    found = diff(history.project(), "HEAD~2", "HEAD")
    assert told(found) == [(("ctl01", "ctl02"), [("changed", "parameters:nova:workers", [(4, 8)])])]
    cause = the_cause(found)
    assert by(cause) == ("classes/ctl.yml:5:14", False, "More workers")
    assert cause.commit is not None
    assert (cause.commit.name, cause.commit.author) == (commit, "Ann")


def test_the_working_tree_is_not_committed(history: History) -> None:
    history.write({"nodes/db01.yml": "classes: [common]\nparameters: {x: 1}\n"})
    found = diff(history.project(), "HEAD")
    assert told(found) == [(("db01",), [("added", "parameters:x", [(None, 1)])])]
    assert by(the_cause(found)) == ("nodes/db01.yml:2:17", False, "not committed")


def test_what_a_reference_led_to_is_to_blame(history: History) -> None:
    history.commit("New address", {"classes/common.yml": "parameters:\n  _param:\n    vip: 10.0.0.9\n  ntp: [a, b]\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert told(found) == [
        (("ctl01", "ctl02", "db01"), [("changed", "parameters:_param:vip", [("10.0.0.1", "10.0.0.9")])]),
        (("ctl01", "ctl02"), [("changed", "parameters:nova:url", [("http://10.0.0.1/", "http://10.0.0.9/")])]),
    ]
    assert by(the_cause(found)) == ("classes/common.yml:3:10", False, "New address")


def test_a_class_that_comes_in_is_to_blame_by_the_line_that_asks_for_it(history: History) -> None:
    history.commit("Log", {"classes/log.yml": "classes: [log.deep]\nparameters: {log: 1}\n",
                           "classes/log/deep.yml": "applications: [rsyslog]\nparameters: {deep: 2}\n"})  # fmt: skip
    history.commit("Use it", {"nodes/db01.yml": "classes:\n- common\n- log\n"})
    found = diff(history.project(), "HEAD~2", "HEAD")
    assert told(found) == [
        (
            ("db01",),
            [
                ("added", "classes:0", [(None, "log.deep")]),
                ("added", "classes:2", [(None, "log")]),
                ("added", "applications:0", [(None, "rsyslog")]),
                ("added", "parameters:deep", [(None, 2)]),
                ("added", "parameters:log", [(None, 1)]),
            ],
        )
    ]
    assert by(the_cause(found)) == ("nodes/db01.yml:3:3", False, "Use it")


def test_an_override_that_goes_away(history: History) -> None:
    history.commit("Override", {"nodes/ctl01.yml": "classes: [ctl]\nparameters:\n  nova: {workers: 16}\n"})
    history.commit("Touch", {"nodes/ctl01.yml": "# x\nclasses: [ctl]\nparameters:\n  nova: {workers: 16}\n"})
    history.commit("Back", {"nodes/ctl01.yml": "classes: [ctl]\n"})
    found = diff(history.project(), "HEAD~2", "HEAD")
    assert told(found) == [(("ctl01",), [("changed", "parameters:nova:workers", [(16, 4)])])]
    assert by(the_cause(found)) == ("nodes/ctl01.yml:3:19", True, "Back")
    history.git("reset", "-q", "--hard", "HEAD~1")
    history.write({"nodes/ctl01.yml": "classes: [ctl]\n"})
    assert by(the_cause(diff(history.project(), "HEAD"))) == ("nodes/ctl01.yml:4:19", True, "not committed")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", "~x: {new: 1}"),
        ("{}", "x: null"),
        ("{}", "~l: [1]"),
        ("{}", "=x: {new: 1}"),
        ("x: {new: 1}", "~x: {new: 1}"),
        ("{}", "~deep: {in: {new: 1}}"),
        ("{}", "~to: {new: 1}"),
    ],
)
def test_what_an_overwrite_takes_away(history: History, before: str, after: str) -> None:
    base = "parameters:\n  x: {a: 1}\n  l: [1, 2]\n  deep: {in: {a: 1}}\n  to: {a: 1}\n  from: ${to}\n"
    order = ("n", "base") if after.startswith("=") else ("base", "n")
    node = f"classes: [{', '.join(order)}]\n"
    lenient = "allow_none_override: true\nstrict_constant_parameters: false\n"
    history.commit("Before", {"nodes/db01.yml": node, "classes/base.yml": base, "reclass-config.yml": lenient,
                              "classes/n.yml": f"# n\nparameters:\n  {before}\n"})  # fmt: skip
    history.commit("Overwrite", {"classes/n.yml": f"# n\nparameters:\n  {after}\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    removed = [c for group in found.groups for c in group.changes if c.kind.value == "removed"]
    assert (bool(removed), found.problems) == (True, ())
    for change in removed:
        place, is_old, summary = by(change.cause)
        assert (place.startswith("classes/n.yml:3:"), is_old, summary) == (True, False, "Overwrite")


def test_what_is_merged_is_not_to_blame_for_a_line_that_is_gone(history: History) -> None:
    history.commit("Before", {"nodes/db01.yml": "classes: [base, n]\n", "classes/n.yml": "{}\n",
                              "classes/base.yml": "parameters:\n  x:\n    a: 1\n    b: 2\n"})  # fmt: skip
    history.commit("After", {"classes/n.yml": "parameters: {x: {c: 3}}\n",
                             "classes/base.yml": "parameters:\n  x:\n    b: 2\n"})  # fmt: skip
    found = diff(history.project(), "HEAD~1", "HEAD")
    (removed,) = [c for group in found.groups for c in group.changes if c.kind.value == "removed"]
    assert by(removed.cause) == ("classes/base.yml:3:8", True, "After")


def test_a_class_that_goes_away(history: History) -> None:
    history.commit("Without", {"nodes/ctl02.yml": "classes: [common]\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert [change[:2] for change in told(found)[0][1]] == [
        ("removed", "classes:1"),
        ("removed", "parameters:nova:workers"),
        ("removed", "parameters:nova:url"),
    ]
    assert by(the_cause(found)) == ("nodes/ctl02.yml:1:11", True, "Without")


def test_nodes_that_come_and_go(history: History) -> None:
    history.commit("Move", {"nodes/db01.yml": None, "nodes/db02.yml": "classes: [common]\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert [(one.name, by(one.cause)) for one in found.added] == [("db02", ("nodes/db02.yml", False, "Move"))]
    assert [(one.name, by(one.cause)) for one in found.removed] == [("db01", ("nodes/db01.yml", True, "Move"))]
    assert (found.groups, found.nodes) == ((), 2)


def test_a_query_changes_by_another_nodes_export(history: History) -> None:
    query = "parameters: {peers: '$[ exports:ip ]'}\n"
    history.commit("Export", {"nodes/q.yml": query, "nodes/p.yml": "exports: {ip: 1}\n"})
    history.commit("Change", {"nodes/p.yml": "exports:\n  ip: 2\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert told(found) == [
        (("p",), [("changed", "exports:ip", [(1, 2)])]),
        (("q",), [("changed", "parameters:peers:p", [(1, 2)])]),
    ]
    assert by(the_cause(found)) == ("nodes/p.yml:2:7", False, "Change")


def test_values_of_each_node_at_one_line_are_one_change(history: History) -> None:
    text = "classes: [common]\nparameters:\n  name: ${_reclass_:name:full}\n"
    history.commit("Names", {"classes/ctl.yml": text.replace("${", "x-${")})
    found = diff(history.project(), "HEAD~1", "HEAD")
    (change,) = [change for group in found.groups for change in group.changes if change.path == "parameters:name"]
    assert [(variant.new, variant.nodes) for variant in change.variants] == [
        ("x-ctl01", ("ctl01",)),
        ("x-ctl02", ("ctl02",)),
    ]


def test_secrets_are_hidden(history: History) -> None:
    history.commit("Secrets", {"nodes/db01.yml": "parameters: {password: hunter2, url: 'http://u:hunter2@x'}\n"})
    history.commit("Rotated", {"nodes/db01.yml": "parameters: {password: swordfish, url: 'http://u:swordfish@x'}\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    text = json.dumps(found.as_json())
    assert "hunter2" not in text
    assert "swordfish" not in text
    assert [change[1] for change in told(found)[0][1]] == ["parameters:password", "parameters:url"]


def test_secrets_of_other_nodes_are_hidden_where_a_query_brings_them(history: History) -> None:
    query = "parameters: {all: '$[ exports:rabbit_password ]'}\n"
    text = "parameters: {{rabbit_password: {0}}}\nexports: {{rabbit_password: {0}}}\n"
    history.commit("Secrets", {"nodes/a.yml": query, "nodes/b.yml": text.format("hunter2")})
    history.commit("Rotated", {"nodes/b.yml": text.format("swordfish")})
    found = diff(history.project(), "HEAD~1", "HEAD")
    said = json.dumps(found.as_json())
    assert ("hunter2" in said, "swordfish" in said) == (False, False)
    assert (("a",), [("changed", "parameters:all:b", [("***", "***")])]) in told(found)


def test_a_node_that_is_broken_in_one_revision_hides_no_other(history: History) -> None:
    broken = "parameters: {x: '${gone}'}\n"
    history.commit("Break", {"nodes/db01.yml": broken, "nodes/ctl01.yml": "classes: [common]\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert [problem.brief for problem in found.problems] == ["HEAD: reference to nothing: ${gone}"]
    assert [nodes for nodes, _ in told(found)] == [("ctl01",)]


def test_generated_nodes(history: History) -> None:
    text = "parameters: {{reclass: {{storage: {{node: {{cmp: {{name: 'cmp<<count>>', repeat: {{count: {}}}}}}}}}}}}}\n"
    history.commit("Two", {"nodes/cfg.yml": text.format(2)})
    history.commit("Three", {"nodes/cfg.yml": text.format(3)})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert [one.name for one in found.added] == ["cmp3"]
    assert [(nodes, [change[1] for change in changes]) for nodes, changes in told(found)] == [
        (("cfg",), ["parameters:reclass:storage:node:cmp:repeat:count"])
    ]


def test_a_model_in_a_folder_with_formulas_inside_and_outside_the_repository(tmp_path: Path) -> None:
    history = History(tmp_path / "repository", "clouds/lab").start()
    outside = tmp_path / "outside" / "metadata" / "service"
    outside.mkdir(parents=True)
    (outside / "far.yml").write_text("parameters: {far: 1}\n")
    files: dict[str, str | None] = {
        "saltern.yml": "formulas: [{name: web, path: ../../web}, {name: out, path: ../../../outside}]\n",
        "../../web/metadata/service/one.yml": "parameters:\n  web: 1\n",
        "nodes/n.yml": "classes: [service.web.one, service.out.far, own]\n",
        "classes/own.yml": "{}\n",
    }
    history.commit("Base", files)
    history.commit("Formula", {"../../web/metadata/service/one.yml": "parameters:\n  web: 2\n"})
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert told(found) == [(("n",), [("changed", "parameters:web", [(1, 2)])])]
    file, is_old, summary = by(the_cause(found))
    assert (file, is_old, summary) == (f"{tmp_path}/repository/web/metadata/service/one.yml:2:8", False, "Formula")


def test_classes_in_a_submodule(history: History, tmp_path: Path) -> None:
    system = History(tmp_path / "system").start()
    system.git("commit", "-q", "--allow-empty", "-m", "Begin")
    (system.top / "all.yml").write_text("parameters: {s: 1}\n")
    system.git("add", "-A")
    system.git("commit", "-q", "-m", "One")
    history.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(system.top), "classes/system")
    history.commit("Submodule", {"nodes/db01.yml": "classes: [common, system.all]\n"})
    inner = History(history.top / "classes" / "system")
    (inner.top / "all.yml").write_text("parameters: {s: 2}\n")
    inner.git("commit", "-q", "-a", "-m", "Two")
    history.commit("Newer submodule", {})
    assert told(diff(history.project(), "HEAD~1", "HEAD")) == [(("db01",), [("changed", "parameters:s", [(1, 2)])])]


def test_of_lines_in_a_submodule_nobody_says_that_they_are_not_committed(history: History, tmp_path: Path) -> None:
    system = History(tmp_path / "system").start()
    (system.top / "all.yml").write_text("parameters:\n  s: 1\n")
    system.git("add", "-A")
    system.git("commit", "-q", "-m", "One")
    history.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(system.top), "classes/system")
    history.commit("Submodule", {"nodes/db01.yml": "classes: [common, system.all]\n"})
    (history.top / "classes/system/all.yml").write_text("parameters:\n  t: 2\n")
    found = diff(history.project(), "HEAD")
    causes = [change.cause for group in found.groups for change in group.changes]
    assert [(cause.is_old, cause.commit) for cause in causes if cause] == [(True, None), (False, None)]


def test_new_and_removed_files_are_not_committed(history: History) -> None:
    history.write({"nodes/new.yml": "classes: [common]\n", "classes/ignored.yml": "parameters: {i: 1}\n",
                   ".gitignore": "ignored.yml\n", "nodes/db01.yml": "classes: [common, ignored]\n"})  # fmt: skip
    history.git("rm", "-q", "nodes/ctl02.yml")
    found = diff(history.project(), "HEAD")
    assert [by(one.cause)[2] for one in (*found.added, *found.removed)] == ["not committed"] * 2
    assert by(the_cause(found)) == ("nodes/db01.yml:1:19", False, "not committed")


def test_a_formula_that_git_ignores_is_taken_as_it_is(history: History) -> None:
    files: dict[str, str | None] = {
        ".gitignore": "/formulas\n",
        "saltern.yml": "formulas: [{name: web, path: formulas/web}]\n",
        "formulas/web/metadata/service/one.yml": "parameters: {web: 1}\n",
        "nodes/db01.yml": "classes: [service.web.one]\n",
    }
    history.commit("Base", files)
    history.commit("More", {"nodes/db01.yml": "classes: [service.web.one]\nparameters: {x: 1}\n"})
    assert told(diff(history.project(), "HEAD~1")) == [(("db01",), [("added", "parameters:x", [(None, 1)])])]


def test_a_formula_that_a_revision_lacks_is_its_problem(history: History) -> None:
    history.commit("Setting", {"saltern.yml": "formulas: [{name: web, path: web}]\n"})
    history.commit("Formula", {"web/metadata/service/one.yml": "parameters: {web: 1}\n"})
    with pytest.raises(SalternError, match=r"HEAD~1: formula 'web': folder .*/repository/web does not exist"):
        diff(history.project(), "HEAD~1")


FAKE_GPG = """\
#!/bin/sh
case "$*" in
*--verify*) echo "[GNUPG:] GOODSIG 1 Ann"; echo "gpg: Good signature" >&2 ;;
*) cat >/dev/null; echo "[GNUPG:] SIG_CREATED D" >&2
   echo "-----BEGIN PGP SIGNATURE-----"; echo "-----END PGP SIGNATURE-----" ;;
esac
"""


def test_signatures_that_the_log_shows(history: History) -> None:
    gpg = history.top.parent / "gpg"
    gpg.write_text(FAKE_GPG)
    gpg.chmod(0o755)
    for name, value in (("gpg.program", str(gpg)), ("commit.gpgSign", "true"), ("log.showSignature", "true")):
        history.git("config", name, value)
    history.commit("Signed", {"nodes/db01.yml": None, "nodes/new.yml": "classes: [common]\n",
                              "nodes/ctl01.yml": "classes: [common]\n"})  # fmt: skip
    assert "Good signature" in history.git("log", "-1")
    found = diff(history.project(), "HEAD~1", "HEAD")
    assert [by(one.cause)[2] for one in (*found.added, *found.removed)] == ["Signed", "Signed"]
    assert by(the_cause(found)) == ("nodes/ctl01.yml:1:11", True, "Signed")


def test_the_repository_stays_as_it_is(history: History) -> None:
    history.write({"nodes/new.yml": "classes: [common]\n", "nodes/db01.yml": "classes: []\n"})
    history.git("add", "nodes/new.yml")
    before = history.git("status", "--porcelain"), history.git("worktree", "list")
    diff(history.project(), "HEAD")
    assert (history.git("status", "--porcelain"), history.git("worktree", "list")) == before


@pytest.mark.parametrize("revision", ["nowhere", "--help", ""])
def test_no_such_revision(history: History, revision: str) -> None:
    with pytest.raises(UsageError, match="there is no revision"):
        diff(history.project(), revision)


def test_a_revision_without_the_model(tmp_path: Path) -> None:
    history = History(tmp_path / "repository", "lab").start()
    history.commit("Nothing yet", {"../README": "x"})
    history.git("rm", "-rq", "--cached", "--ignore-unmatch", ".")
    history.commit("Model", {"nodes/n.yml": "parameters: {}\n", "classes/a.yml": "{}\n"})
    with pytest.raises(UsageError) as caught:
        diff(history.project(), "HEAD~1")
    brief = f"HEAD~1: {tmp_path}/repository/lab is no model: it has no nodes/ and no classes/"
    assert caught.value.problems[0].brief == brief


def test_a_model_that_is_in_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    history = History(tmp_path / "plain")
    history.model.mkdir()
    history.write({"nodes/n.yml": "parameters: {}\n"})
    with pytest.raises(UsageError, match="is in no git repository"):
        diff(history.project(), "HEAD")


# ---- for plans


def two(tmp_path: Path, before: dict[str, str | None], after: dict[str, str | None]) -> tuple[Project, Project]:
    """The same model twice, without git: as it was in a throw-away folder, and as it is."""
    models = []
    for name, files in (("old", before), ("new", after)):
        history = History(tmp_path / name / "model")
        history.model.mkdir(parents=True)
        models.append(history.write({**BASE, **files}).project())
    return models[0], models[1]


def test_values_with_their_lines_and_all_nodes_at_once(tmp_path: Path) -> None:
    vip = "parameters:\n  _param:\n    vip: 10.0.0.9\n  ntp: [a, b]\n"
    found = values_between(*two(tmp_path, {}, {"classes/common.yml": vip}))
    assert [(v.path, v.old, v.new, v.nodes, v.place, v.gone) for v in found] == [
        ("parameters:_param:vip", "10.0.0.1", "10.0.0.9", ("ctl01", "ctl02", "db01"), "classes/common.yml:3", False),
        (
            "parameters:nova:url",
            "http://10.0.0.1/",
            "http://10.0.0.9/",
            ("ctl01", "ctl02"),
            "classes/common.yml:3",
            False,
        ),
    ]


def test_a_value_of_some_nodes_only(tmp_path: Path) -> None:
    node = "classes: [ctl]\nparameters:\n  nova: {workers: 16}\n"
    forth = values_between(*two(tmp_path / "a", {}, {"nodes/ctl01.yml": node}))
    assert [(v.kind, v.old, v.new, v.nodes, v.place, v.gone) for v in forth] == [
        ("changed", 4, 16, ("ctl01",), "nodes/ctl01.yml:3", False)
    ]
    back = values_between(*two(tmp_path / "b", {"nodes/ctl01.yml": node}, {}))
    assert [(v.kind, v.old, v.new, v.nodes, v.place, v.gone) for v in back] == [
        ("changed", 16, 4, ("ctl01",), "nodes/ctl01.yml:3", True)
    ]


def test_values_that_are_secrets(tmp_path: Path) -> None:
    old, new = (
        {"nodes/db01.yml": f"parameters:\n  db: {{password: s3cret-{n}, url: 'x:s3cret-{n}@y'}}\n"} for n in "12"
    )
    found = values_between(*two(tmp_path, dict(old), dict(new)))
    assert [(v.path, v.old, v.new) for v in found] == [
        ("parameters:db:password", "***", "***"),
        ("parameters:db:url", "x:***@y", "x:***@y"),
    ]


def test_nodes_that_come_go_or_are_broken_are_left_out(tmp_path: Path) -> None:
    change: dict[str, str | None] = {
        "nodes/new.yml": "classes: [common]\n",
        "nodes/ctl02.yml": "parameters: {a: '${nothing}'}\n",
        "nodes/db01.yml": "classes: [common]\nparameters: {a: 1}\n",
    }
    assert [v.nodes for v in values_between(*two(tmp_path, {"nodes/old.yml": "{}\n"}, change))] == [("db01",)]
    assert values_between(*two(tmp_path / "same", {}, {})) == ()


def test_the_same_change_in_two_files_has_two_lines(tmp_path: Path) -> None:
    texts: tuple[dict[str, str | None], ...] = tuple(
        {f"nodes/{name}.yml": f"parameters:\n  x: {n}\n" for name in ("ctl01", "db01")} for n in (1, 2)
    )
    found = values_between(*two(tmp_path, *texts))
    assert [(v.path, v.nodes, v.place) for v in found] == [
        ("parameters:x", ("ctl01",), "nodes/ctl01.yml:2"),
        ("parameters:x", ("db01",), "nodes/db01.yml:2"),
    ]
