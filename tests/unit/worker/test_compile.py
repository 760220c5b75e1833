"""Render-time features of Salt, as formulas use them."""

from __future__ import annotations

import pytest

from saltern.base.errors import FormulaError, Place
from saltern.formulas.lowstate import LowState

from .conftest import Formula


def ids(low: LowState) -> list[str]:
    return [chunk.id for chunk in low.chunks]


def raw(low: LowState, identifier: str) -> dict[str, object]:
    return dict(next(chunk.raw for chunk in low.chunks if chunk.id == identifier))


def test_map_jinja_include_extend_and_place(formula: Formula) -> None:
    formula.pillar = {"web": {"server": {"enabled": True, "port": 81}}}
    formula.write(
        {
            "web/init.sls": "include:\n- web.server\n- .extra\n",
            "web/map.jinja": "{% set server = salt['grains.filter_by']({'Debian': {'pkgs': ['nginx'], 'port': 80}},"
            " merge=salt['pillar.get']('web:server')) %}",
            "web/server.sls": "{%- from 'web/map.jinja' import server with context %}\n{%- if server.enabled %}\n"
            "web_packages:\n  pkg.installed:\n  - names: {{ server.pkgs }}\n"
            "/etc/web.conf:\n  file.managed:\n  - contents: port {{ server.port }}\n"
            "  - require:\n    - pkg: web_packages\n{%- endif %}\n",
            "web/extra.sls": "include:\n- web.server\nextend:\n  /etc/web.conf:\n    file:\n    - mode: '0600'\n",
        }
    )
    low = formula.compile("web")
    assert ids(low) == ["web_packages", "/etc/web.conf"]
    assert low.chunks[0].name == "nginx"
    assert low.chunks[0].place == "web/server.sls:3"
    assert raw(low, "/etc/web.conf")["contents"] == "port 81"
    assert raw(low, "/etc/web.conf")["mode"] == "0600"


def test_custom_modules_states_grains_and_utils(formula: Formula) -> None:
    formula.write(
        {
            "_modules/mine.py": "def hello():\n    return __utils__['myutil.who']() + __salt__['test.echo']('!')\n",
            "_utils/myutil.py": "def who():\n    return 'hello'\n",
            "_grains/mine.py": "def more(grains):\n    return {'mine': grains['os'] + '-mine'}\n",
            "_states/mything.py": "def present(name):\n"
            "    return {'name': name, 'changes': {}, 'result': True, 'comment': ''}\n",
        }
    )
    low = formula.sls("a:\n  mything.present:\n  - name: {{ salt['mine.hello']() }}-{{ grains.mine }}\n")
    assert low.chunks[0].name == "hello!-Debian-mine"
    assert low.warnings == ()
    frozen = formula.freeze(low.chunks)
    assert sorted(frozen.files) == ["_modules/mine.py", "_states/mything.py", "_utils/myutil.py"]


def test_two_nodes_with_different_roots_do_not_mix(formula: Formula) -> None:
    formula.write({"_modules/mine.py": "def hello():\n    return 'one'\n"})
    text = "a:\n  test.nop:\n  - name: {{ salt['mine.hello']() }}\n"
    assert formula.sls(text).chunks[0].name == "one"
    other = Formula(formula.worker, formula.root.parent / "other")
    other.write({"_modules/mine.py": "def hello():\n    return 'two'\n"})
    assert other.sls(text).chunks[0].name == "two"


def test_yaml_and_py_renderers(formula: Formula) -> None:
    formula.write(
        {
            "web/plain.sls": "#!yaml\na:\n  test.nop:\n  - name: '{{ no jinja }}'\n",
            "web/python.sls": "#!py\ndef run():\n    return {'b': {'test.nop': [{'name': __pillar__['x']}]}}\n",
        }
    )
    formula.pillar = {"x": "from pillar"}
    low = formula.compile("web.plain", "web.python")
    assert [chunk.name for chunk in low.chunks] == ["{{ no jinja }}", "from pillar"]


