"""``saltern show``: what becomes of each state of a node."""

from __future__ import annotations

from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project


def show(project: Project, name: str) -> Compiled:
    """Compile one node."""
    (compiled,) = compile_members(project, [project.member(name)])
    return compiled
