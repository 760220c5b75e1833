"""``saltern inventory diff``: what a change of the model changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.text import Text

from saltern.base.errors import ExitCode
from saltern.cli.context import Caller, examples, model_options
from saltern.cli.problems import print_problems
from saltern.cli.report import print_json
from saltern.model.differences import ChangeKind
from saltern.project import differing
from saltern.project.changes import Born, Cause, Change, Diff, Group, Variant

SIGNS = {ChangeKind.ADDED: ("+", "green"), ChangeKind.REMOVED: ("-", "red"), ChangeKind.CHANGED: ("~", "yellow")}
MANY_NODES = 8
MANY_VARIANTS = 3


@click.command(
    "diff",
    epilog=examples(
        "saltern inventory diff HEAD",
        "saltern inventory diff main my-branch",
        "saltern inventory diff v1.4 --exit-code --json",
    ),
)
@click.argument("old", metavar="REV1")
@click.argument("new", metavar="[REV2]", default="")
@click.option("--exit-code", is_flag=True, help="Return 13 when something differs.")
@model_options
def diff_command(caller: Caller, old: str, new: str, *, exit_code: bool) -> None:
    """Compare the nodes of the model at the git revisions REV1 and REV2 (default: the working tree).

    Shows each value that differs, and the line and commit that did it; nodes that changed alike are shown together.
    Secrets are hidden. Nodes that are broken in one of the revisions are told as problems, and the exit code is 3.
    """
    found = differing.diff(caller.project(tells_warnings=True), old, new)
    if caller.json:
        print_json(caller, found.as_json())
    else:
        print_problems(caller.stderr, found.problems, "problem", "bold red")
        _print(caller, found)
    if found.problems:
        caller.exit(ExitCode.MODEL)
    if exit_code and not found.is_empty:
        caller.exit(ExitCode.DIFFERENT)


def _print(caller: Caller, found: Diff) -> None:
    for line in (*_born(found.added, "added"), *_born(found.removed, "removed")):
        caller.stdout.print(line, soft_wrap=True)
    for group in found.groups:
        for line in _group(group):
            caller.stdout.print(line, soft_wrap=True)
    changed = len({node for group in found.groups for node in group.nodes})
    counts = f"{changed} of {found.nodes} nodes changed, {len(found.added)} added, {len(found.removed)} removed"
    caller.stdout.print("Nothing differs." if found.is_empty else counts)


def _born(nodes: Sequence[Born], word: str) -> Iterator[Text]:
    causes: dict[Cause | None, list[str]] = {}
    for node in nodes:
        causes.setdefault(node.cause, []).append(node.name)
    for cause, names in causes.items():
        yield Text(f"{_counted(names)} {word}", "bold")
        if cause is not None:
            yield Text(f"      {_cause(cause)}", "dim")
        yield Text("")


def _group(group: Group) -> Iterator[Text]:
    yield Text(_counted(group.nodes), "bold")
    last: Cause | None = None
    for change in group.changes:
        if change.cause is not None and change.cause != last:
            yield Text(f"  {_cause(change.cause)}", "dim")
        last = change.cause
        yield from _change(change)
    yield Text("")


def _change(change: Change) -> Iterator[Text]:
    sign, style = SIGNS[change.kind]
    if len(change.variants) == 1:
        yield Text.assemble((f"    {sign} ", style), change.path, "  ", _values(change, change.variants[0]))
        return
    yield Text.assemble((f"    {sign} ", style), change.path, f"  {len(change.variants)} different values")
    for variant in change.variants[:MANY_VARIANTS]:
        yield Text(f"        {_counted(variant.nodes)}: {_values(change, variant)}")
    if len(change.variants) > MANY_VARIANTS:
        yield Text(f"        … and {len(change.variants) - MANY_VARIANTS} more (all with --json)")


def _values(change: Change, variant: Variant) -> str:
    if change.kind is ChangeKind.CHANGED:
        return f"{_value(variant.old)} → {_value(variant.new)}"
    return _value(variant.new if change.kind is ChangeKind.ADDED else variant.old)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _counted(nodes: Sequence[str]) -> str:
    more = f" … and {len(nodes) - MANY_NODES} more" if len(nodes) > MANY_NODES else ""
    names = ", ".join(nodes[:MANY_NODES]) + more
    return f"node {names}" if len(nodes) == 1 else f"{len(nodes)} nodes: {names}"


def _cause(cause: Cause) -> str:
    where = f"{cause.place} (gone)" if cause.is_old else str(cause.place)
    if cause.commit is None:
        return where
    commit = cause.commit
    if not commit.name:
        return f"{where}  not committed"
    return f"{where}  {commit.name[:10]} {commit.summary} ({commit.author}, {commit.date})"
