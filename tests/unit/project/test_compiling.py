"""Many nodes at once, by real Salt on this machine: two workers share them where there are two processors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from saltern.base.errors import FormulaError
from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from saltern.project.compiling import MANY, compile_members
from saltern.project.context import Options, Project, open_project
from tests.trees import write_tree
from tests.unit.worker.conftest import CACHE

SLS = "{{ pillar.id }}_{{ grains.host }}:\n  test.nop: []\n{% if pillar.wrong %}{{ nothing.here }}{% endif %}\n"
NODES = 2 * MANY + 1


@pytest.fixture
def project(tmp_path: Path) -> Project:
    local_site_packages(LocalRunner(), CACHE)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "toolchain").symlink_to(CACHE / "toolchain")
    settings = {"cloud": "many", "formulas": [{"name": "web", "path": "web"}]}
    root = tmp_path / "model"
    write_tree(root, {"saltern.yml": yaml.safe_dump(settings), "web/web/init.sls": SLS, "classes/all.yml": "{}\n"})
    write_tree(root, {f"nodes/n{number:03}.yml": node(number) for number in range(NODES)})
    return open_project(root, Options(worker="local", cache=tmp_path / "cache", state=tmp_path / "state"))


def node(number: int, *, wrong: bool = False) -> str:
    return yaml.safe_dump({"applications": ["web"], "parameters": {"id": number, "wrong": wrong}})


def test_each_node_gets_its_own_states_and_the_cache_gives_them_again(project: Project) -> None:
    compiled = compile_members(project)
    assert [[c.id for c in one.low.chunks] for one in compiled] == [[f"{n}_n{n:03}"] for n in range(NODES)]
    again = compile_members(open_project(project.root, project.options))
    assert [(one.key, one.low, one.split) for one in again] == [(one.key, one.low, one.split) for one in compiled]


def test_all_problems_are_raised_together_in_the_order_of_the_nodes(project: Project) -> None:
    wrong = (3, 77, NODES - 1)
    write_tree(project.root, {f"nodes/n{number:03}.yml": node(number, wrong=True) for number in wrong})
    with pytest.raises(FormulaError) as caught:
        compile_members(project)
    assert [problem.node for problem in caught.value.problems] == [f"n{number:03}" for number in wrong]
