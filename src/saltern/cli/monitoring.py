"""``saltern monitoring``: files for an operator's own Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

import click

from saltern.base.errors import Problem, UsageError
from saltern.cli.context import ALL_TARGETS, Caller, common_options, examples
from saltern.cli.report import counted, print_json
from saltern.project.monitoring import Written, watch

ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]+)")
HIGHEST_PORT = 65535


@click.command(
    "monitoring",
    epilog=examples(
        "saltern monitoring prometheus",
        "saltern monitoring prometheus --blackbox blackbox:9115",
        "saltern monitoring prometheus --model examples/ha --json",
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--blackbox",
    metavar="HOST:PORT",
    default="",
    help="Where Prometheus finds a blackbox exporter. Without it, services that have no metrics are left out.",
)
@common_options
def monitoring_command(caller: Caller, folder: Path, blackbox: str) -> None:
    """Write what an operator's own Prometheus takes into DIR: prometheus.yml and rules/FORMULA.yml.

    Targets are the names at which nodes answer inside of the cloud's network. Nothing is built or started, the same
    model gives the same files, and no file has a secret in it.
    """
    if blackbox and not _is_address(blackbox):
        raise UsageError(Problem(f"--blackbox {blackbox!r} is no HOST:PORT", resolution="as in blackbox:9115"))
    _written(caller, watch(caller.project(targets=ALL_TARGETS), folder, blackbox))


def _is_address(text: str) -> bool:
    found = ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[2]) <= HIGHEST_PORT


def _written(caller: Caller, done: Written) -> None:
    made = done.made
    if caller.json:
        said = {
            "folder": str(done.folder),
            "files": sorted(made.files),
            "removed": list(done.removed),
            "jobs": list(made.jobs),
            "targets": made.targets,
            "rules": made.rules,
            "left_out": {"jobs": list(made.jobs_left_out), "rules": list(made.rules_left_out)},
        }
        print_json(caller, said)
        return
    counts = (counted(len(made.jobs), "job"), counted(made.targets, "target"), counted(made.rules, "rule"))
    caller.stdout.print(f"{done.folder}: {', '.join(counts)}")
    if made.jobs_left_out:
        left = f"{counted(len(made.jobs_left_out), 'job')} and {counted(len(made.rules_left_out), 'rule')}"
        caller.stdout.print(f"{left} are left out, for they need a blackbox exporter: --blackbox HOST:PORT")
