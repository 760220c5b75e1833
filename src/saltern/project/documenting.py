"""``saltern render --target docs``: pages about the cloud for people, from the model and what formulas tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saltern.formulas.documents import KIND, read_documents
from saltern.ops.pages import HEADER, Described, pages
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project
from saltern.project.outputs import write_ours
from saltern.project.telling import told
from saltern.project.workers import Bases


@dataclass(frozen=True)
class Documented:
    """What was written: names of pages below ``folder``."""

    folder: Path
    pages: tuple[str, ...]
    removed: tuple[str, ...]
    """Pages of an earlier time, of nodes that are gone."""


def document(project: Project, folder: Path) -> Documented:
    """Write a page per node and an index. Nothing is built, and no page has a secret in it.

    Raises UsageError where ``folder`` holds files of somebody else in the places of ours.
    """
    with Bases(project) as bases:
        described = told(bases, compile_members(project, bases=bases), KIND, _described)
    found = pages(project.settings.cloud, described)
    wanted = {name: (text, False) for name, text in found.items()}
    return Documented(folder, tuple(sorted(found)), write_ours(folder, wanted, sorted(folder.glob("*.md")), HEADER))


def _described(one: Compiled, raw: Mapping[str, Any]) -> Described:
    member = one.member
    return Described(
        name=member.name,
        node=member.node.name,
        settings=member.settings,
        applications=tuple(member.node.applications),
        metadata=replace(one.metadata, raw={}),
        documents=read_documents(member.node.name, raw),
    )
