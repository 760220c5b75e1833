"""The ``saltern`` command. Options and exit codes live here; the work is in ``saltern.project``."""

from __future__ import annotations

import gc
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from saltern import __version__
from saltern.base.errors import ExitCode, Problem, SalternError, UsageError
from saltern.cli import report
from saltern.cli.backup import backup_group, restore_command
from saltern.cli.bundle import bundle_group
from saltern.cli.check import check_command
from saltern.cli.context import ALL_TARGETS, Caller, common_options, examples, rollout_options
from saltern.cli.explain import explain_command
from saltern.cli.formulas import formulas_group
from saltern.cli.host import host_group
from saltern.cli.inventory import inventory_group
from saltern.cli.inventory_diff import diff_command
from saltern.cli.monitoring import monitoring_command
from saltern.cli.operate import operate_command
from saltern.cli.patches import affected_command, outdated_command
from saltern.cli.problems import print_error
from saltern.cli.pruning import prune_command
from saltern.cli.registry import registry_group
from saltern.cli.render import render_command
from saltern.cli.rollouts import apply_command, history_command, plan_command, rollback_command
from saltern.cli.secret import secret_group
from saltern.cli.terminal import stderr_console
from saltern.cli.uses import uses_command
from saltern.project import applying, building, drifting, running, showing
from saltern.project.planning import Asked


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="saltern")
def cli() -> None:
    """Run an OpenStack private cloud from one source of truth.

    A model (a git repository of YAML, in reclass's layout) says what the cloud is; Salt formulas say how each service
    is installed and configured. Saltern compiles the two into container images and a running cloud.

    \b
    Examples:
      saltern up                      build what is missing and bring the cloud up
      saltern plan                    what a change of the model would do to the running cloud
      saltern apply                   carry that out, behind gates and with a way back
      saltern status                  what runs, and where it answers
      saltern show keystone           what becomes of each state of a node, and why
      saltern exec db -- mysql -e …   run a command where a service runs
      saltern down                    take the cloud down; its data stays
    """


@cli.command("show", epilog=examples("saltern show keystone", "saltern show keystone --json"))
@click.argument("node")
@common_options
def show_command(caller: Caller, node: str) -> None:
    """Show what becomes of each state of NODE: its phase, and why; then what the node talks to."""
    report.shown(caller, showing.show(caller.project(targets=ALL_TARGETS), node))


@cli.command("build", epilog=examples("saltern build", "saltern build keystone glance"))
@click.argument("nodes", nargs=-1)
@common_options
def build_command(caller: Caller, nodes: tuple[str, ...]) -> None:
    """Build the images of NODES (default: all) that neither the registry nor the engine has."""
    report.built(caller, building.build(caller.project(targets=ALL_TARGETS), nodes))


@cli.command("push", epilog=examples("saltern push", "saltern push keystone"))
@click.argument("nodes", nargs=-1)
@common_options
def push_command(caller: Caller, nodes: tuple[str, ...]) -> None:
    """Build the images of NODES (default: all) and send them to the registry of saltern.yml."""
    report.pushed(caller, building.push(caller.project(targets=ALL_TARGETS), nodes))


@cli.command("up", epilog=examples("saltern up", "saltern up --engine docker", "saltern up --json --progress json"))
@click.option("--verify/--no-verify", default=True, show_default=True, help="Prove with real requests that it works.")
@rollout_options
def up_command(caller: Caller, verify: bool) -> None:
    """Build what is missing and bring the cloud up; does nothing where nothing changed."""
    terms = applying.Terms(kind="up", asked=Asked(verify=verify))
    report.brought_up(caller, applying.apply(caller.project(), terms))


@cli.command("status", epilog=examples("saltern status", "saltern status --json", "saltern status --drift --exit-code"))
@click.option("--drift", is_flag=True, help="On Kubernetes: show what somebody changed by hand in the cluster too.")
@click.option("--exit-code", is_flag=True, help="With --drift: return 13 when there is something.")
@rollout_options
def status_command(caller: Caller, drift: bool, exit_code: bool) -> None:
    """Show the cloud's processes, whether they are ready, and their addresses. Returns 10 when one is not ready.

    --drift compares the objects in the cluster with the revision that was reached last; `apply --repair` takes back
    what it shows. Changes of the model are not drift: `plan` shows those.
    """
    if exit_code and not drift:
        raise UsageError(Problem("--exit-code tells of drift", resolution="give --drift as well"))
    project = caller.project()
    drifts = drifting.drift(project) if drift else None
    found = running.status(project)
    report.status(caller, found, drifts)
    if not all(line.ready for line in found.lines):
        caller.exit(ExitCode.ROLLOUT)
    if exit_code and drifts:
        caller.exit(ExitCode.DIFFERENT)


