"""The examples, with all bundled formulas: Salt compiles them, pillars fit their schemas, and each has its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from saltern.project.checking import check
from saltern.project.context import Options, Project, open_project
from saltern.project.documenting import document

from .conftest import CACHE

EXAMPLES = Path(__file__).parents[3] / "examples"
SILENT = {"mariadb"}
"""Nodes whose formulas tell people nothing yet."""


def opened(tmp_path: Path, example: str) -> Project:
    local_site_packages(LocalRunner(), CACHE)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "toolchain").symlink_to(CACHE / "toolchain")
    targets = ("compose", "kubernetes")
    options = Options(worker="local", targets=targets, cache=tmp_path / "cache", state=tmp_path / "state")
    return open_project(EXAMPLES / example, options)


@pytest.mark.parametrize("example", sorted(folder.name for folder in EXAMPLES.iterdir()))
def test_it_has_no_problem(tmp_path: Path, example: str) -> None:
    found = check(opened(tmp_path, example))
    assert found.states
    assert [str(warning) for warning in found.warnings] == []


@pytest.mark.parametrize("example", ["compute", "ha", "kubernetes-ha"])
def test_every_node_has_a_page_and_no_secret_is_on_one(tmp_path: Path, example: str) -> None:
    project = opened(tmp_path, example)
    done = document(project, tmp_path / "pages")
    texts = {name: (tmp_path / "pages" / name).read_text() for name in done.pages}
    assert set(texts) == {"index.md", *(f"{member.name}.md" for member in project.members)}
    assert [name for name, text in texts.items() if "example-" in text] == []
    index = texts["index.md"].splitlines()
    silent = {member.name for member in project.members if f"| [{member.name}]({member.name}.md) |  |  |" in index}
    assert silent == SILENT
    assert document(project, tmp_path / "pages").removed == ()
    again = {path.name: path.read_text() for path in (tmp_path / "pages").iterdir()}
    assert again == texts
