"""Pages about the examples, from what the bundled formulas tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.process import LocalRunner
from saltern.images.toolchain import local_site_packages
from saltern.project.context import Options, open_project
from saltern.project.documenting import document

from .conftest import CACHE

EXAMPLES = Path(__file__).parents[3] / "examples"
TARGETS = ("compose", "kubernetes")
SILENT = {"mariadb"}
"""Nodes whose formulas tell nothing yet."""


@pytest.mark.parametrize("example", ["compute", "ha", "kubernetes-ha"])
def test_every_node_has_a_page_and_no_secret_is_on_one(tmp_path: Path, example: str) -> None:
    local_site_packages(LocalRunner(), CACHE)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "toolchain").symlink_to(CACHE / "toolchain")
    options = Options(worker="local", targets=TARGETS, cache=tmp_path / "cache", state=tmp_path / "state")
    project = open_project(EXAMPLES / example, options)
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
