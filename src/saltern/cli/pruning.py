"""``prune``: removes data that nothing of the cloud uses any more."""

from __future__ import annotations

import sys

import click

from saltern.base.errors import Problem, UsageError
from saltern.cli.context import Caller, examples, rollout_options
from saltern.cli.report import print_json
from saltern.project import pruning


@click.command("prune", epilog=examples("saltern prune", "saltern prune --yes --json"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@rollout_options
def prune_command(caller: Caller, *, yes: bool) -> None:
    """Remove the data of instances in whose place a fresh one came, as after a switch of RabbitMQ.

    A volume of which a container is still there, which may be the way back, is never removed, and no volume of a node
    that the model has no more. The volumes are listed first.
    """
    project = caller.project()
    found = pruning.prunable(project)
    if not caller.json:
        for name in found:
            caller.stdout.print(name)
    if found and not yes:
        if caller.json or not sys.stdin.isatty():
            brief = f"{', '.join(found)} would be removed, and nobody can be asked"
            raise UsageError(Problem(brief, resolution="give --yes"))
        click.confirm("These volumes and what they hold are removed. Go on?", abort=True, err=True)
    gone = pruning.prune(project, found) if found else ()
    if caller.json:
        print_json(caller, {"volumes": list(gone)})
    else:
        caller.stdout.print(f"Removed {len(gone)} volumes." if gone else "There is nothing to remove.")
