"""Formulas of the Python 2 years."""

from __future__ import annotations

import pytest

from saltern.base.errors import FormulaError

from .conftest import Formula

SLS = """\
{%- from 'web/map.jinja' import names with context %}
{%- for key, value in pillar.users.iteritems() %}
user_{{ key }}:
  test.nop:
  - mode: {{ value.get('mode', 0600) }}
  - first: {{ value.keys()[0] }}
  - has: {{ value.has_key('x') }}
  - text: {{ u'abc' }} {{ '0700' }}
  - names_: {{ names() }}
  - flow: [u'a', u"b u'c", 'menu']
  - plain: u'x'
{%- endfor %}
"""


@pytest.fixture
def old(formula: Formula) -> Formula:
    formula.pillar = {"users": {"a": {"x": 1}}}
    formula.write(
        {
            "web/init.sls": SLS,
            "web/map.jinja": "{% macro names() %}"
            "{% for n in pillar.users.iterkeys() %}{{ n }}{% endfor %}{% endmacro %}",
            "web/file": "{{ 0640 }} {% for v in pillar.users.itervalues() %}{{ v.x }}{% endfor %}",
        }
    )
    return formula


def test_python_2_idioms(old: Formula) -> None:
    old.compat = True
    chunk = old.compile().chunks[0].raw
    assert chunk["mode"] == 600
    assert (chunk["first"], chunk["has"], chunk["text"], chunk["names_"]) == ("x", True, "abc 0700", "a")
    assert chunk["flow"] == ["a", "b u'c", "menu"]
    assert chunk["plain"] == "u'x'"


def test_templates_of_files(old: Formula) -> None:
    old.compat = True
    low = old.sls(
        "/x:\n  file.managed:\n  - source: salt://web/file\n  - template: jinja\n"
        "/y:\n  file.managed:\n  - template: jinja\n"
        "  - contents: '{% raw %}{{ pillar.users.iterkeys()|list }}{% endraw %}'\n"
    )
    first, second = old.freeze(low.chunks).chunks
    assert first["contents"] == "640 1"
    assert second["contents"] == "['a']\n"


def test_only_below_its_roots(old: Formula) -> None:
    old.compat = False
    with pytest.raises(FormulaError):
        old.compile()
    old.write({"web/init.sls": "a:\n  test.nop:\n  - x: {{ pillar.users.iteritems()|list }}\n"})
    with pytest.raises(FormulaError, match="iteritems"):
        old.compile()


def test_comments_raw_blocks_and_strings_are_left_alone(formula: Formula) -> None:
    formula.compat = True
    low = formula.sls(
        "{# 0600 #}\na:\n  test.nop:\n  - x: \"{% raw %}{{ 0600 }}{% endraw %} {{ '0600 u' ~ 10 ~ 0 }}\"\n"
    )
    assert low.chunks[0].raw["x"] == "{{ 0600 }} 0600 u100"


USERS = """\
a:
  group.present: []
  user.present:
  - gid_from_name: true
b:
  user.present:
  - gid_from_name: true
c:
  user.present:
  - gid_from_name: false
  - gid: 7
"""


def test_the_group_of_a_users_name_is_found_as_salt_no_more_does(formula: Formula) -> None:
    formula.compat = True
    low = formula.sls(USERS)
    users = {chunk.id: chunk.raw.get("gid") for chunk in low.chunks if chunk.state == "user"}
    assert users == {"a": "a", "b": None, "c": 7}
    assert low.warnings == ()


def test_formulas_of_today_are_told_of_it(formula: Formula) -> None:
    assert len(formula.sls(USERS).warnings) == 3
