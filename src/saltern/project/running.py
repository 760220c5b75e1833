"""The running cloud: show it, prove it, take it down."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Problem, RolloutError, UsageError
from saltern.formulas.metadata import Probe
from saltern.images.engine import Container
from saltern.project import recording
from saltern.project.context import Project
from saltern.project.proving import Proof, Prover, prove_all
from saltern.project.rendering import ledger_of, render_locked
from saltern.project.restoring import forget_restore
from saltern.project.secrets import hidden
from saltern.project.world import containers, journal_of, volumes
from saltern.rollout.kubernetes.prune import prune
from saltern.rollout.probe import try_probe
from saltern.rollout.rollouts import Past
from saltern.targets.compose import (
    LABEL_CLOUD,
    LABEL_PROBE,
    LABEL_PUBLISH,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    container_name,
)


@dataclass(frozen=True)
class Line:
    """One process of the running cloud. ``why`` says why it is not ready."""

    service: str
    workload: str
    state: str
    ready: bool
    why: str
    image: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Down:
    """What ``down`` removed."""

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """The cloud's processes, and the newest of its rollouts."""

    lines: tuple[Line, ...]
    newest: Past | None


def status(project: Project) -> Status:
    """All processes of the cloud, each probed once, and what the newest rollout came to."""
    pasts = recording.rollouts(project, at_work=project.is_locked())
    lines = status_of(project)
    missing = _missing(project, {line.service for line in lines}) if lines else ()
    return Status(tuple(sorted((*lines, *missing), key=lambda one: one.service)), pasts[0] if pasts else None)


def _missing(project: Project, there: Collection[str]) -> Iterator[Line]:
    """The processes of the revision that was reached last whose containers are gone, and with them perhaps their data.

    While a newer one is on its way, only what that has as well.
    """
    present = volumes(project)
    for service, record in recording.expected(project).items():
        if service not in there:
            gone = [name for name in record.volumes if name not in present]
            data = f", and its data: there is no volume {', '.join(gone)}" if gone else ""
            why = f"its container is gone{data}"
            yield Line(service, record.name, "missing", ready=False, why=why, image=record.image, addresses=())


def status_of(project: Project) -> tuple[Line, ...]:
    """All processes of the cloud, each probed once; empty when it is down."""
    found = [c for c in containers(project) if c.labels.get(LABEL_ROLE) == "process"]
    return tuple(_line(project, container) for container in found)


def _line(project: Project, container: Container) -> Line:
    why = project.cluster.unready(container.name) if project.in_cluster else _unready(project, container)
    published = json.loads(container.labels.get(LABEL_PUBLISH, "[]"))
    addresses = tuple(f"{p['name']} {p['address']}".strip() for p in published)
    service = container.name.removeprefix(f"{project.cloud}-")
    return Line(
        service, container.labels.get(LABEL_WORKLOAD, ""), container.state, not why, why, container.image, addresses
    )


def _unready(project: Project, container: Container) -> str:
    """Why a container of this machine is not ready; "" when it is."""
    if container.state != "running":
        return f"is {container.state} (exit code {container.exit_code})"
    if LABEL_PROBE not in container.labels:
        return ""
    raw = json.loads(container.labels[LABEL_PROBE])
    probe = Probe(**{**raw, "command": tuple(raw["command"])})
    return try_probe(project.engine, container.name, container.address, probe)


def verify(project: Project, names: Sequence[str] = ()) -> tuple[Proof, ...]:
    """Make the checks of the named nodes (default: all) against the live cloud; raises RolloutError."""
    with project.locked():
        project.sweep()
        rendered = render_locked(project)
        wanted = {project.member(name).name for name in names} or {w.name for w in rendered.cloud.workloads}
        up_now = {c.labels.get(LABEL_WORKLOAD) for c in containers(project) if c.state == "running"}
        chosen = [w for w in rendered.cloud.workloads if w.name in wanted]
        down_now = sorted(w.name for w in chosen if w.processes and w.name not in up_now)
        if down_now:
            raise RolloutError(Problem(f"not running: {', '.join(down_now)}", resolution="run `saltern up`"))
        with hidden(rendered.revealer.values):
            return prove_all(Prover(project, rendered), chosen)


def logs(project: Project, service: str, tail: int) -> str:
    """The last lines of a service's container; raises UsageError when there is none of that name."""
    name = container_name(project.cloud, service)
    known = {c.name: c for c in containers(project)}
    if name not in known:
        names = ", ".join(n.removeprefix(f"{project.cloud}-") for n in sorted(known)) or "none, the cloud is down"
        raise UsageError(Problem(f"there is no container of {service!r}", resolution=f"there are: {names}"))
    return project.runtime.logs(name, tail=tail)


def down(project: Project, *, data: bool = False) -> Down:
    """Remove the cloud's containers and network, with ``data`` its volumes and all of its state here too."""
    runtime = project.runtime
    with project.locked():
        project.sweep()
        label = f"{LABEL_CLOUD}={project.cloud}"
        gone_containers = tuple(c.name for c in containers(project))
        runtime.remove_containers(gone_containers)
        if project.in_cluster:
            prune(project.cluster, ())
        networks = runtime.networks(label)
        runtime.remove_networks(networks)
        gone = runtime.volumes(label) if data else ()
        runtime.remove_volumes(gone)
        if data:
            journal_of(project).keep(())
            ledger_of(project).clear()
            for kind in ("config", "jobs", "images", "live"):
                shutil.rmtree(project.state / kind, ignore_errors=True)
            Path(project.state / "compose.yaml").unlink(missing_ok=True)
            forget_restore(project)
        return Down(gone_containers, networks, gone)
