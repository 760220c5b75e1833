"""Backups of the running cloud: taken from what runs, whatever the model says by now, and proven before they count.

A rollout takes one before it changes a schema (:func:`backup_locked`). Putting one back is :mod:`.restoring`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from saltern.base.errors import BackupError, Problem, SalternError, UsageError
from saltern.formulas.backups import Item, read_items
from saltern.images.engine import Container, Mount
from saltern.ops.backup import catalogue
from saltern.ops.backup.catalogue import Backup, Kept
from saltern.ops.backup.instance import DataVolume, Instance, sorted_containers
from saltern.ops.backup.instance import sweep as sweep_volumes
from saltern.ops.backup.safe import disk_errors, parse_recipients
from saltern.ops.backup.take import Taker
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project
from saltern.project.rendering import needs_of
from saltern.project.revision import describe_revision
from saltern.targets.compose import LABEL_CLOUD

FOLDER = "backups"
WORK = ".backup-"
"""How the private folders of plain data begin."""
TIME = "%Y-%m-%dT%H-%M-%SZ"
TIME_LENGTH = len("2026-01-31T12-00-00Z")


def backups_folder(project: Project) -> Path:
    """Where the backups of this cloud are."""
    given = project.settings.backup.folder
    return Path(given) / project.cloud if given else project.state / FOLDER


def backup(project: Project, names: Sequence[str] = (), reason: str = "") -> Backup:
    """Take a backup of nodes (default: all that say how) under the cloud's lock; see :func:`backup_locked`."""
    with project.locked():
        project.sweep()
        return backup_locked(project, names, reason)


