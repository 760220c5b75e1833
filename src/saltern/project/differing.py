"""``saltern inventory diff``: what two revisions of a model make of its nodes, and which commit and line did it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saltern.base.errors import Place, Problem, SalternError
from saltern.model import Inventory, Node
from saltern.model.blame import Blamed, State, blame, rendered
from saltern.model.differences import ChangeKind, differences
from saltern.model.inventory import merged_problems
from saltern.model.masking import Mask, secrets_of
from saltern.model.paths import join_path
from saltern.model.settings import Settings
from saltern.plan.changes import ValueChange
from saltern.project.authors import Authors, Line
from saltern.project.changes import Born, Cause, Change, Diff, Group, Variant
from saltern.project.checkout import Repository, find_repository
from saltern.project.context import Project, open_project

WORKING_TREE = "the working tree"


def diff(project: Project, old: str, new: str = "") -> Diff:
    """Compare two revisions of the project's model; without ``new`` the working tree is the new one.

    Raises UsageError for what is no revision, and the errors of a revision that cannot be opened at all.
    """
    repository = find_repository(project.runner, project.root)
    old_commit, new_commit = repository.commit(old), repository.commit(new) if new else None
    with ExitStack() as stack:
        before = stack.enter_context(_opened(project, repository, old_commit, old))
        after = stack.enter_context(_opened(project, repository, new_commit, new or WORKING_TREE))
        found = _compare(before, after)
        authors = Authors(repository.git, old_commit, new_commit)
        return found.diff(_Causes(repository, authors, found.blamed()), old_commit, new_commit or "")


def values_between(before: Project, after: Project) -> tuple[ValueChange, ...]:
    """What differs between two opened models, nodes that came or went left out; ``before`` is in a throw-away folder.

    Values that are secrets are masked. Nodes that cannot be rendered in one of them are left out as well.
    """
    old = _Side(before.opened, _Tree("the old revision", before.root, after.root))
    new = _Side(after.opened, _Tree(WORKING_TREE, after.root, after.root))
    found = _compare(old, new).found
    alike: dict[tuple[str, str, str, str], list[_Found]] = {}
    for one in found:
        values = json.dumps([one.old, one.new], sort_keys=True)
        alike.setdefault((one.path, one.kind.value, values, _line_of(one.blamed)), []).append(one)
    return tuple(
        ValueChange(
            path=path,
            kind=kind,
            old=same[0].old,
            new=same[0].new,
            nodes=tuple(sorted({one.node for one in same})),
            place=_line_of(same[0].blamed),
            gone=bool(same[0].blamed and same[0].blamed.is_old),
        )
        for (path, kind, _values, _line), same in sorted(alike.items())
    )


def _line_of(blamed: Blamed | None) -> str:
    return f"{blamed.place.file}:{blamed.place.line}" if blamed is not None and blamed.place.file else ""


@dataclass(frozen=True)
class _Tree:
    """Where the files of a revision are: a throw-away folder, or the repository itself."""

    revision: str
    folder: Path
    top: Path

    def rename(self, file: str) -> str:
        """A file as it is called in the repository."""
        path = Path(file)
        if path.is_absolute() and path.is_relative_to(self.folder):
            return str(self.top / path.relative_to(self.folder))
        return file

    def named(self, problem: Problem) -> Problem:
        """A problem with the revision's name, and files of the repository."""
        places = tuple(replace(place, file=self.rename(place.file)) for place in problem.places)
        brief = problem.brief.replace(str(self.folder), str(self.top))
        return replace(problem, brief=f"{self.revision}: {brief}", places=places)


@dataclass(frozen=True)
class _Side:
    """One revision of the model, opened."""

    inventory: Inventory
    tree: _Tree


@contextmanager
def _opened(project: Project, repository: Repository, commit: str | None, revision: str) -> Iterator[_Side]:
    if commit is None:
        yield _Side(project.opened, _Tree(revision, repository.top, repository.top))
        return
    with repository.checked_out(commit) as folder:
        tree = _Tree(revision, folder, repository.top)
        try:
            past = open_project(folder / repository.prefix, project.options, project.emit, project.runner)
            past = replace(past, settings=_with_formulas_outside(past, project, repository))
            side = _Side(past.opened, tree)
        except SalternError as error:
            raise type(error)(tree.named(problem) for problem in error.problems) from error
        yield side


def _with_formulas_outside(past: Project, project: Project, repository: Repository) -> Settings:
    """The settings; a formula's folder that git does not keep has no revisions and is taken as it is."""
    formulas = []
    for formula in past.settings.formulas:
        here = (project.root / formula.path).resolve()
        kept = (past.root / formula.path).is_dir() or repository.keeps(here)
        outside = formula.path and not (here.is_relative_to(repository.top) and kept)
        formulas.append(replace(formula, path=str(here)) if outside else formula)
    return replace(past.settings, formulas=tuple(formulas))


