"""Machines that run guests: emptied, taken back, listed by who is in charge of them, as their formulas say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from saltern.base.errors import Problem, RolloutError, UsageError
from saltern.formulas.hosts import Control, Hosted, read_controls, read_hosted
from saltern.ops.backup.instance import sorted_containers
from saltern.ops.hosts import Guest, Host, ask
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project
from saltern.project.world import containers
from saltern.targets.compose import LABEL_PROCESS

REASON = "drained by saltern"
TIMEOUT = 600
"""Seconds for one guest."""
GUESTS = ("migrate", "stop", "leave")


@dataclass(frozen=True)
class Order:
    """How a machine is emptied: ``guests`` is ``migrate``, ``stop`` or ``leave``; ``timeout`` in seconds for each."""

    guests: str = "migrate"
    reason: str = REASON
    timeout: int = TIMEOUT


@dataclass(frozen=True)
class Worked:
    """What was done with the guests of a node, and how it is now."""

    node: str
    host: Host
    guests: tuple[Guest, ...]
    complete: bool


@dataclass(frozen=True)
class Listed:
    """A machine, and the node of the model that it is; "": of none."""

    node: str
    host: Host


def drain(project: Project, name: str, order: Order) -> Worked:
    """Empty a node under the cloud's lock: no rollout replaces its processes below guests that are on their way.

    Raises RolloutError where it did not begin, or ended too early; with which guests it failed stands in the result.
    """
    environment = {"SALTERN_GUESTS": order.guests, "SALTERN_REASON": order.reason}
    return _work(project, name, order.timeout, environment, lambda control: control.drain)


def take_back(project: Project, name: str, timeout: int = TIMEOUT) -> Worked:
    """Let a node have guests again, and start those that :func:`drain` stopped; as there."""
    return _work(project, name, timeout, {}, lambda control: control.take_back)


def list_hosts(project: Project) -> tuple[Listed, ...]:
    """All machines that run guests, by name. Raises UsageError where no node is in charge of any."""
    compiled = compile_members(project)
    nodes = {hosted: one.member.name for one in compiled for hosted in read_hosted(one.metadata)}
    formulas = sorted({control.formula for one in compiled for control in read_controls(one.metadata)})
    if not formulas:
        raise UsageError(Problem("no node is in charge of guests: no formula has a meta/host.yml that says `control`"))
    found = []
    for formula in formulas:
        container, control = _in_charge(project, compiled, formula)
        for host in ask(project.runtime, container, control.listing, {}, project.emit).hosts:
            found.append(Listed(nodes.get(Hosted(formula, host.host), ""), host))
    return tuple(sorted(found, key=lambda one: one.host.host))


def _work(
    project: Project, name: str, timeout: int, more: Mapping[str, str], command: Callable[[Control], tuple[str, ...]]
) -> Worked:
    member = project.member(name)
    compiled = compile_members(project)
    hosted = _hosted(compiled, member.name)
    environment = {"SALTERN_HOST": hosted.name, "SALTERN_TIMEOUT": str(timeout), **more}
    with project.locked():
        container, control = _in_charge(project, compiled, hosted.formula)
        told = ask(project.runtime, container, command(control), environment, project.emit)
    for host in told.hosts:
        if host.host == hosted.name:
            return Worked(member.name, host, told.guests, told.complete)
    raise RolloutError(
        Problem(
            f"the command in {container} told nothing of {hosted.name}",
            resolution=f"correct meta/host.yml of the formula {hosted.formula!r}",
            node=member.node.name,
        )
    )


def _hosted(compiled: Sequence[Compiled], name: str) -> Hosted:
    found = {one.member.name: read_hosted(one.metadata) for one in compiled}
    if found[name]:
        return found[name][0]
    known = ", ".join(node for node in sorted(found) if found[node]) or "none"
    raise UsageError(Problem(f"{name} runs no guests", resolution=f"nodes that do: {known}"))


def _in_charge(project: Project, compiled: Sequence[Compiled], formula: str) -> tuple[str, Control]:
    """A running container in which the commands for a formula's machines run, and these."""
    there = containers(project)
    nodes = []
    for one in compiled:
        for control in read_controls(one.metadata):
            if control.formula == formula:
                nodes.append(one.member.name)
                for container in sorted_containers(there, one.member.name):
                    process = container.labels.get(LABEL_PROCESS)
                    if container.state == "running" and control.process in ("", process):
                        return container.name, control
    if not nodes:
        raise UsageError(Problem(f"no node is in charge of the machines of {formula}"))
    raise RolloutError(Problem(f"not running: {', '.join(nodes)}", resolution="run `saltern up`"))
