"""What runs now: containers, volumes, addresses and done jobs, compared with what was rendered."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Collection, Mapping

from saltern.base.store import canonical, digest
from saltern.images.engine import Container
from saltern.plan.revision import Revision
from saltern.plan.steps import Act, Running, Steps, Taken, plan_up
from saltern.project.configuring import ANSWER
from saltern.project.context import Project
from saltern.project.rendering import Rendered
from saltern.rollout import delivery
from saltern.rollout.journal import Journal, lost
from saltern.targets.compose import (
    LABEL_CLOUD,
    LABEL_HASH,
    LABEL_PUBLISH,
    LABEL_RELOAD,
    LABEL_ROLE,
    container_name,
)
from saltern.targets.live import identity
from saltern.targets.workload import Workload


def containers(project: Project) -> tuple[Container, ...]:
    """All containers of the cloud, by name."""
    return project.runtime.containers(f"{LABEL_CLOUD}={project.cloud}")


def volumes(project: Project) -> frozenset[str]:
    """The names of all volumes of the cloud."""
    return frozenset(project.runtime.volumes(f"{LABEL_CLOUD}={project.cloud}"))


def processes(there: Collection[Container], taken: Mapping[str, Taken]) -> dict[str, str]:
    """Container → what it was made from and runs with, of the containers that are no jobs; a revision knows it so."""
    return {
        c.name: identity(c.labels.get(LABEL_HASH, ""), taken[c.name].content if c.name in taken else "")
        for c in there
        if c.labels.get(LABEL_ROLE) == "process"
    }


def taken_now(project: Project, there: Collection[Container]) -> dict[str, Taken]:
    """The configuration that running processes took over, as far as it is written down."""
    found = {}
    for container in there:
        folder = project.state / "live" / container.name.removeprefix(f"{project.cloud}-")
        if LABEL_RELOAD in container.labels and (known := delivery.taken(str(folder))) is not None:
            found[container.name] = known
    return found


def fingerprint(running: Running) -> str:
    """Hash of what a plan is made against: which containers there are, of what and in which state, and done jobs."""
    there = [(c.name, c.id, c.labels.get(LABEL_HASH, ""), c.state) for c in running.containers]
    taken = sorted((name, one.content, one.begun) for name, one in running.taken.items())
    return digest(canonical(there), canonical(sorted(running.done)), *([canonical(taken)] if taken else []))[:16]


def journal_of(project: Project) -> Journal:
    """Which jobs are done."""
    return Journal(project.state / "jobs.json")


def running_now(project: Project, rendered: Rendered, journal: Journal) -> Running:
    """What is there; done jobs of a workload whose data is gone, or goes with its container, do not count."""
    there = containers(project)
    present = volumes(project)
    cloud = rendered.cloud
    expected = {w.name: set(rendered.data_of(w).values()) for w in cloud.workloads}
    taken = taken_now(project, there)
    gone = lost(cloud, expected, present, _forgetful(rendered, Running(there, journal.done, taken=taken)))
    jobs = [(name, workload.name) for name, workload in _jobs(rendered) if name in journal.done]
    done = frozenset(name for name, workload in jobs if workload not in gone)
    again = {name: gone[workload] for name, workload in jobs if workload in gone}
    return Running(there, done, again, present, taken)


def lost_data(
    old: Revision | None, wanted: Mapping[str, Collection[str]], running: Running
) -> dict[str, tuple[str, ...]]:
    """Workloads of which volumes with data are gone that ``old``, which ran well, had → their names.

    ``wanted`` are the names that they have by workload. None are where neither a container nor a done job is left: then
    the cloud was taken away with its data.
    """
    if old is None or not (running.containers or running.done or running.again):
        return {}
    had = {name: old.workloads[name].volumes for name in wanted if name in old.workloads}
    gone = {
        name: tuple(v for v in names if v in wanted[name] and v not in running.volumes) for name, names in had.items()
    }
    return {name: names for name, names in gone.items() if names}


def _forgetful(rendered: Rendered, running: Running) -> frozenset[str]:
    """Workloads that get new containers and whose jobs wrote into the old ones, for want of a volume."""
    cloud = rendered.cloud
    changes = plan_up(cloud, rendered.compose, running).changes
    starting = {s.workload for s in changes if s.act in (Act.START, Act.ROLL)}
    return frozenset(
        w.name
        for w in cloud.workloads
        if w.name in starting
        and not any(v.kind == "data" for v in w.volumes)
        and any(job.when == "after" for job in w.jobs)
    )


def _jobs(rendered: Rendered) -> list[tuple[str, Workload]]:
    cloud = rendered.cloud
    return [(container_name(cloud.name, w.job_name(job)), w) for w in cloud.workloads for job in w.jobs]


def job_containers(rendered: Rendered) -> list[str]:
    """The container names of all jobs of a rendered cloud."""
    return [name for name, _ in _jobs(rendered)]


def leaving(running: Running, steps: Steps) -> set[str]:
    """The published addresses of the containers that are removed first."""
    gone = {step.container for step in steps.removals}
    return {address for c in running.containers if c.name in gone for address in published(c)}


def published(container: Container) -> tuple[str, ...]:
    """The addresses of this machine where a container answers."""
    return tuple(p["address"] for p in json.loads(container.labels.get(LABEL_PUBLISH, "[]")))


def is_free(address: str, port: int) -> bool:
    """Whether nothing on this machine listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def forget_old(project: Project, rendered: Rendered) -> None:
    """Remove rendered trees and job folders that nothing mounts any more."""
    used = {mount.source for w in rendered.cloud.workloads for mount in w.config}
    used |= {job.request for w in rendered.cloud.workloads for job in w.jobs}
    for kind in ("config", "jobs"):
        for folder in (project.state / kind).glob("*/*"):
            tree = str(folder).removesuffix(ANSWER)
            if any(source == tree or source.startswith(f"{tree}/") for source in used):
                continue
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.unlink()
    delivery.forget(project.state / "live", tuple(delivery.kept(rendered.cloud)))
