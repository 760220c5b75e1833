"""``saltern operate``: follows a branch of the model's repository."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from saltern.base.errors import ExitCode, Problem, SalternError, UsageError
from saltern.cli.context import Caller, branch_options, examples
from saltern.cli.problems import print_error
from saltern.cli.report import print_json
from saltern.plan.following import State, Status
from saltern.project import operating
from saltern.project.following import Branch
from saltern.rollout.kubernetes.engine import PODS

UNITS = {"s": 1, "m": 60, "h": 3600}


@click.command(
    "operate",
    epilog=examples(
        "saltern operate --repository ssh://git@git.example/cloud.git --branch main",
        "saltern operate --repository . --branch main --once --json",
        "saltern operate --repository ../cloud --branch main --interval 2m",
        "saltern operate --repository ../cloud --branch main --manifests access",
        "saltern operate --repository ssh://git@git.example/cloud.git --manifests operate --image "
        "registry.example/saltern:0.1",
        "kubectl -n kube get configmap saltern-operate -o yaml",
        "kubectl -n kube annotate --overwrite configmap saltern-operate-approval saltern.io/approve=PLAN",
    ),
)
@click.option("--repository", metavar="URL", required=True, help="The model's repository: what git takes, or a path.")
@click.option("--branch", "name", metavar="NAME", default="main", show_default=True, help="The branch to follow.")
@click.option("--folder", metavar="PATH", default="", help="Where in the repository the model is. Default: its top.")
@click.option("--interval", metavar="TIME", default="30s", show_default=True, help="Between two looks: 30s, 5m, 1h.")
@click.option("--once", is_flag=True, help="Look once, do what is to be done, and end. Returns 10 where that failed.")
@click.option(
    "--manifests",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the account with the rights that it needs into DIR, and end.",
)
@click.option("--image", metavar="IMAGE", default="", help="With --manifests: also write what runs this image there.")
@branch_options
def operate_command(
    caller: Caller, *, interval: str, once: bool, manifests: Path | None, image: str, **where: str
) -> None:
    """Follow a branch: plan each new commit, and apply what `operate` in its saltern.yml allows, or somebody approved.

    Runs on any machine that has git, kubectl and podman or docker, or with --engine pods in the cluster itself, with
    images that were pushed; of several one works, and the others wait. Where it stands is in the ConfigMap
    saltern-operate of the cloud's namespace. A plan that the policy does not allow waits for an annotation of
    saltern-operate-approval with its id. What failed is not tried again until the branch or the annotation changes.
    """
    opener = caller.opener()
    branch = Branch(caller.runner, where["repository"], where["name"], caller.cache, where["folder"])
    if manifests is not None:
        words = ("operate", "--repository", where["repository"], "--branch", where["name"], "--folder", where["folder"])
        strict = ("--strict",) if caller.strict else ()
        more = ("--interval", interval, "--engine", PODS, "--progress", "plain", *strict)
        written = operating.write_account(branch, opener, manifests, image, (*words, *more))
        if caller.json:
            print_json(caller, {"folder": str(manifests), "files": list(written)})
        else:
            caller.stdout.print(f"{manifests}: {', '.join(written)}")
        return
    pace = operating.Pace(_seconds(interval), once)
    status = operating.operate(branch, opener, lambda one: _tell(caller, one), Warner(caller), pace)
    if status.state is State.FAILED:
        caller.exit(ExitCode.ROLLOUT)


def _tell(caller: Caller, status: Status) -> None:
    """One line for each status, on stdout."""
    if caller.json:
        caller.stdout.file.write(json.dumps(asdict(status), sort_keys=True) + "\n")
        caller.stdout.file.flush()
        return
    at = datetime.now(UTC).isoformat(timespec="seconds")
    plan = f" plan {status.plan} ({status.kinds})" if status.plan and status.kinds else ""
    said = f": {status.message}" if status.message else ""
    caller.stdout.print(f"{at} {status.state} commit {status.commit[:12]}{plan}{said}", soft_wrap=True)


class Warner:
    """Shows what is tried again; what is said again and again, as by one that only waits, is shown once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._last = ""

    def __call__(self, error: SalternError) -> None:
        """Show an error on stderr."""
        if str(error) != self._last:
            print_error(self._caller.stderr, error, as_json=self._caller.json)
        self._last = str(error)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smh])", text)
    if found is None:
        raise UsageError(Problem(f"{text!r} is no time", resolution="write 30s, 5m or 1h"))
    return float(int(found[1]) * UNITS[found[2]])
