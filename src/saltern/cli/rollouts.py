"""``saltern plan``, ``apply``, ``rollback`` and ``history``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from saltern.base.errors import ExitCode, Problem, UsageError
from saltern.cli import report, rollout_report
from saltern.cli.context import Caller, common_options, examples, rollout_options
from saltern.plan.plan import Plan
from saltern.plan.revision import Revision
from saltern.project import applying, planning, recording
from saltern.project.context import Project
from saltern.project.patching import upgraded_lock
from saltern.project.planning import Asked

VERIFY = click.option(
    "--verify/--no-verify", default=True, show_default=True, help="Make the formulas' checks after each change."
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")
CONTRACT = click.option(
    "--contract", is_flag=True, help="Pass the point of no return of upgrades that are through: contract schemas."
)
UPGRADE = click.option(
    "--upgrade",
    "packages",
    metavar="PACKAGE",
    multiple=True,
    help="Take the newest version of PACKAGE in all images; may be given again, and * is any text.",
)
SECURITY = click.option("--security", is_flag=True, help="Take all security updates of the images' packages.")
AUTO = click.option("--auto-rollback", is_flag=True, help="When a step or a gate fails, bring back what ran before.")


@click.command(
    "plan",
    epilog=examples(
        "saltern plan",
        "saltern plan --json",
        "saltern plan --out change.plan && saltern apply change.plan",
        "saltern plan --from 4 --to 6",
        "saltern plan --upgrade rabbitmq-server",
        "saltern plan --security",
    ),
)
@click.option("--from", "old", metavar="REV", default="", help="Compare this revision instead of what runs.")
@click.option("--to", "new", metavar="REV", default="", help="Plan for this revision instead of the model as it is.")
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False), help="Write the plan, for `saltern apply FILE`."
)
@click.option("--exit-code", is_flag=True, help="Return 13 when there is something to do.")
@UPGRADE
@SECURITY
@CONTRACT
@VERIFY
@rollout_options
def plan_command(caller: Caller, *, old: str, new: str, out: str | None, exit_code: bool, **wanted: Any) -> None:
    """Show what `apply` would do: changes with their lines, impact, and the steps. Touches nothing that runs.

    Images that are missing are built, because only they tell what the configuration will be. REV is a revision's id or
    the number of a rollout, as `saltern history` lists them.
    """
    if (old or new) and (wanted["packages"] or wanted["security"]):
        raise UsageError(Problem("--from and --to compare revisions, and --upgrade and --security make a new one"))
    project, asked = _wanted(caller, **wanted)
    made = _plan(project, old, new, asked)
    if out:
        Path(out).write_text(json.dumps(made.as_json(), indent=1, sort_keys=True, default=str) + "\n")
    rollout_report.planned(caller, made)
    if exit_code and not made.is_empty:
        caller.exit(ExitCode.DIFFERENT)


def _plan(project: Project, old: str, new: str, asked: Asked) -> Plan:
    target = recording.named(project, new) if new else None
    if old:
        return planning.plan_between(project, recording.named(project, old), target, asked)
    return applying.plan_revision(project, target, asked) if target else planning.plan(project, asked)


@click.command(
    "apply",
    epilog=examples(
        "saltern apply",
        "saltern apply --yes --auto-rollback",
        "saltern apply --upgrade 'openssl*'",
        "saltern apply change.plan",
        "saltern apply --resume",
    ),
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--resume", is_flag=True, help="Go on with the newest rollout's revision, which failed or was killed.")
@YES
@AUTO
@UPGRADE
@SECURITY
@CONTRACT
@VERIFY
@rollout_options
def apply_command(
    caller: Caller, *, file: str | None, resume: bool, yes: bool, auto_rollback: bool, **wanted: Any
) -> None:
    """Carry out the plan: the one in FILE, or the one that is shown now. Refuses when it is no more the same.

    Each act is written to a journal before it is done; what is killed goes on with the next `apply`. After each change
    the readiness probes and the formulas' checks must pass, else it stops there.
    """
    if resume and (wanted["packages"] or wanted["security"]):
        raise UsageError(Problem("--resume goes on with a revision as it was; it takes no --upgrade or --security"))
    project, asked = _wanted(caller, **wanted)
    target = _newest(project) if resume else None
    expected = _id_in(file) if file else ""
    if not expected:
        made = applying.plan_revision(project, target, asked) if target else planning.plan(project, asked)
        expected = _agreed(caller, made, yes=yes)
    terms = applying.Terms("apply", asked, expected, auto_rollback)
    done = applying.apply_revision(project, target, terms) if target else applying.apply(project, terms)
    report.brought_up(caller, done)


@click.command("rollback", epilog=examples("saltern rollback", "saltern rollback 4 --yes"))
@click.argument("revision", required=False)
@YES
@VERIFY
@rollout_options
def rollback_command(caller: Caller, *, revision: str | None, yes: bool, verify: bool) -> None:
    """Bring back REVISION (default: what ran before the newest rollout), by the plan of the way back.

    The model in the working tree stays as it is: correct it before the next `apply`.
    """
    project = caller.project()
    target = recording.named(project, revision) if revision else recording.before_last(project)
    if target is None:
        raise UsageError(Problem("there is no earlier revision", resolution="see `saltern history`"))
    asked = Asked(verify)
    expected = _agreed(caller, applying.plan_revision(project, target, asked), yes=yes)
    report.brought_up(caller, applying.apply_revision(project, target, applying.Terms("rollback", asked, expected)))


@click.command("history", epilog=examples("saltern history", "saltern history 7", "saltern history --json"))
@click.argument("number", required=False, type=int)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many rollouts.")
@common_options
def history_command(caller: Caller, *, number: int | None, limit: int) -> None:
    """List the rollouts with their outcome and how available the endpoints were, or all of rollout NUMBER."""
    project = caller.project()
    found = recording.rollouts(project, at_work=project.is_locked())
    if number is None:
        rollout_report.history(caller, found[:limit])
        return
    chosen = [past for past in found if past.number == number]
    if not chosen:
        raise UsageError(Problem(f"there is no rollout {number}", resolution="see `saltern history`"))
    rollout_report.past(caller, chosen[0])


def _wanted(
    caller: Caller, *, packages: tuple[str, ...], security: bool, contract: bool, verify: bool
) -> tuple[Project, Asked]:
    """The project, with newer packages in its lock where they are wanted: ``apply`` writes that lock, ``plan`` not."""
    project, asked = caller.project(), Asked(verify=verify, contract=contract)
    if not packages and not security:
        return project, asked
    return replace(project, lock=upgraded_lock(project, packages, security=security).lock), asked


def _newest(project: Project) -> Revision:
    pasts = recording.rollouts(project)
    found = recording.load(project, pasts[0].target) if pasts else None
    if found is None:
        raise UsageError(Problem("there is no rollout to go on with", resolution="see `saltern history`"))
    return found


def _id_in(file: str) -> str:
    try:
        return str(json.loads(Path(file).read_text())["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            Problem(f"{file} holds no plan: {error}", resolution="write one with `saltern plan --out FILE`")
        ) from error


def _agreed(caller: Caller, made: Plan, *, yes: bool) -> str:
    """The id of a plan that somebody agreed to; raises UsageError where nobody can be asked."""
    if made.is_empty or yes:
        if not caller.json and not made.is_empty:
            rollout_report.planned(caller, made)
        return made.id
    if caller.json or not sys.stdin.isatty():
        raise UsageError(
            Problem("nobody can be asked whether to go on", resolution="give --yes, or a plan: `saltern apply FILE`")
        )
    rollout_report.planned(caller, made)
    click.confirm("Carry this out?", abort=True, err=True)
    return made.id
