"""``saltern formulas``: where formulas come from."""

from __future__ import annotations

import click

from saltern.cli import report
from saltern.cli.context import Caller, common_options, examples
from saltern.project import sourcing


@click.group("formulas", epilog=examples("saltern formulas list", "saltern formulas lock", "saltern formulas fetch"))
def formulas_group() -> None:
    """List, lock and fetch the formulas of a model."""


@formulas_group.command("list", epilog=examples("saltern formulas list", "saltern formulas list --json"))
@common_options
def list_command(caller: Caller) -> None:
    """List all formulas and where they come from."""
    report.formulas(caller, sourcing.list_formulas(caller.project()))


@formulas_group.command("lock", epilog=examples("saltern formulas lock"))
@common_options
def lock_command(caller: Caller) -> None:
    """Pin each formula that comes from git to the commit that its ref has now, in formulas.lock."""
    report.locked(caller, sourcing.lock_formulas(caller.project()))


@formulas_group.command("fetch", epilog=examples("saltern formulas fetch"))
@common_options
def fetch_command(caller: Caller) -> None:
    """Bring the locked commits into the cache."""
    report.fetched(caller, sourcing.fetch_formulas(caller.project()))