def test_defaults_merge_pillar_get_and_python_repr(formula: Formula) -> None:
    formula.pillar = {"a": {"list": ["x", "y"], "text": "it's"}}
    low = formula.sls(
        "{%- set d = salt['defaults.merge']({'a': {'b': 1}}, {'a': {'c': 2}}) %}\n"
        "a:\n  test.nop:\n  - value: {{ pillar.a }}\n  - merged: {{ d }}\n  - d: {{ salt['pillar.get']('a:z', 7) }}\n"
    )
    assert raw(low, "a")["value"] == {"list": ["x", "y"], "text": "it's"}
    assert raw(low, "a")["merged"] == {"a": {"b": 1, "c": 2}}
    assert raw(low, "a")["d"] == 7


def test_names_order_and_requisites_in_execution_order(formula: Formula) -> None:
    low = formula.sls(
        "last:\n  test.nop:\n  - order: last\n"
        "c:\n  test.nop:\n  - require:\n    - test: b\n"
        "b:\n  test.nop:\n  - names: [b2, b1]\n  - require_in:\n    - d\n"
        "d:\n  test.nop: []\n"
        "first:\n  test.nop:\n  - order: 1\n"
    )
    assert [(chunk.id, chunk.name) for chunk in low.chunks] == [
        ("first", "first"),
        ("b", "b2"),
        ("b", "b1"),
        ("c", "c"),
        ("d", "d"),
        ("last", "last"),
    ]


@pytest.mark.parametrize("kind", ["require", "watch", "onchanges", "onfail", "prereq", "listen"])
def test_requisite_kinds_survive_and_resolve_in_forms(formula: Formula, kind: str) -> None:
    low = formula.sls(
        f"a:\n  cmd.run:\n  - {kind}_in:\n    - cmd: b\nb:\n  cmd.run:\n  - {kind}:\n    - cmd: c\nc:\n  cmd.run: []\n"
    )
    found = next(chunk for chunk in low.chunks if chunk.id == "b").requisites
    assert {(requisite.kind, requisite.id) for requisite in found} == {(kind, "a"), (kind, "c")}


def test_any_forms_and_sls_requisites(formula: Formula) -> None:
    formula.write({"web/one.sls": "a:\n  cmd.run: []\n", "web/empty.sls": "{# nothing #}\n{}\n"})
    low = formula.sls(
        "include: [web.one, web.empty]\n"
        "b:\n  cmd.run:\n  - require_any: [{cmd: a}]\n  - onchanges_any: [{cmd: a}]\n"
        "c:\n  cmd.run:\n  - require:\n    - sls: web.one\n    - sls: web.empty\n    - b\n"
    )
    assert ids(low) == ["a", "b", "c"]


def test_use_copies_arguments(formula: Formula) -> None:
    low = formula.sls(
        "/etc/a:\n  file.managed:\n  - user: bin\n  - mode: '0640'\n"
        "/etc/b:\n  file.managed:\n  - use:\n    - file: /etc/a\n"
    )
    assert raw(low, "/etc/b")["user"] == "bin"


def test_watch_stays_watch_where_the_state_cannot_react(formula: Formula) -> None:
    low = formula.sls("/a:\n  file.managed: []\n/b:\n  file.managed:\n  - watch:\n    - file: /a\n")
    assert low.chunks[1].requisites[0].kind == "watch"


def test_metadata_is_rendered(formula: Formula) -> None:
    formula.pillar = {"web": {"port": 8080}}
    formula.write(
        {"web/meta/container.yml": "{%- from 'web/m.jinja' import p %}\nports: [{{ pillar.web.port }}, {{ p }}]\n"}
    )
    formula.write({"web/m.jinja": "{% set p = 1 %}", "web/init.sls": "a:\n  test.nop: []\n"})
    low = formula.compile("web", kinds=("container", "verify"))
    assert low.metadata == {"web": {"container": {"ports": [8080, 1]}}}


