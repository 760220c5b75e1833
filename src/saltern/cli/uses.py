"""``saltern uses``: what a line of the model reaches."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.text import Text

from saltern.cli.context import Caller, examples, model_options
from saltern.cli.report import print_json, print_table
from saltern.model.uses import Use
from saltern.project.using import Asked, uses

FEW = 4
"""So many nodes are named; --json has all."""


@click.command(
    "uses",
    epilog=examples(
        "saltern uses classes/cluster/cloud/init.yml:12",
        "saltern uses classes/cluster/cloud/init.yml",
        "saltern uses parameters:_param:database_host",
        "saltern uses exports:address",
        "saltern uses system.linux.single --json",
    ),
)
@click.argument("what", metavar="FILE[:LINE]|PATH|CLASS")
@model_options
def uses_command(caller: Caller, what: str) -> None:
    """Show which values of which nodes are made of a line, a file, a path or a class.

    References, inventory queries and definitions of generated nodes are followed; a value that a later class
    overwrites reaches nothing. The line of a key means everything below the key. Nodes that are alike stand together.
    """
    found = uses(caller.project(), what)
    if caller.json:
        print_json(caller, found.as_json())
        return
    caller.stdout.print(Text.assemble((found.subject, "bold"), f" is in {_count(found.nodes)}"))
    for group in found.groups:
        caller.stdout.print(f"\n{_names(group.nodes)}")
        print_table(caller, ("value", "through"), map(_use, group.uses))
    for what_kind, asked in (("class", found.classes), ("application", found.applications)):
        if asked:
            caller.stdout.print()
            columns = (what_kind, "asked for at", "by", "with effect in", "without")
            print_table(caller, columns, map(_asked, asked))
    if found.without_effect and not found.classes:
        caller.stdout.print(f"\nwithout effect, because it is overwritten, in {_names(found.without_effect)}")


def _count(nodes: Sequence[str]) -> str:
    return f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _names(nodes: Sequence[str]) -> str:
    if not nodes:
        return ""
    shown = ", ".join(nodes[:FEW]) + (" …" if len(nodes) > FEW else "")
    return f"{_count(nodes)}: {shown}"


def _use(use: Use) -> Sequence[str]:
    return f"{'exports' if use.exports else 'parameters'}:{use.path}", " → ".join(use.through)


def _asked(one: Asked) -> Sequence[str]:
    place = str(one.place) if one.place.file else "a class mapping"
    others = tuple(node for node in one.nodes if node not in set(one.counts))
    return one.name, place, one.by, _names(one.counts), _names(others)
