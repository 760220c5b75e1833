"""What is in the images: what of it is outdated, and which of them contain a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem
from saltern.ops.affected import Hit, find_hits, parse_questions
from saltern.ops.apt import ensure_lists
from saltern.ops.contents import Contents
from saltern.ops.index import Index, Suite
from saltern.ops.outdated import Update, find_updates, not_in_index
from saltern.ops.tracker import read_tracker
from saltern.project.contents import Cloud, read_cloud
from saltern.project.context import Project


@dataclass(frozen=True)
class Outdated:
    """The newer versions of what the images of a cloud contain."""

    images: tuple[Contents, ...]
    updates: tuple[Update, ...]
    suites: tuple[tuple[str, Suite], ...]
    """(base, suite) of every list that was read."""
    unknown: tuple[Problem, ...]


def outdated(
    project: Project, names: Sequence[str] = (), tracker: Path | None = None, max_age: float = 0.0
) -> Outdated:
    """Compare the images of the named nodes (default: all) with the package index of their bases.

    ``max_age``: seconds for which an index that was asked before will do. Raises ImageError when a mirror is silent.
    """
    said = read_tracker(tracker) if tracker else None
    cloud = read_cloud(project, names)
    indexes = read_indexes(project, cloud, max_age)
    updates: list[Update] = []
    unknown = list(cloud.unknown)
    for one in cloud.images:
        if one.base not in indexes:
            unknown.append(Problem(f"image {one.tag} runs, and is made on a base that the model does not have"))
            continue
        updates += find_updates(one, indexes[one.base], said)
        unknown += _foreign(one, indexes[one.base])
    suites = tuple((base, suite) for base in sorted(indexes) for suite in indexes[base].suites)
    return Outdated(cloud.images, tuple(updates), suites, tuple(unknown))


def read_indexes(project: Project, cloud: Cloud, max_age: float) -> dict[str, Index]:
    """By the name of a base: what its mirrors offer of the packages of the images on it."""
    found = {}
    for name in sorted({one.base for one in cloud.images if one.base}):
        packages = {package for one in cloud.images if one.base == name for package in one.packages}
        lists = ensure_lists(project.engine, project.store, cloud.bases[name], project.emit, max_age)
        found[name] = lists.index(packages)
    return found


def _foreign(one: Contents, index: Index) -> list[Problem]:
    names = not_in_index(one, index)
    if not names:
        return []
    return [
        Problem(
            f"nothing is known of the updates of {len(names)} packages of image {one.image!r}",
            details=", ".join(names),
            resolution="they are in no list of the base's mirrors; ask the repository that they come from",
        )
    ]


@dataclass(frozen=True)
class Affected:
    """What contains the packages that were asked for."""

    hits: tuple[Hit, ...]
    unknown: tuple[Problem, ...]


def affected(project: Project, questions: Sequence[str]) -> Affected:
    """Which images and workloads contain packages; raises UsageError for what is no question."""
    asked = parse_questions(questions)
    cloud = read_cloud(project)
    unknown = list(cloud.unknown)
    if any(question.mask.source for question in asked):
        unknown += (
            Problem(
                f"the sources of the packages of image {one.image!r} are unknown",
                details="it is not built here; packages.lock has the names of binary packages only",
                resolution="run `saltern build`, or ask for binary packages",
            )
            for one in cloud.images
            if one.origin == "lock"
        )
    return Affected(find_hits(cloud.images, asked), tuple(unknown))


def update_as_json(update: Update) -> dict[str, Any]:
    """JSON types."""
    fixes = [{"cve": fix.cve, "urgency": fix.urgency, "fixed": fix.fixed} for fix in update.fixes]
    return {
        "image": update.image,
        "package": update.package,
        "installed": update.installed,
        "newest": update.newest,
        "suite": update.suite,
        "security": update.security,
        "source": update.source,
        "base": update.in_base,
        "fixes": fixes,
        "tag": update.tag,
        "stale": update.stale,
    }
