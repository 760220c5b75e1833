"""Putting a backup back: what uses the data is stopped, its volumes get the data, and the next ``up`` goes on.

Jobs of what was put back, and of what needs it, run again: they are safe to repeat, leave restored data alone, and
bring it to what the model says now. A restore that was interrupted leaves a mark, and ``up`` refuses to start services
on half of their data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import BackupError, Problem
from saltern.base.store import write_atomically
from saltern.formulas.backups import Item
from saltern.images.engine import Mount
from saltern.ops.backup import catalogue
from saltern.ops.backup.catalogue import Backup, Kept
from saltern.ops.backup.instance import DataVolume, Instance
from saltern.ops.backup.put_back import Plain, PutBack
from saltern.ops.backup.safe import load
from saltern.project.backing_up import backups_folder, items_of, sweep_left, work_folder
from saltern.project.context import Project
from saltern.project.rendering import Rendered, ledger_of, render_locked
from saltern.project.secrets import hidden
from saltern.project.world import containers, journal_of
from saltern.targets.compose import LABEL_CLOUD, LABEL_WORKLOAD, container_name
from saltern.targets.workload import Cloud, Workload

MARK = "restoring.json"


@dataclass(frozen=True)
class Choice:
    """What is to be put back: a backup, and the nodes of it (short names, in the order in which they were taken)."""

    backup: Backup
    workloads: tuple[str, ...]

    @property
    def items(self) -> tuple[Kept, ...]:
        """The items of these nodes."""
        return tuple(item for item in self.backup.items if item.workload in self.workloads)


@dataclass(frozen=True)
class Restored:
    """What was put back, and the containers that were removed for it; ``saltern up`` makes them again."""

    choice: Choice
    stopped: tuple[str, ...]
    warnings: tuple[Problem, ...] = ()
    """Of data that another image describes in other words."""


def choose(project: Project, words: Sequence[str]) -> Choice:
    """Read ``[BACKUP] [NODES]``: the newest backup where the first word is a node, all its nodes where none is named.

    Raises BackupError for a backup that there is not, that does not have these nodes, or whose files are damaged.
    """
    nodes = {member.name: member.name for member in project.members}
    nodes |= {member.node.name: member.name for member in project.members}
    name, names = (catalogue.LATEST, words) if not words or words[0] in nodes else (words[0], words[1:])
    found = catalogue.find(backups_folder(project), name)
    wanted = {project.member(one).name for one in names} or set(found.workloads)
    if missing := sorted(wanted - set(found.workloads)):
        raise BackupError(
            Problem(
                f"the backup {found.name} has nothing of {', '.join(missing)}",
                resolution=f"it has {', '.join(found.workloads)}; other backups: `saltern backup list`",
            )
        )
    if problems := catalogue.damage(found, wanted, thorough=True):
        raise BackupError(problems)
    return Choice(found, tuple(one for one in found.workloads if one in wanted))


def restore(project: Project, choice: Choice) -> Restored:
    """Put data back in the place of what the volumes hold; nothing is touched before all of it could be decrypted.

    Raises BackupError, SecretError (a wrong key) or what rendering the model raises.
    """
    with project.locked():
        project.sweep()
        sweep_left(project)
        work = work_folder(project)
        try:
            plain = {kept.name: _plain(project, choice.backup.folder, kept, work) for kept in choice.items}
            rendered = render_locked(project)
            return restore_rendered(project, rendered, choice, _matched(rendered, choice, plain))
        finally:
            shutil.rmtree(work, ignore_errors=True)


def restore_rendered(
    project: Project, rendered: Rendered, choice: Choice, todo: Mapping[str, Mapping[Item, Plain]]
) -> Restored:
    """Stop what uses the data, forget its jobs, and put the items of each node back."""
    affected = with_caches(rendered.cloud, dependents(rendered.cloud, choice.workloads))
    _mark(project, {*_marked(project), *choice.workloads}, choice.backup.name)
    stopped = tuple(c.name for c in containers(project) if c.labels.get(LABEL_WORKLOAD) in affected)
    runtime = project.runtime if rendered.units is None else project.cluster.with_claims(rendered.units.claims)
    runtime.remove_containers(stopped)
    journal_of(project).keep(_other_jobs(rendered.cloud, affected))
    _forget_upgrades(project, affected)
    workloads = {workload.name: workload for workload in rendered.cloud.workloads}
    present = runtime.volumes(f"{LABEL_CLOUD}={rendered.cloud.name}")
    warnings: list[Problem] = []
    with hidden(rendered.revealer.values):
        for name, items in todo.items():
            runtime.remove_volumes(rendered.outdated(workloads[name], present))
            warnings += PutBack(runtime, project.emit).put(_instance(rendered, workloads[name]), items)
    _mark(project, _marked(project) - set(choice.workloads), choice.backup.name)
    return Restored(choice, stopped, tuple(warnings))


def dependents(cloud: Cloud, names: Collection[str]) -> frozenset[str]:
    """The named workloads and all that need one of them, however far away."""
    found = set(names)
    for wave in cloud.ordered():
        found |= {workload.name for workload in wave if any(need in found for need in workload.needs)}
    return frozenset(found)


def with_caches(cloud: Cloud, names: Collection[str]) -> frozenset[str]:
    """These workloads, and those without data that they talk to: what a cache remembers is of the data before."""
    asked = {need for workload in cloud.workloads if workload.name in names for need in workload.needs}
    keepers = {w.name for w in cloud.workloads if w.balancer or any(volume.kind == "data" for volume in w.volumes)}
    return frozenset(names) | (asked - keepers)


def refuse_half_restored(project: Project) -> None:
    """Raise a BackupError when a restore was interrupted: its volumes may hold half of their data."""
    if marked := _marked(project):
        names = ", ".join(sorted(marked))
        raise BackupError(
            Problem(
                f"a restore was interrupted: the data of {names} may be half there",
                (),
                resolution="run `saltern restore` again, or begin anew with `saltern down --volumes`",
            )
        )


def forget_restore(project: Project) -> None:
    """Remove the mark of an interrupted restore: the volumes are gone."""
    (project.state / MARK).unlink(missing_ok=True)


def _marked(project: Project) -> set[str]:
    try:
        return set(json.loads((project.state / MARK).read_text())["workloads"])
    except FileNotFoundError:
        return set()


def _mark(project: Project, workloads: Collection[str], backup: str) -> None:
    if workloads:
        text = json.dumps({"backup": backup, "workloads": sorted(workloads)})
        write_atomically(project.state / MARK, text.encode())
    else:
        forget_restore(project)


def _matched(rendered: Rendered, choice: Choice, plain: Mapping[str, Plain]) -> dict[str, dict[Item, Plain]]:
    """The items of each node as the model has them now, with what the backup has of each."""
    known = items_of(rendered.compiled)
    problems = list(_unknown(known, choice))
    if problems:
        raise BackupError(problems)
    return {
        name: {item: plain[f"{name}/{item.name}"] for item in items if f"{name}/{item.name}" in plain}
        for name, items in known.items()
        if name in choice.workloads
    }


def _unknown(known: Mapping[str, Sequence[Item]], choice: Choice) -> Iterator[Problem]:
    for kept in choice.items:
        if kept.item not in (item.name for item in known.get(kept.workload, ())):
            yield Problem(
                f"the backup {choice.backup.name} has {kept.name}, and the model says no more how it is put back",
                details=f"it was made of revision {choice.backup.revision or 'unknown'} of the model",
                resolution="take the model of that time, or name the nodes that you want",
            )


def _plain(project: Project, folder: Path, kept: Kept, work: Path) -> Plain:
    """The files of an item, decrypted into the work folder."""
    data, digest = work / kept.name.replace("/", "-"), work / "digest"
    load(folder / kept.file, data, project.identities)
    load(folder / kept.digest_file, digest, project.identities)
    return Plain(data, tuple(digest.read_text("utf-8").split("\n")[:-1]), kept.image)


def _instance(rendered: Rendered, workload: Workload) -> Instance:
    """The node as the model has it now: the image and the configuration that it is going to start with."""
    names = rendered.data_of(workload)
    return Instance(
        rendered.cloud.name,
        workload.name,
        workload.node,
        workload.image,
        tuple(DataVolume(v.name, names[v.name], v.path) for v in workload.volumes if v.name in names),
        tuple(Mount(mount.source, mount.target) for mount in workload.config),
        hostname=workload.hostname(),
    )


def _forget_upgrades(project: Project, affected: Collection[str]) -> None:
    """What was done to the schema of data that is replaced was not done to what replaces it."""
    ledger = ledger_of(project)
    for key in ledger.upgrades:
        if key.partition("/")[0] in affected:
            ledger.forget(key)


def _other_jobs(cloud: Cloud, affected: Collection[str]) -> list[str]:
    """The containers' names of the jobs that stay done."""
    others = (workload for workload in cloud.workloads if workload.name not in affected)
    return [container_name(cloud.name, w.job_name(job)) for w in others for job in w.jobs]
