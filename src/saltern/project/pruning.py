"""Data that nothing of the cloud uses any more: volumes of instances in whose place a fresh one came."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from saltern.images.engine import Container
from saltern.project.context import Project
from saltern.project.generations import number_of, workload_of
from saltern.project.rendering import Rendered, ledger_of, render_locked
from saltern.project.world import containers
from saltern.rollout.ledger import Ledger
from saltern.targets.compose import LABEL_CLOUD
from saltern.targets.workload import Workload


def prunable(project: Project) -> tuple[str, ...]:
    """The names in the engine of the volumes that :func:`prune` would remove. Raises any SalternError."""
    with project.locked():
        project.sweep()
        return left_over(project, render_locked(project), ledger_of(project), containers(project))


def prune(project: Project, volumes: Collection[str]) -> tuple[str, ...]:
    """Remove those of these volumes that still are left over; their names."""
    with project.locked():
        project.sweep()
        found = left_over(project, render_locked(project), ledger_of(project), containers(project))
        gone = tuple(name for name in found if name in volumes)
        project.runtime.remove_volumes(gone)
        return gone


def left_over(project: Project, rendered: Rendered, ledger: Ledger, there: Collection[Container]) -> tuple[str, ...]:
    """Volumes with data of instances that do not count any more and of which no container is there, by name."""
    kept = {(workload_of(container), number_of(container)) for container in there}
    names = {name for workload in rendered.cloud.workloads for name in _others(rendered, workload, ledger, kept)}
    if not names:
        return ()
    used = {mount.source for container in there for mount in container.mounts}
    return tuple(name for name in project.runtime.volumes(f"{LABEL_CLOUD}={project.cloud}") if name in names - used)


def _others(rendered: Rendered, workload: Workload, ledger: Ledger, kept: Collection[tuple[str, int]]) -> Iterator[str]:
    """What the volumes of a workload's other instances are called, but for those ``kept``: they may be the way back."""
    for number in range(1, ledger.next(workload.name)):
        if number != workload.generation and (workload.name, number) not in kept:
            yield from rendered.data_of(replace(workload, generation=number)).values()


def left_note(volumes: Collection[str]) -> str:
    """What a plan says of them."""
    return f"data of instances that were replaced is still there ({', '.join(volumes)}): `saltern prune` removes it"