# ---- comparing


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference of one node, with its secrets hidden."""

    node: str
    kind: ChangeKind
    path: str
    old: Any
    new: Any
    blamed: Blamed | None


@dataclass
class _Comparison:
    found: list[_Found]
    added: Mapping[str, Blamed]
    removed: Mapping[str, Blamed]
    problems: list[Problem]
    nodes: int

    def blamed(self) -> set[Blamed]:
        """All lines whose commits are wanted."""
        known = {one.blamed for one in self.found if one.blamed is not None}
        return known | set(self.added.values()) | set(self.removed.values())

    def diff(self, causes: _Causes, old: str, new: str) -> Diff:
        """The result, grouped."""
        return Diff(
            old=old,
            new=new,
            added=tuple(Born(name, causes.of(blamed)) for name, blamed in sorted(self.added.items())),
            removed=tuple(Born(name, causes.of(blamed)) for name, blamed in sorted(self.removed.items())),
            groups=_grouped(self.found, causes),
            problems=merged_problems(self.problems),
            nodes=self.nodes,
        )


def _compare(before: _Side, after: _Side) -> _Comparison:
    found: list[_Found] = []
    problems: list[Problem] = []
    now = set(after.inventory.nodes)
    both = [name for name in before.inventory.nodes if name in now]
    for name in both:
        old, new = before.inventory.node(name), after.inventory.node(name)
        if old.problems or new.problems:
            problems += map(before.tree.named, old.problems)
            problems += map(after.tree.named, new.problems)
            continue
        found += _compare_node(State(old, before.tree.rename), State(new, after.tree.rename))
    return _Comparison(
        found, _only(after, before, is_old=False), _only(before, after, is_old=True), problems, len(both)
    )


def _only(side: _Side, other: _Side, *, is_old: bool) -> dict[str, Blamed]:
    names = set(side.inventory.nodes) - set(other.inventory.nodes)
    return {name: Blamed(_birth(side, side.inventory.node(name)), is_old) for name in names}


def _birth(side: _Side, node: Node) -> Place:
    """Where a node is defined: a line, or a file that is all its own."""
    place = node.flat.entity.parameters.mark.place if node.definer else node.place
    return replace(place, file=side.tree.rename(place.file))


def _compare_node(old: State, new: State) -> Iterator[_Found]:
    before, after = rendered(old.node), rendered(new.node)
    if json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        return
    found = [secrets_of(one.renderer, one.flat.parameters, one.flat.exports) for one in (old.node, new.node)]
    mask = Mask(found[0] | found[1])
    for difference in differences(before, after):
        yield _Found(
            node=new.node.name,
            kind=difference.kind,
            path=join_path(difference.path),
            old=_shown(mask, difference.old_path, difference.old),
            new=_shown(mask, difference.new_path, difference.new),
            blamed=blame(difference, old, new),
        )


def _shown(mask: Mask, path: Sequence[str | int], value: Any) -> Any:
    return mask.value(tuple(path[1:]), value) if path else None


# ---- causes and groups


class _Causes:
    """Blamed lines with their commits, which were asked for all at once."""

    def __init__(self, repository: Repository, authors: Authors, blamed: set[Blamed]) -> None:
        self._model = repository.top / repository.prefix
        self._top = repository.top
        lines = {one: line for one in blamed if (line := self._line(one)) is not None}
        commits = authors.of(lines.values())
        self._commits = {one: commits.get(line) for one, line in lines.items()}

    def of(self, blamed: Blamed | None) -> Cause | None:
        """The cause that a blamed line is."""
        return None if blamed is None else Cause(blamed.place, blamed.is_old, self._commits.get(blamed))

    def _line(self, blamed: Blamed) -> Line | None:
        file = self._model / blamed.place.file
        if not blamed.place.file or not file.is_relative_to(self._top):
            return None
        return Line(str(file.relative_to(self._top)), blamed.place.line, blamed.is_old)


def _grouped(found: Sequence[_Found], causes: _Causes) -> tuple[Group, ...]:
    """Changes for one cause at one path are one change; changes of the same nodes are one group."""
    alike: dict[tuple[str, ChangeKind, Blamed | None], list[_Found]] = {}
    for one in found:
        alike.setdefault((one.path, one.kind, one.blamed), []).append(one)
    groups: dict[tuple[str, ...], list[Change]] = {}
    for (path, kind, blamed), members in alike.items():
        nodes = tuple(sorted({one.node for one in members}))
        groups.setdefault(nodes, []).append(Change(kind, path, causes.of(blamed), _variants(members)))
    ordered = sorted(groups.items(), key=lambda item: (-len(item[0]), item[0]))
    return tuple(Group(nodes, tuple(changes)) for nodes, changes in ordered)


def _variants(members: Sequence[_Found]) -> tuple[Variant, ...]:
    """The values, those of most nodes first."""
    nodes: dict[str, list[_Found]] = {}
    for one in members:
        nodes.setdefault(json.dumps([one.old, one.new], sort_keys=True), []).append(one)
    variants = [Variant(same[0].old, same[0].new, tuple(sorted({one.node for one in same}))) for same in nodes.values()]
    return tuple(sorted(variants, key=lambda variant: (-len(variant.nodes), variant.nodes)))
