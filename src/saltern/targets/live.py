"""Configuration that changes below a running process: what its container mounts in the place of rendered trees. Pure.

A rendered tree has the hash of its content in its path: changed configuration is another mount, and that is another
container. A process that can take over changed configuration gets a folder of its own on this machine instead, whose
path stays: in it are the folders that may change, and copies of the files that may not, by their content. One whose
formula names its files gets such copies of them alone: a change of the node's other files is no other mount.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from saltern.base.store import canonical, digest
from saltern.formulas.metadata import Reload
from saltern.targets.workload import ConfigMount, Instance, Workload, is_in

LENGTH = 20
"""Characters of a content's name."""
SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class LiveMount:
    """``source`` is the rendered file or folder, ``place`` where the container has it from, both on this machine."""

    source: str
    place: str
    target: str
    changes: bool
    """What is at ``place`` is exchanged while the container runs."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The configuration of one container in a folder of its own; ``content`` names what may change, "" nothing."""

    service: str
    folder: str
    mounts: tuple[LiveMount, ...]
    content: str


@dataclass(frozen=True, slots=True)
class Live(Kept):
    """Of one whose process takes over what changed."""

    reload: Reload


def kept_of(workload: Workload, one: Instance) -> Kept | None:
    """What a container of a workload has of its configuration in a folder of its own; None where it has trees."""
    live = live_of(workload, one)
    if live is not None or one.process.files is None or not workload.live:
        return live
    folder = f"{workload.live}/{one.service}"
    mounts = tuple(_mount(folder, mount, changes=False) for mount in workload.config_of(one.process))
    return Kept(one.service, folder, mounts, "") if mounts else None


def live_of(workload: Workload, one: Instance) -> Live | None:
    """What a container of a workload has of its configuration; None where a change is another container."""
    reload = one.process.reload
    if reload is None or not workload.live:
        return None
    folder = f"{workload.live}/{one.service}"
    own = workload.config_of(one.process)
    mounts = tuple(_mount(folder, mount, changes=is_in(mount.target, reload.folders)) for mount in own)
    changing = [(mount.target, mount.digest) for mount in own if is_in(mount.target, reload.folders)]
    return Live(one.service, folder, mounts, digest(canonical(changing))[:LENGTH], reload) if changing else None


def _mount(folder: str, mount: ConfigMount, *, changes: bool) -> LiveMount:
    if changes:
        place = f"{folder}/now/{mount.target.strip('/').replace('/', '-')}"
    else:
        place = f"{folder}/{mount.digest[:LENGTH]}/{PurePosixPath(mount.target).name}"
    return LiveMount(mount.source, place, mount.target, changes)


def identity(hashed: str, content: str) -> str:
    """What a process was made from and runs with: its container's hash, and the configuration that it took over."""
    return f"{hashed}{SEPARATOR}{content}" if content else hashed


def parted(name: str) -> tuple[str, str]:
    """The hash of the container, and the content, of :func:`identity`."""
    hashed, _, content = name.partition(SEPARATOR)
    return hashed, content