def test_grains_are_those_of_the_node_and_not_of_the_machine(formula: Formula) -> None:
    formula.grains = {"noservices": True, "num_cpus": 9}
    low = formula.sls(
        "a:\n  test.nop:\n  - g: {{ [grains.id, grains.host, grains.domain, grains.os_family, grains.mem_total,"
        " grains.num_cpus, grains.ipv4, grains.noservices, salt['network.get_hostname'](),"
        " salt['grains.get']('localhost'), 'uuid' in grains, 'hwaddr_interfaces' in grains] | tojson }}\n"
    )
    expected = ["web01.example.com", "web01", "example.com", "Debian", 2048, 9, ["127.0.0.1"], True, "web01", "web01"]
    assert raw(low, "a")["g"] == [*expected, False, True]


def test_line_of_a_templated_id(formula: Formula) -> None:
    low = formula.sls("{%- for n in ['a', 'b'] %}\nsite_{{ n }}:\n  test.nop: []\n{%- endfor %}\n")
    assert [chunk.place for chunk in low.chunks] == ["web/init.sls:2", "web/init.sls:2"]


def test_unknown_state_function_is_a_warning(formula: Formula) -> None:
    low = formula.sls("a:\n  keystone_thing.present: []\n")
    assert "keystone_thing.present" in low.warnings[0]
    assert "web/init.sls:1" in low.warnings[0]


def test_an_argument_that_salt_would_refuse_is_a_warning(formula: Formula) -> None:
    low = formula.sls(
        "a:\n  user.present:\n  - gid_from_name: true\n  - home: /x\n  - unless: 'false'\n  - retry: {attempts: 2}\n"
        "b:\n  cmd.run:\n  - name: x\n  - anything: goes\n"
    )
    assert low.warnings == ("web/init.sls:1: Salt's user.present has no argument 'gid_from_name', and will fail",)


def test_a_grain_that_fails_is_a_warning_as_salt_goes_on_without_it(formula: Formula) -> None:
    formula.write({"_grains/old.py": "def main():\n    return {}.iteritems()\ndef other():\n    return {'mine': 1}\n"})
    low = formula.sls("a:\n  test.nop:\n  - x: {{ grains.mine }}\n")
    (warning,) = low.warnings
    assert warning.startswith("_grains/old.py: old.main failed, so its grains are missing: 'dict' object has no")


def test_of_several_blocks_of_one_id_that_of_the_state_function_counts(formula: Formula) -> None:
    low = formula.sls(
        "{% if false %}\na:\n  cmd.wait:\n  - name: x\n{% elif false %}\na:\n  file:\n  - managed\n{% endif %}\n"
        "{% if true %}\na:\n  test:\n    - nop\n  cmd.run:\n    - name: 'true'\n{% endif %}\n"
    )
    assert [chunk.place for chunk in low.chunks] == ["web/init.sls:11", "web/init.sls:11"]


