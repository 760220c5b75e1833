"""``saltern host``: machines that run guests, emptied and taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from saltern.base.errors import ExitCode
from saltern.cli.context import Caller, common_options, examples
from saltern.cli.report import print_json, print_table
from saltern.ops.hosts import Guest, Host
from saltern.project import hosting
from saltern.project.hosting import GUESTS, REASON, TIMEOUT, Order, Worked

timeout_option: Callable[[Any], Any] = click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(1),
    default=TIMEOUT,
    show_default=True,
    help="How long each guest is waited for.",
)


@click.group("host")
def host_group() -> None:
    """Empty a node that runs guests before somebody works on it, and take it back.

    \b
    Examples:
      saltern host list               nodes with guests, and how many each has
      saltern host drain compute      no new guests come there, and those that run there move away
      saltern host return compute     it gets guests again
    """


@host_group.command(
    "drain",
    epilog=examples(
        "saltern host drain compute",
        "saltern host drain compute --guests stop --reason 'another disk'",
        "saltern host drain compute --guests leave --json",
    ),
)
@click.argument("node")
@click.option(
    "--guests",
    type=click.Choice(GUESTS),
    default=GUESTS[0],
    show_default=True,
    help="migrate: they move to other nodes while they run. stop: they are shut down. leave: they run on.",
)
@click.option("--reason", metavar="TEXT", default=REASON, show_default=True, help="Kept by the service, for others.")
@timeout_option
@common_options
def drain_command(caller: Caller, node: str, guests: str, reason: str, timeout: int) -> None:
    """Let no new guest come to NODE, then migrate or stop the guests that run there.

    Where they shall migrate and nothing else is enabled and up, nothing is changed. What cannot be done with a guest
    is told and the rest goes on; it returns 10 then. A second time it goes on with what is left.
    """
    _worked(caller, hosting.drain(caller.project(), node, Order(guests, reason, timeout)))


@host_group.command("return", epilog=examples("saltern host return compute", "saltern host return compute --json"))
@click.argument("node")
@timeout_option
@common_options
def return_command(caller: Caller, node: str, timeout: int) -> None:
    """Let guests come to NODE again, and start those that `saltern host drain` stopped there.

    What migrated away stays where it is. Returns 10 when a guest does not start.
    """
    _worked(caller, hosting.take_back(caller.project(), node, timeout))


@host_group.command("list", epilog=examples("saltern host list", "saltern host list --json"))
@common_options
def list_command(caller: Caller) -> None:
    """List the machines that run guests, as the service knows them that is in charge of them."""
    found = hosting.list_hosts(caller.project())
    if caller.json:
        print_json(caller, [{"node": one.node, **asdict(one.host)} for one in found])
        return
    rows = [(one.node or "-", one.host.host, *_state(one.host)) for one in found]
    print_table(caller, ("node", "host", "status", "state", "guests", "running", "reason"), rows)


def _state(host: Host) -> tuple[str, ...]:
    enabled, up = "enabled" if host.enabled else "disabled", "up" if host.up else "down"
    return enabled, up, str(host.guests), str(host.running), host.reason


def _worked(caller: Caller, done: Worked) -> None:
    if caller.json:
        said = {"node": done.node, "host": asdict(done.host), "guests": [asdict(one) for one in done.guests]}
        print_json(caller, {**said, "complete": done.complete})
    else:
        if done.guests:
            columns = ("guest", "id", "done", "status", "host", "took", "problem")
            print_table(caller, columns, [_row(one) for one in done.guests])
            caller.stdout.print()
        caller.stdout.print(_sentence(done))
    if not done.complete:
        caller.exit(ExitCode.ROLLOUT)


def _row(one: Guest) -> tuple[str, ...]:
    return one.guest, one.id, one.did, one.status, one.host, f"{one.seconds:.1f} s", one.problem


def _sentence(done: Worked) -> str:
    host = done.host
    status = "enabled" if host.enabled else f"disabled ({host.reason})"
    return f"{done.node} is {status}; {host.running} of its {host.guests} guests run"
