"""A worker that compiled other nodes before answers as one that has just been started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.lowstate import LowState
from saltern.formulas.worker import Context, Frozen, Worker
from saltern.images.toolchain import local_command, local_site_packages

from .conftest import CACHE, Formula, Tidy

FORMULAS = Path(__file__).parents[3] / "formulas"
SHOWN = """
shown:
  test.show_notification:
  - text: {{ [grains.id, grains.host, pillar.get('a'), opts.id, salt['config.get']('id')] | json }}
  - more: {{ salt['test.ping']() }} {{ salt['pkg.version_cmp']('1', '2') }}
"""
REMEMBERS = """
_seen = []

def seen(name):
    _seen.append(name)
    __context__.setdefault('seen', []).append(name)
    return list(_seen) + __context__['seen']
"""


@pytest.fixture
def fresh() -> Iterator[Worker]:
    runner = LocalRunner()
    argv, env = local_command(local_site_packages(runner, CACHE))
    with Worker(lambda: Tidy(runner.open(argv, env=env))) as worker:
        yield worker


def context(name: str, pillar: dict[str, Any], *roots: Path) -> Context:
    return Context(name, pillar, roots=tuple(map(str, roots)))


def both(worker: Worker, one: Context, *sls: str) -> tuple[LowState, Frozen]:
    low = worker.compile(one, sls, ("container",))
    return low, worker.freeze(one, low.chunks)


def test_nodes_of_other_roles_leave_nothing_behind(worker: Worker, fresh: Worker) -> None:
    roots = [FORMULAS / name for name in ("memcached", "mariadb", "rabbitmq")]
    pillars: dict[str, dict[str, Any]] = {
        "memcached": {"server": {"enabled": True, "cache_size": 32}},
        "mariadb": {"server": {"enabled": True, "database": {"x": {"users": []}}}},
        "rabbitmq": {"server": {"enabled": True, "secret_key": "EXAMPLECOOKIE"}},
    }
    nodes = [(context(f"{name}01.example", {name: pillar}, *roots), name) for name, pillar in pillars.items()]
    for one, name in [*nodes, *reversed(nodes)]:
        both(worker, one, name)
    last = replace(nodes[0][0], node="memcached02.example", pillar={"memcached": {"server": {"enabled": True}}})
    assert both(worker, last, "memcached") == both(fresh, last, "memcached")


def test_each_node_sees_its_own_pillar_grains_and_options(formula: Formula) -> None:
    formula.write({"web/init.sls": SHOWN})
    said = []
    for number in (1, 2):
        one = context(f"web{number}.example", {"a": number}, formula.root)
        said.append(formula.worker.compile(one, ["web"]).chunks[0].raw["text"])
    assert said == [[f"web{n}.example", f"web{n}", n, *[f"web{n}.example"] * 2] for n in (1, 2)]


def test_a_module_of_a_formula_remembers_no_other_node(formula: Formula) -> None:
    formula.write(
        {
            "_modules/memory.py": REMEMBERS,
            "web/init.sls": "{{ salt['memory.seen'](grains.id) | join('-') }}:\n  test.nop\n",
        }
    )
    for name in ("a", "b"):
        low = formula.worker.compile(context(name, {}, formula.root), ["web"])
        assert [chunk.id for chunk in low.chunks] == [f"{name}-{name}"]


def test_a_file_that_is_new_is_found(formula: Formula) -> None:
    formula.write({"web/init.sls": "include: [web.more]\n", "web/more.sls": "a:\n  test.nop\n"})
    assert [c.id for c in formula.compile().chunks] == ["a"]
    formula.write({"web/init.sls": "include: [web.new.one]\n", "web/new/one.sls": "b:\n  test.nop\n"})
    assert [c.id for c in formula.compile().chunks] == ["b"]


def test_states_of_one_text_are_not_one_value(formula: Formula) -> None:
    formula.write({"web/init.sls": "a:\n  test.nop:\n  - text: &x [1]\n  - other: *x\n"})
    first, second = formula.compile(), formula.compile()
    assert first == second
    assert first.chunks[0].raw["other"] == [1]