class TestErrors:
    def problem(self, formula: Formula, text: str) -> tuple[str, tuple[Place, ...]]:
        with pytest.raises(FormulaError) as caught:
            formula.sls(text)
        (problem,) = caught.value.problems
        assert problem.node == "web01.example.com"
        return problem.brief, problem.places

    def test_undefined_variable(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "a:\n  test.nop:\n  - x: {{ pillar.nope.more }}\n")
        assert "nope" in brief
        assert places == (Place("web/init.sls", 3),)

    def test_error_in_an_imported_map(self, formula: Formula) -> None:
        formula.write({"web/map.jinja": "\n{% set x = pillar.a.b.c %}"})
        brief, places = self.problem(formula, "{% from 'web/map.jinja' import x with context %}\na:\n  test.nop: []\n")
        assert "has no attribute" in brief
        assert places == (Place("web/map.jinja", 2),)

    def test_missing_import(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "\n{% from 'web/gone.jinja' import x %}\na:\n  test.nop: []\n")
        assert "web/gone.jinja" in brief
        assert places == (Place("web/init.sls", 2),)

    def test_syntax_error(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "a:\n  test.nop:\n{% if %}\n")
        assert "syntax error" in brief
        assert places == (Place("web/init.sls", 3),)

    def test_wrong_yaml(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "a:\n  test.nop:\n  - x: [1\nb: 2\n")
        assert "wrong YAML" in brief
        assert places == (Place("web/init.sls", 4),)

    def test_unknown_function_of_salt(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "a:\n  test.nop:\n  - x: {{ salt['no.such']() }}\n")
        assert "no.such" in brief
        assert places == (Place("web/init.sls", 3),)

    def test_unknown_requisite(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "a:\n  test.nop:\n  - require:\n    - pkg: gone\n")
        assert "'a'" in brief
        assert "require" in brief
        assert "pkg: gone" in brief
        assert places == (Place("web/init.sls", 1),)

    def test_unknown_sls(self, formula: Formula) -> None:
        with pytest.raises(FormulaError, match=r"nothing\.here"):
            formula.compile("nothing.here")

    def test_a_word_in_a_comment_is_no_include(self, formula: Formula) -> None:
        formula.write({"other/init.sls": "# a gone thing: gone, [gone]\na:\n  test.nop:\n  - gone: 1\n"})
        with pytest.raises(FormulaError) as caught:
            formula.compile("gone")
        assert [place for problem in caught.value.problems for place in problem.places] == []

    def test_unknown_include(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "include:\n- web.gone\n")
        assert "web.gone" in brief
        assert places == (Place("web/init.sls", 2),)

    def test_python_renderer(self, formula: Formula) -> None:
        brief, places = self.problem(formula, "#!py\ndef run():\n    return 1/0\n")
        assert "ZeroDivisionError" in brief
        assert places == (Place("web/init.sls", 3),)

    def test_no_secret_is_shown(self, formula: Formula) -> None:
        formula.pillar = {"db": {"password": "s3cr3t-value"}}
        with pytest.raises(FormulaError) as caught:
            formula.sls("a:\n  test.nop:\n  - x: [{{ pillar.db.password }}\nb: {{ pillar.db.password }}: 1\n")
        assert "s3cr3t" not in repr(caught.value.problems)

    def test_extend_of_nothing(self, formula: Formula) -> None:
        brief, _ = self.problem(formula, "extend:\n  gone:\n    file:\n    - mode: 1\na:\n  test.nop: []\n")
        assert "gone" in brief

    def test_requisite_loop(self, formula: Formula) -> None:
        text = "a:\n  test.nop:\n  - require: [{test: b}]\nb:\n  test.nop:\n  - require: [{test: a}]\n"
        brief, _ = self.problem(formula, text)
        assert "Recursive" in brief

    def test_all_at_once(self, formula: Formula) -> None:
        formula.write({"web/a.sls": "x: {{ a.b }}\n", "web/b.sls": "y: {{ c.d }}\n"})
        with pytest.raises(FormulaError) as caught:
            formula.compile("web.a", "web.b")
        assert [problem.places[0].file for problem in caught.value.problems] == ["web/a.sls", "web/b.sls"]

    def test_metadata(self, formula: Formula) -> None:
        formula.write({"web/meta/container.yml": "\nx: {{ pillar.no.no }}\n", "web/init.sls": "a:\n  test.nop: []\n"})
        with pytest.raises(FormulaError) as caught:
            formula.compile("web", kinds=("container",))
        assert caught.value.problems[0].places == (Place("web/meta/container.yml", 2),)

    def test_conflicting_ids(self, formula: Formula) -> None:
        formula.write({"web/a.sls": "x:\n  test.nop: []\n", "web/b.sls": "x:\n  test.nop:\n  - y: 1\n"})
        with pytest.raises(FormulaError, match="conflicting IDs"):
            formula.compile("web.a", "web.b")
