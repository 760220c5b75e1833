"""``saltern check``: all problems of a model at once."""

from __future__ import annotations

import click

from saltern.cli import report
from saltern.cli.context import ALL_TARGETS, Caller, common_options, examples
from saltern.project import checking


@click.command(
    "check",
    epilog=examples(
        "saltern check",
        "saltern check --model-only",
        "saltern check --strict",
        "saltern check --worker local --json",
    ),
)
@click.option("--model-only", is_flag=True, help="Check the model alone: seconds, no container engine, no Salt.")
@common_options
def check_command(caller: Caller, *, model_only: bool) -> None:
    """Load the model, compile every node and split it into phases; report all problems at once.

    Warnings name their kind in brackets; `check: allow` in saltern.yml silences kinds by file.
    """
    report.checked(
        caller, checking.check(caller.project(tells_warnings=True, targets=ALL_TARGETS), model_only=model_only)
    )
