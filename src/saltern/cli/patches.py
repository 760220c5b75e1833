"""``saltern outdated`` and ``saltern affected``: what images contain, and what is newer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from saltern.base.errors import ExitCode
from saltern.cli.context import Caller, common_options, examples
from saltern.cli.problems import print_problems
from saltern.cli.report import print_json, print_table
from saltern.ops.affected import Hit
from saltern.ops.contents import Contents
from saltern.ops.outdated import Update
from saltern.project import inspecting

HOUR = 3600.0
FEW = 3
"""So many CVEs are named in the table; --json has all."""


@click.command(
    "outdated",
    epilog=examples(
        "saltern outdated",
        "saltern outdated keystone --security",
        "saltern outdated --tracker tracker.json --json",
        "saltern outdated --security --exit-code",
    ),
)
@click.argument("nodes", nargs=-1)
@click.option("--security", is_flag=True, help="Show security updates only.")
@click.option(
    "--tracker",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Data of Debian's security tracker (its JSON): shows which CVEs an update fixes.",
)
@click.option(
    "--max-age",
    metavar="HOURS",
    type=click.FloatRange(0),
    default=0.0,
    help="Take the package index of the last run when it is not older. Default: ask the mirrors.",
)
@click.option("--exit-code", is_flag=True, help="Return 13 when something is shown.")
@common_options
def outdated_command(
    caller: Caller, nodes: tuple[str, ...], *, security: bool, tracker: Path | None, max_age: float, exit_code: bool
) -> None:
    """Show which packages of the images of NODES (default: all) have newer versions in Debian's package index.

    The mirrors of each image's base are asked, with the base's own apt. A security update is one that comes from a
    security suite, or that fixes what the tracker knows. Images that run although the model asks for others count too.
    """
    found = inspecting.outdated(caller.project(), nodes, tracker, max_age * HOUR)
    updates = [update for update in found.updates if update.security or not security]
    if caller.json:
        print_json(caller, _outdated_json(found, updates))
    else:
        print_problems(caller.stderr, found.unknown, "note", "yellow")
        _print_updates(caller, found, updates)
    if exit_code and updates:
        caller.exit(ExitCode.DIFFERENT)


def _outdated_json(found: inspecting.Outdated, updates: Iterable[Update]) -> dict[str, Any]:
    return {
        "updates": [inspecting.update_as_json(update) for update in updates],
        "images": [_contents_json(one) for one in found.images],
        "suites": [{"base": base, **asdict(suite), "security": suite.is_security} for base, suite in found.suites],
        "unknown": [problem.as_json() for problem in found.unknown],
    }


def _contents_json(one: Contents) -> dict[str, Any]:
    return {
        "image": one.image,
        "tag": one.tag,
        "base": one.base,
        "nodes": list(one.nodes),
        "running": one.running,
        "stale": one.stale,
        "packages": len(one.packages),
        "from": one.origin,
    }


def _print_updates(caller: Caller, found: inspecting.Outdated, updates: list[Update]) -> None:
    packages = sum(len(one.packages) for one in found.images)
    if updates:
        stale = {one.tag for one in found.images if one.stale}
        rows = [_row(update) for update in updates]
        print_table(caller, ("image", "package", "installed", "newest", "suite", ""), rows)
        security = sum(update.security for update in updates)
        counts = f"\n{len(updates)} updates, {security} of them security updates, of {packages} packages"
        caller.stdout.print(f"{counts} in {len(found.images)} images")
        if stale:
            caller.stdout.print(f"Running, though the model asks for others by now: {', '.join(sorted(stale))}")
    else:
        caller.stdout.print(f"Nothing to update: {packages} packages in {len(found.images)} images")


def _row(update: Update) -> tuple[str | Text, ...]:
    marks = [fix.cve for fix in update.fixes[:FEW]]
    if len(update.fixes) > FEW:
        marks.append(f"and {len(update.fixes) - FEW} more CVEs")
    if update.in_base:
        marks.append("(of the base)")
    suite = Text(update.suite, "red" if update.security else "")
    image = f"{update.image} (runs, old)" if update.stale else update.image
    return image, update.package, update.installed, update.newest, suite, " ".join(marks)


@click.command(
    "affected",
    epilog=examples(
        "saltern affected 'openssl<3.0.17'",
        "saltern affected 'source:redis<5:7.0.15-1~deb12u8' --exit-code",
        "saltern affected 'libssl3' 'libgnutls*' --json",
    ),
)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE[<VERSION]...")
@click.option("--exit-code", is_flag=True, help="Return 13 when something contains it.")
@common_options
def affected_command(caller: Caller, packages: tuple[str, ...], *, exit_code: bool) -> None:
    """Show which images and workloads contain a package, at all or in certain versions (< <= = >= >).

    A name may have * and ? in it; source:NAME means everything that is built from a source package, and its version.
    Several questions: what any of them asks for.
    """
    found = inspecting.affected(caller.project(), packages)
    if caller.json:
        unknown = [problem.as_json() for problem in found.unknown]
        print_json(caller, {"affected": [_hit_json(hit) for hit in found.hits], "unknown": unknown})
    else:
        print_problems(caller.stderr, found.unknown, "note", "yellow")
        if found.hits:
            rows = [_hit_row(hit) for hit in found.hits]
            print_table(caller, ("image", "package", "version", "source", "workloads", ""), rows)
        else:
            caller.stdout.print("Nothing contains it.")
    if exit_code and found.hits:
        caller.exit(ExitCode.DIFFERENT)


def _hit_json(hit: Hit) -> dict[str, Any]:
    one = hit.contents
    return {
        "question": hit.question,
        **asdict(hit.package),
        **_contents_json(one),
        "in_base": hit.package.name in one.own,
    }


def _hit_row(hit: Hit) -> tuple[str, ...]:
    one = hit.contents
    state = "runs, the model asks for another image" if one.stale else "runs" if one.running else ""
    source = f"{hit.package.source} {hit.package.source_version}".strip()
    return one.image, hit.package.name, hit.package.version, source, ", ".join(one.nodes), state
