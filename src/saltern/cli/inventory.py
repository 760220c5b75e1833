"""``saltern inventory``: what the ``reclass`` command prints, and comparisons of inventories."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click
import yaml

from saltern.base.errors import Problem, UsageError
from saltern.base.yamltext import WithoutAliases
from saltern.cli.context import Caller, examples, model_options
from saltern.cli.report import strict_json
from saltern.model.tree import jsonable
from saltern.project import inventorying
from saltern.project.context import Project


@click.group(
    "inventory",
    invoke_without_command=True,
    epilog=examples(
        "saltern inventory --nodeinfo keystone",
        "saltern inventory --inventory --output json --no-pretty-print",
        "saltern inventory --nodeinfo web01.cloud.local --salt pillar",
    ),
)
@click.option("-n", "--nodeinfo", metavar="NODE", help="Print one node.")
@click.option("-i", "--inventory", "whole", is_flag=True, help="Print all nodes, and what has which class.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    help="The format. Default: json with --json, else as reclass-config.yml says, else yaml.",
)
@click.option("-y", "--pretty-print/--no-pretty-print", default=None, help="One value per line, or all in one.")
@click.option("-r", "--no-refs", is_flag=True, help="Taken as reclass takes it; anchors are written in no case.")
@click.option("--timestamp", is_flag=True, help="Say when it was printed, as reclass does.")
@click.option(
    "--salt",
    type=click.Choice(["pillar", "top"]),
    help="Print what Salt's ext_pillar (with the values of secrets) or master_tops takes.",
)
@model_options
def inventory_group(caller: Caller, nodeinfo: str | None, *, whole: bool, **given: Any) -> None:
    """Print what the reclass command prints: the rendered inventory, or one node of it.

    No container engine is needed. The output is that of kapicorp-reclass 2.0.0 but for the time of printing, which
    would make every output a new one.
    """
    chosen = (nodeinfo is not None) + whole
    if click.get_current_context().invoked_subcommand is not None:
        if chosen:
            raise UsageError(Problem("--nodeinfo and --inventory go with no further command"))
        return
    if chosen != 1:
        raise UsageError(Problem("give one of --nodeinfo NODE and --inventory", resolution="see --help"))
    salt, timestamp = given.pop("salt"), given.pop("timestamp")
    if salt == "pillar" and nodeinfo is None:
        raise UsageError(Problem("--salt pillar needs --nodeinfo NODE", resolution="A pillar is one minion's."))
    project = caller.project()
    data = _asked(project, nodeinfo, salt, time.strftime("%c") if timestamp else "")
    style = {"output": "json"} if caller.json else {}
    style.update({name: value for name, value in given.items() if value is not None})
    wanted = {"output": "yaml", "pretty_print": True, **project.location.style, **style}
    if wanted["output"] == "yaml":
        click.echo(_as_yaml(data, pretty=wanted["pretty_print"]))
        return
    # reclass writes Infinity, and Salt's module reads it: a pillar keeps its numbers
    encode = strict_json if caller.json and not salt else json.dumps
    click.echo(_as_json(encode, jsonable(data), pretty=wanted["pretty_print"]))


@inventory_group.command("salt-modules", epilog=examples("saltern inventory salt-modules"))
def salt_modules_command() -> None:
    """Print the folder of the modules for Salt's ext_pillar and master_tops: pillar_dirs and top_dirs name it."""
    click.echo(inventorying.salt_modules())


def _asked(project: Project, node: str | None, salt: str | None, when: str) -> dict[str, Any]:
    if salt == "pillar" and node is not None:
        return inventorying.pillar(project, node)
    if salt == "top":
        return inventorying.tops(project) if node is None else inventorying.top(project, node)
    return inventorying.inventory(project, when) if node is None else inventorying.nodeinfo(project, node, when)


def _as_json(encode: Callable[..., str], data: dict[str, Any], *, pretty: bool) -> str:
    return encode(data, indent=2 if pretty else None, separators=(",", ": " if pretty else ":"))


def _as_yaml(data: dict[str, Any], *, pretty: bool) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, default_flow_style=not pretty)
    return text


class _Dumper(WithoutAliases, yaml.CSafeDumper):
    pass