@cli.command("verify", epilog=examples("saltern verify", "saltern verify glance"))
@click.argument("nodes", nargs=-1)
@rollout_options
def verify_command(caller: Caller, nodes: tuple[str, ...]) -> None:
    """Prove with real requests that the services of NODES (default: all) work, with images of the model as it is."""
    report.verified(caller, running.verify(caller.project(), nodes))


@cli.command("down", epilog=examples("saltern down", "saltern down --volumes"))
@click.option("--volumes", is_flag=True, help="Remove the cloud's data too.")
@common_options
def down_command(caller: Caller, volumes: bool) -> None:
    """Stop and remove the cloud's containers and network; its data stays unless --volumes is given."""
    report.taken_down(caller, running.down(caller.project(), data=volumes))


@cli.command("logs", epilog=examples("saltern logs keystone", "saltern logs keystone --tail 100"))
@click.argument("service")
@click.option("--tail", default=50, show_default=True, type=click.IntRange(1), help="How many lines.")
@common_options
def logs_command(caller: Caller, service: str, tail: int) -> None:
    """Show what SERVICE wrote: a node, NODE-SERVICE where a node has several, or a job that failed."""
    report.logs(caller, running.logs(caller.project(), service, tail))


@cli.command(
    "exec",
    epilog=examples(
        "saltern exec mariadb -- mysqladmin status",
        "saltern exec rabbitmq -- rabbitmqctl list_queues",
        "saltern exec glance -- cat /etc/glance/glance-api.conf > glance-api.conf",
        "saltern exec keystone --json -- id",
    ),
)
@click.argument("service")
@click.argument("command", nargs=-1, required=True)
@common_options
def exec_command(caller: Caller, service: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in the container of SERVICE, as the user of its process; on Kubernetes in one of its pods.

    Returns the command's own exit code. Its stdin is empty, and it has no terminal. Write -- before it.
    """
    target = None if caller.json else sys.stdout.buffer
    done = running.execute(caller.project(), service, command, target)
    if caller.json:
        report.executed(caller, done)
    else:
        click.echo(done.stderr, err=True, nl=False)
    raise click.exceptions.Exit(done.returncode)


@cli.command("completion", epilog=examples('eval "$(saltern completion bash)"'))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script for SHELL."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - needed by this verb alone

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(cli, {}, "saltern", "_SALTERN_COMPLETE").source())


cli.add_command(backup_group)
cli.add_command(bundle_group)
cli.add_command(check_command)
cli.add_command(formulas_group)
cli.add_command(host_group)
inventory_group.add_command(diff_command)
cli.add_command(inventory_group)
cli.add_command(explain_command)
cli.add_command(monitoring_command)
cli.add_command(prune_command)
cli.add_command(registry_group)
cli.add_command(render_command)
cli.add_command(restore_command)
cli.add_command(secret_group)
cli.add_command(uses_command)
cli.add_command(outdated_command)
cli.add_command(affected_command)
cli.add_command(plan_command)
cli.add_command(apply_command)
cli.add_command(rollback_command)
cli.add_command(history_command)
cli.add_command(operate_command)


def collect_rarely() -> None:
    """Look for cycles less often: a command makes many values that all live until it ends, and has few cycles."""
    gc.set_threshold(50_000, 20, 50)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with a code of :class:`~saltern.base.errors.ExitCode`."""
    words = list(sys.argv[1:] if argv is None else argv)
    own = words[: words.index("--")] if "--" in words else words  # what follows is of another command
    collect_rarely()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _on_sigterm)
    sys.exit(_guarded(lambda: cli.main(words, prog_name="saltern", standalone_mode=False), own))


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _guarded(run: Callable[[], Any], words: Sequence[str]) -> int:
    console = stderr_console()
    try:
        code = run()
    except SalternError as error:
        if "--debug" in words:
            traceback.print_exc()
        print_error(console, error, as_json="--json" in words)
        return int(error.code)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        if "--json" in words:
            print_error(console, UsageError(Problem(error.format_message())), as_json=True)
        else:
            error.show()
        return int(ExitCode.USAGE)
    except (KeyboardInterrupt, click.Abort):
        console.print("interrupted; the next run goes on from here")
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        console.print(
            f"saltern has a defect: {type(error).__name__}: {error}\n  do: run again with --debug, and report it"
        )
        return int(ExitCode.BUG)
    return int(code) if isinstance(code, int) else int(ExitCode.OK)
