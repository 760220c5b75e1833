"""``saltern backup`` and ``saltern restore``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from saltern.base.errors import Problem, UsageError
from saltern.cli.context import Caller, examples, rollout_options
from saltern.cli.problems import print_problems
from saltern.cli.report import print_json, print_table
from saltern.ops.backup.catalogue import Backup
from saltern.project import backing_up, restoring
from saltern.project.restoring import Choice

DEFAULT = "make"


class BackupGroup(click.Group):
    """``saltern backup NODES``: without a subcommand's name, ``make`` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group("backup", cls=BackupGroup)
def backup_group() -> None:
    """Take and prove backups of the cloud's data; `saltern backup [NODES]` is short for `saltern backup make [NODES]`.

    \b
    Examples:
      saltern backup                  all nodes whose formulas say what a backup of them holds
      saltern backup mariadb          one node
      saltern backup list             what there is
    """


@backup_group.command(
    DEFAULT,
    epilog=examples("saltern backup", "saltern backup make keystone", 'saltern backup --reason "before the move"'),
)
@click.argument("nodes", nargs=-1)
@click.option("--reason", default="", metavar="TEXT", help="Why it is made; shown in the list.")
@rollout_options
def make_command(caller: Caller, nodes: tuple[str, ...], reason: str) -> None:
    """Take a backup of NODES (default: all that can be), and prove each part by a restore into throw-away volumes.

    What cannot be proven is not kept. Older backups than `backup: keep` says are removed after it.
    """
    made = backing_up.backup(caller.project(), nodes, reason)
    if caller.json:
        print_json(caller, made.as_json())
        return
    rows = [(item.name, size(item.size), f"{item.seconds:.1f} s", item.proof) for item in made.items]
    print_table(caller, ("item", "size", "took", "proof"), rows)
    closed = f"encrypted for {len(made.recipients)}" if made.recipients else "not encrypted"
    caller.stdout.print(f"\nBackup {made.name}: {size(made.size)}, {closed}, in {made.seconds:.1f} s\n{made.folder}")


@backup_group.command("list", epilog=examples("saltern backup list", "saltern backup list --check --json"))
@click.option("--check", "thorough", is_flag=True, help="Read all files and compare their SHA-256.")
@rollout_options
def list_command(caller: Caller, *, thorough: bool) -> None:
    """List the backups, the newest first, and what is wrong with their files."""
    project = caller.project()
    found = backing_up.listed(project, thorough=thorough)
    print_problems(caller.stderr, backing_up.unreadable(project), "warning", "yellow")
    if caller.json:
        rows = [{**one.as_json(), "problems": [problem.brief for problem in problems]} for one, problems in found]
        print_json(caller, rows)
        return
    if not found:
        caller.stdout.print("There is no backup.")
        return
    columns = ("backup", "nodes", "size", "encrypted", "verified", "reason", "remark")
    print_table(caller, columns, [_row(one, (problem.brief for problem in problems)) for one, problems in found])


@click.command(
    "restore",
    epilog=examples("saltern restore --yes", "saltern restore 2026-11-23T01-38-49Z", "saltern restore latest mariadb"),
)
@click.argument("words", nargs=-1, metavar="[BACKUP] [NODES]...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@rollout_options
def restore_command(caller: Caller, words: tuple[str, ...], *, yes: bool) -> None:
    """Put the data of NODES (default: all) of BACKUP (default: the newest) back, in the place of what there is.

    What uses that data is stopped first, and stays down until `saltern up`. Nothing is touched before all files were
    found whole and decrypted.
    """
    project = caller.project()
    choice = restoring.choose(project, words)
    if not yes:
        _confirm(caller, choice)
    done = restoring.restore(project, choice)
    items = [item.name for item in choice.items]
    if caller.json:
        warnings = [problem.as_json() for problem in done.warnings]
        found = {"backup": choice.backup.name, "items": items, "stopped": list(done.stopped), "warnings": warnings}
        print_json(caller, found)
        return
    print_problems(caller.stderr, done.warnings, "warning", "yellow")
    for item in items:
        caller.stdout.print(f"{item}: put back")
    caller.stdout.print(f"\nThe data is that of {choice.backup.name}. `saltern up` starts the services on it.")


def _confirm(caller: Caller, choice: Choice) -> None:
    what = f"the data of {', '.join(choice.workloads)} is replaced by that of {choice.backup.name}"
    if caller.json or not sys.stdin.isatty():
        raise UsageError(Problem(f"{what}, and nobody can be asked", resolution="give --yes"))
    click.confirm(f"{what[0].upper()}{what[1:]}; what uses it is stopped. Go on?", abort=True, err=True)


def _row(one: Backup, remarks: Iterable[str]) -> tuple[Any, ...]:
    closed = "yes" if one.recipients else "no"
    return (
        one.name, ", ".join(one.workloads), size(one.size), closed, one.verified_at, one.reason, "; ".join(remarks)
    )  # fmt: skip


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
