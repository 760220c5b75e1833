"""``saltern explain``: where a value comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from rich.text import Text

from saltern.base.errors import Place
from saltern.cli.context import Caller, examples, model_options
from saltern.cli.problems import print_problems
from saltern.cli.report import print_json, print_table
from saltern.model.membership import Entry, Request
from saltern.model.origins import Origin, Through, effective
from saltern.project.explaining import Explained, explain
from saltern.project.values import Leaf

MANY = 10
"""So many of the values that one was made from are shown; --json has all."""

Row = Sequence[str | Text]


@click.command(
    "explain",
    epilog=examples(
        "saltern explain keystone parameters:keystone:server:database:host",
        "saltern explain keystone keystone:server --depth 2",
        "saltern explain keystone linux:network:host:0",
        "saltern explain keystone class:system.linux.single",
        "saltern explain keystone exports --json",
    ),
)
@click.argument("node")
@click.argument("path", default="parameters")
@click.option("--depth", default=3, show_default=True, type=click.IntRange(0), help="How deep to list; 0 lists all.")
@model_options
def explain_command(caller: Caller, node: str, path: str, depth: int) -> None:
    """Show what NODE has at PATH, and where it comes from.

    The chain names every class, file and line that set, merged or overwrote the value, in order, and below each one
    the references that it went through. PATH is a:b:c or parameters:a:b:c, exports:a, class:NAME, classes,
    applications, applications:NAME or environment; quote a key that holds a colon: a:"b:c":d. Secrets are hidden.
    """
    found = explain(caller.project(), node, path, depth)
    if caller.json:
        print_json(caller, found.as_json())
        return
    print_problems(caller.stderr, found.problems, "warning", "yellow")
    caller.stdout.print(Text.assemble((found.subject, "bold"), f" of {found.node}{_value(found)}"))
    if found.origins:
        caller.stdout.print()
        print_table(caller, ("", "at", "class", "written"), _chain(found.origins))
    if found.leaves:
        caller.stdout.print()
        print_table(caller, ("value of", "is", "at", "through"), map(_leaf, found.leaves))
    if found.requests:
        caller.stdout.print()
        print_table(caller, ("class", "asked for at", "by"), map(_request, _told(found)))
    if found.entries:
        caller.stdout.print()
        print_table(caller, ("", "application", "at", "class"), map(_entry, found.entries))


def _value(found: Explained) -> str:
    if isinstance(found.value, dict):
        return f": a dictionary of {len(found.value)}"
    if isinstance(found.value, list):
        return f": a list of {len(found.value)}"
    if found.requests:
        return ""
    if found.entries and found.value is None:
        return ": taken away"
    return f" = {shown(found.value)}"


def shown(value: Any) -> str:
    """A value in one line, text in quotes."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _chain(origins: Iterable[Origin], depth: int = 0) -> Iterator[Row]:
    known = tuple(origins)
    counting = effective(known)
    for origin in known:
        style = "" if any(origin is one for one in counting) else "dim"
        kind = f"{origin.kind.value}{' constant' if origin.constant else ''}"
        written = "" if origin.value is None else shown(origin.value)
        row = (kind, _place(origin.place), origin.class_, written)
        yield [Text("  " * depth + row[0], style), *(Text(cell, style) for cell in row[1:])]
        yield from _throughs(origin.references, depth + 1)


def _throughs(references: Sequence[Through], depth: int) -> Iterator[Row]:
    for through in references[:MANY]:
        yield [Text("  " * depth + f"from {through}", "cyan"), "", "", ""]
        yield from _chain(through.origins, depth + 1)
    if len(references) > MANY:
        yield ["  " * depth + f"… and {len(references) - MANY} more (all with --json)", "", "", ""]


def _leaf(leaf: Leaf) -> Row:
    value = leaf.problem or (f"… {leaf.below} below" if leaf.below else shown(leaf.value))
    counting = effective(leaf.origins)
    through = [trail(one) for one in counting[-1].references] if counting else []
    if len(through) > MANY:
        through = [*through[:MANY], f"… and {len(through) - MANY} more"]
    place = _place(counting[-1].place) if counting else ""
    return leaf.path, Text(value, "red" if leaf.problem else ""), place, ", ".join(through)


def trail(through: Through) -> str:
    """A reference and those that it leads to, to the place that decides."""
    counting = effective(through.origins)
    if not counting:
        return str(through)
    last = counting[-1]
    if len(last.references) == 1:
        return f"{through} → {trail(last.references[0])}"
    return f"{through} ({_place(last.place)})"


def _place(place: Place) -> str:
    return str(place) if place.file else "automatic"


def _told(found: Explained) -> tuple[Request, ...]:
    """Of all classes only what brought them in; of one class everything."""
    return found.requests if isinstance(found.value, str) else tuple(one for one in found.requests if one.first)


def _request(request: Request) -> Row:
    name = request.name if request.written == request.name else f"{request.name} (written {request.written})"
    place = f"class mapping {request.mapping!r}" if request.mapping else str(request.mark.place)
    style = "" if request.first else "dim"
    return Text(name, style), Text(place, style), Text(" → ".join(request.chain), style)


def _entry(entry: Entry) -> Row:
    return "removed" if entry.removes else "added", entry.name, str(entry.mark.place), entry.mark.source.name
