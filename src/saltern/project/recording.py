"""Revisions on disk: what each rendered cloud consisted of, so that it can be compared with and brought back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, UsageError
from saltern.base.store import write_atomically
from saltern.images.engine import Container
from saltern.images.packages import PackageLock
from saltern.plan.revision import FileRecord, Revision, WorkloadRecord
from saltern.plan.steps import Running, Taken
from saltern.project import snapshot
from saltern.project.configuring import Configured
from saltern.project.context import Project
from saltern.project.rendering import Rendered
from saltern.project.revision import describe_revision
from saltern.rollout.rollouts import Outcome, Past, history
from saltern.targets.compose import LABEL_GENERATION, LABEL_HASH, LABEL_ROLE, LABEL_WORKLOAD, container_name
from saltern.targets.live import identity, live_of, parted
from saltern.targets.workload import Instance, Workload

KEPT = 20
"""Revisions of that many rollouts are kept, besides the last that ended well."""


def revision_of(project: Project, rendered: Rendered) -> Revision:
    """What was rendered, with a snapshot of what it was rendered from."""
    lock = project.read_packages()
    workloads = {
        workload.name: _record(rendered, workload, one, lock)
        for workload, one in zip(rendered.cloud.workloads, rendered.configured, strict=True)
    }
    formulas = {formula.name: formula.fingerprint() for formula in project.formulas}
    return Revision(workloads, formulas, describe_revision(project)[1], snapshot.take(project))


def _record(rendered: Rendered, workload: Workload, one: Configured, lock: PackageLock) -> WorkloadRecord:
    services = rendered.compose["services"]
    base = one.imaged.compiled.site.base.name
    return WorkloadRecord(
        name=workload.name,
        node=workload.node,
        image=workload.image,
        base=base,
        packages=dict(lock.packages(one.imaged.image.name, base)),
        tree=one.tree,
        files={file.path: FileRecord(file.sha256, file.mode, f"{file.uid}:{file.gid}") for file in one.rendered},
        services={i.service: _identity(workload, i, services) for i in workload.instances()},
        jobs={workload.job_name(job): job.chunks for job in workload.jobs},
        volumes=tuple(sorted(rendered.data_of(workload).values())),
        data_plane=one.imaged.compiled.metadata.data_plane,
    )


def _identity(workload: Workload, one: Instance, services: Mapping[str, Any]) -> str:
    live = live_of(workload, one)
    return identity(services[one.service]["labels"][LABEL_HASH], live.content if live else "")


def save(project: Project, revision: Revision) -> None:
    """Keep a revision; equal ones are one file."""
    path = _path(project, revision.id)
    if not path.exists():
        write_atomically(path, json.dumps(revision.as_json(), indent=1, sort_keys=True).encode())


def load(project: Project, name: str) -> Revision | None:
    """The revision of that id; None where it is not kept, or damaged."""
    try:
        return Revision.of(json.loads(_path(project, name).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def rollouts(project: Project, *, at_work: bool = False) -> tuple[Past, ...]:
    """The cloud's rollouts, newest first."""
    return history(project.state / "rollouts", at_work=at_work)


def known(project: Project) -> tuple[Revision, ...]:
    """The revisions of the rollouts, the newest rollout's first."""
    names = dict.fromkeys(past.target for past in rollouts(project) if past.target)
    return tuple(revision for name in names if (revision := load(project, name)) is not None)


def named(project: Project, name: str) -> Revision:
    """A revision by its id or the start of it, or by the number of a rollout that was to bring it.

    Raises UsageError, with the revisions that there are.
    """
    pasts = rollouts(project)
    targets = [past.target for past in pasts if str(past.number) == name.lstrip("#") or past.target == name]
    if not targets and len(name) >= 4:
        targets = [past.target for past in pasts if past.target.startswith(name)]
    if len(set(targets)) == 1 and (revision := load(project, targets[0])) is not None:
        return revision
    there = ", ".join(f"#{past.number} {past.target}" for past in pasts[:10]) or "none yet"
    raise UsageError(Problem(f"there is no revision {name!r}", resolution=f"known (rollout, revision): {there}"))


def before_last(project: Project) -> Revision | None:
    """Where ``rollback`` goes without more words: what ran before the newest rollout changed anything.

    After a rollout that failed or was killed this is the last one that ended well, else the one before that.
    """
    pasts = rollouts(project)
    if not pasts:
        return None
    newest = pasts[0].target
    found = (past.target for past in pasts[1:] if past.outcome is Outcome.DONE and past.target != newest)
    name = next(found, "")
    return load(project, name) if name else None


def last_good(project: Project) -> Revision | None:
    """The revision that the newest rollout which ended well has brought."""
    name = next((past.target for past in rollouts(project) if past.outcome is Outcome.DONE), "")
    return load(project, name) if name else None


def expected(project: Project) -> dict[str, WorkloadRecord]:
    """Services that should run → what they were made from: the last good revision's that the newest rollout keeps."""
    good, pasts = last_good(project), rollouts(project)
    newest = load(project, pasts[0].target) if pasts else None
    if good is None or newest is None:
        return {}
    kept = {service for record in newest.workloads.values() for service in record.services}
    return {s: record for record in good.workloads.values() for s in record.services if s in kept}


def as_if_running(cloud: str, old: Revision, new: Revision) -> Running:
    """A world in which every container of ``old`` runs and all its jobs are done."""
    there: list[Container] = []
    taken: dict[str, Taken] = {}
    for record in old.workloads.values():
        for service, made in record.services.items():
            name, (hashed, content) = container_name(cloud, service), parted(made)
            labels = {LABEL_WORKLOAD: record.name, LABEL_ROLE: "process", LABEL_HASH: hashed}
            labels |= {LABEL_GENERATION: str(record.generation)} if record.generation > 1 else {}
            there.append(Container("", name, record.image, "running", 0, labels))
            taken |= {name: Taken(content)} if content else {}
    both = {job for r in old.workloads.values() for job in r.jobs} & {j for r in new.workloads.values() for j in r.jobs}
    return Running(tuple(there), frozenset(container_name(cloud, job) for job in both), taken=taken)


def forget(project: Project) -> None:
    """Drop revisions and snapshots that none of the newest rollouts, nor the last good one, was to bring."""
    pasts = rollouts(project)
    good = [*dict.fromkeys(past.target for past in pasts if past.outcome is Outcome.DONE)][:2]
    names = {past.target for past in pasts[:KEPT]} | set(good)
    kept = [revision for name in names if (revision := load(project, name)) is not None]
    _keep_only(project.state / "revisions", {f"{name}.json" for name in names})
    _keep_only(project.state / "snapshots", {f"{revision.snapshot}.tar" for revision in kept})


def _keep_only(folder: Path, names: set[str]) -> None:
    for path in folder.glob("*.*"):
        if path.name not in names:
            path.unlink()


def _path(project: Project, name: str) -> Path:
    return project.state / "revisions" / f"{name}.json"