def backup_locked(project: Project, names: Sequence[str] = (), reason: str = "") -> Backup:
    """Take and prove a backup; the caller holds the cloud's lock.

    Databases come before the files that they speak of, as nodes are taken in the order of their needs. Raises
    BackupError with the problems of all items; then nothing is kept, and older backups stay.
    """
    begun, started = time.monotonic(), datetime.now(UTC)
    recipients = parse_recipients(project.settings.backup.recipients)
    chosen = _chosen(project, names)
    folder = backups_folder(project)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep_left(project)
        part = Path(tempfile.mkdtemp(prefix=catalogue.PART, dir=folder))
        work = work_folder(project)
    try:
        elsewhere = project.cluster if project.in_cluster else None
        taker = Taker(project.engine, work, part, recipients, project.emit, elsewhere)
        kept = _take_all(taker, _instances(project, chosen, work))
        source, revision = describe_revision(project)
        made = Backup(
            name=free_name(folder, started),
            folder=part,
            cloud=project.cloud,
            reason=reason,
            source=source,
            revision=revision,
            verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
            recipients=project.settings.backup.recipients,
            items=kept,
            seconds=time.monotonic() - begun,
        )
        with disk_errors(folder):
            catalogue.write(made, part)
            part.rename(folder / made.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
    for old in catalogue.surplus(catalogue.backups(folder), project.settings.backup.keep):
        catalogue.remove(old)
    return catalogue.read(folder / made.name)


def backups(project: Project) -> tuple[Backup, ...]:
    """All backups of the cloud, the newest first."""
    return catalogue.backups(backups_folder(project))


def listed(project: Project, *, thorough: bool = False) -> tuple[tuple[Backup, tuple[Problem, ...]], ...]:
    """All backups, the newest first, each with what is wrong with its files; ``thorough``: reads them all."""
    return tuple((one, catalogue.damage(one, thorough=thorough)) for one in backups(project))


def unreadable(project: Project) -> tuple[Problem, ...]:
    """Folders that were backups, and have no manifest any more that can be read."""
    return catalogue.unreadable(backups_folder(project))


def work_folder(project: Project) -> Path:
    """A new private folder on this machine for plain data, for the time of one run."""
    project.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Path(tempfile.mkdtemp(prefix=WORK, dir=project.state))


def sweep_left(project: Project) -> None:
    """Remove what killed processes left: half backups, plain data, volumes. The caller holds the cloud's lock."""
    catalogue.sweep(backups_folder(project))
    for left in project.state.glob(f"{WORK}*"):
        shutil.rmtree(left, ignore_errors=True)
    sweep_volumes(project.engine, project.cloud)


def items_of(compiled: Sequence[Compiled]) -> dict[str, tuple[Item, ...]]:
    """What a backup of each node holds, by short name, in the order of the nodes' needs; nodes without items are not
    in it."""
    needs = needs_of(compiled)
    order: list[str] = []
    while len(order) < len(needs):
        order += sorted(name for name in needs if name not in order and all(w in order for w in needs[name]))
    found = {one.member.name: read_items(one.member.node.name, one.metadata) for one in compiled}
    return {name: found[name] for name in order if found[name]}


def _chosen(project: Project, names: Sequence[str]) -> list[tuple[Compiled, tuple[Item, ...]]]:
    wanted = {project.member(name).name for name in names}
    compiled = compile_members(project)
    items = items_of(compiled)
    if missing := sorted(wanted - set(items)):
        raise UsageError(
            Problem(
                f"nothing says what a backup of {', '.join(missing)} would hold",
                details="its formulas have no meta/backup.yml",
                resolution=f"nodes that can be backed up: {', '.join(sorted(items)) or 'none'}",
            )
        )
    if not items:
        raise UsageError(Problem("no node can be backed up: no formula has a meta/backup.yml"))
    by_name = {one.member.name: one for one in compiled}
    return [(by_name[name], items[name]) for name in items if not wanted or name in wanted]


def _instances(
    project: Project, chosen: Sequence[tuple[Compiled, tuple[Item, ...]]], work: Path
) -> list[tuple[Instance, tuple[Item, ...]]]:
    """The nodes as they run now. Raises BackupError for those that have no containers, all at once."""
    containers = project.runtime.containers(f"{LABEL_CLOUD}={project.cloud}")
    found, problems = [], []
    for one, items in chosen:
        own = sorted_containers(containers, one.member.name)
        if own:
            found.append((_instance(project, one, own, work), items))
        else:
            problems.append(
                Problem(
                    f"{one.member.name} is not there, and a backup is taken from what runs",
                    resolution="bring it up with `saltern up`",
                    node=one.member.node.name,
                )
            )
    if problems:
        raise BackupError(problems)
    return found


def _instance(project: Project, one: Compiled, own: tuple[Container, ...], work: Path) -> Instance:
    """A node with the image and configuration that it runs with, which need not be the model's any more."""
    member, container = one.member, own[0]
    named = {v.path: v.name for v in one.metadata.volumes if v.kind == "data"}
    return Instance(
        project.cloud,
        member.name,
        member.node.name,
        container.image,
        tuple(DataVolume(named[m.target], m.source, m.target) for m in container.mounts if m.target in named),
        _configuration(project, container, work),
        own,
    )


def _configuration(project: Project, container: Container, work: Path) -> tuple[Mount, ...]:
    """The files that a container has of its configuration, as files of this machine."""
    if not project.in_cluster:
        return tuple(m for m in container.mounts if m.read_only and m.source.startswith("/"))
    mounts = []
    for number, (path, content) in enumerate(sorted(project.cluster.files(container.name).items())):
        file = work / f"{container.name}-{number}"
        file.write_bytes(content)
        file.chmod(0o644)  # another user reads it in a container; the folder is private
        mounts.append(Mount(str(file), path))
    return tuple(mounts)


def _take_all(taker: Taker, chosen: Sequence[tuple[Instance, tuple[Item, ...]]]) -> tuple[Kept, ...]:
    kept: list[Kept] = []
    problems: list[Problem] = []
    for instance, items in chosen:
        for item in items:
            try:
                kept.append(taker.take(instance, item))
            except SalternError as error:
                problems += error.problems
    if problems:
        raise BackupError(problems)
    return tuple(kept)


def free_name(folder: Path, started: datetime) -> str:
    """The time as a name that comes after those of all backups which are there, as names are their order.

    One that began in the second of the newest, or before it, as a clock may be set back, gets the second after it.
    """
    taken = [name for path in folder.iterdir() if (name := _time_of(path.name)) is not None]
    if taken and started.replace(microsecond=0) <= max(taken):
        started = max(taken) + timedelta(seconds=1)
    return started.strftime(TIME)


def _time_of(name: str) -> datetime | None:
    """The time in the name of a backup; None for other names."""
    try:
        return datetime.strptime(name[:TIME_LENGTH], TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
