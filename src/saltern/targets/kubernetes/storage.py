"""Volumes of workloads: folders in memory, claims that keep data, and how both are prepared.

Inside of a claim the data lies in the folder ``content``, which the service's user makes: the root of a new file
system belongs to root, and has a ``lost+found`` that some services take for data. As on compose, a new volume begins
with what the image has in that place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from shlex import quote
from typing import Any

from saltern.formulas.metadata import Volume
from saltern.images.process import Process
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import Frame, dns, instance
from saltern.targets.kubernetes.parts import ROOT, Account, Part, empty, mount, own
from saltern.targets.workload import Cloud, Job, Workload

CONTENT = "content"
MEMORY = "memory"
RUNTIME_MODE = "0755"
RUNTIME_SIZE = "64Mi"
"""Of claims that only hold sockets and the like."""


def beside(workload: Workload) -> bool:
    """Whether a job runs beside its processes, and so has to see their sockets."""
    return any(job.when == "after" for job in workload.jobs)


def claimed(workload: Workload, job: Job | None = None) -> tuple[Volume, ...]:
    """The volumes that are claims, for the processes or for a job.

    Two pods can have no memory in common. So folders with sockets are claims too where a job runs beside.
    """
    with_sockets = beside(workload) and (job is None or job.when == "after")
    return tuple(v for v in workload.volumes if v.kind != "runtime" or with_sockets)


def own_claims(workload: Workload) -> tuple[Volume, ...]:
    """The claims that each replica has for itself."""
    return tuple(v for v in claimed(workload) if not is_common(v))


def is_common(volume: Volume) -> bool:
    """Whether one claim is there for all replicas."""
    return volume.kind == "borrowed" or (volume.kind == "data" and volume.shared)


def is_lent(cloud: Cloud, workload: Workload, volume: Volume) -> bool:
    """Whether other nodes have the volume too."""
    asked = (workload.name, volume.name)
    return any(asked == (v.of, v.name) for other in cloud.workloads for v in other.volumes if v.kind == "borrowed")


def claim_name(workload: Workload, volume: Volume, number: int = 1) -> str:
    """The claim of a volume: the one for all, or that of a replica, as its StatefulSet calls it."""
    if volume.kind == "borrowed":
        return dns(f"{volume.of}-{volume.name}")
    if is_common(volume):
        return dns(f"{instance(workload)}-{volume.name}")
    return dns(f"{dns(volume.name)}-{instance(workload)}-{number - 1}")


def outdated_claims(workload: Workload, present: Collection[str]) -> tuple[str, ...]:
    """The claims that have to go when the first replica's data is put back: made anew, they are where that is now.

    What the other replicas have for themselves is newer than it, and sockets may be on another machine than it. Of the
    claims that are ``present``, also those of replicas that the model has no more: one day it may have them again.
    """
    found = []
    for volume in own_claims(workload):
        first = 1 if volume.kind == "data" else 0
        name = re.compile(re.escape(claim_name(workload, volume).removesuffix("0")) + r"(0|[1-9][0-9]*)")
        numbers = {int(match[1]) for match in map(name.fullmatch, present) if match}
        found += [claim_name(workload, volume, number + 1) for number in sorted(numbers) if number >= first]
    return tuple(found)


def claim_spec(frame: Frame, volume: Volume) -> dict[str, Any]:
    """What a volume asks of the cluster's storage."""
    settings, workload = frame.site.settings, frame.workload
    several = workload.replicas > 1 or workload.kubernetes.every_machine or is_lent(frame.cloud, workload, volume)
    many = is_common(volume) and several
    size = workload.kubernetes.storage.get(volume.name, settings.storage if volume.kind == "data" else RUNTIME_SIZE)
    storage_class = (settings.shared_storage_class if many else "") or settings.storage_class
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if many else "ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    return spec | ({"storageClassName": storage_class} if storage_class else {})


def templates(frame: Frame) -> list[dict[str, Any]]:
    """The volumeClaimTemplates of a StatefulSet."""
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": dns(volume.name)},
            "spec": {**claim_spec(frame, volume), "volumeMode": "Filesystem"},
        }
        for volume in own_claims(frame.workload)
    ]


def claims(frame: Frame) -> list[Manifest]:
    """Claims that are objects of their own: those for all replicas, and those that a job needs before the first pod.

    The latter have the name that the StatefulSet's template would give them, so its pod takes them over.
    """
    early = {v.name for job in frame.workload.jobs if job.when == "before" for v in claimed(frame.workload, job)}
    own = [v for v in claimed(frame.workload) if v.kind != "borrowed"]
    wanted = [v for v in own if is_common(v) or v.name in early]
    return [
        frame.manifest(
            "PersistentVolumeClaim",
            claim_name(frame.workload, v),
            {"spec": claim_spec(frame, v)},
            component="data",
            step=1,
        )
        for v in wanted
    ]


def claim_part(workload: Workload, owner: Account, job: Job | None = None) -> Part:
    """A pod's claims, with the folder for the data made where it is not there yet."""
    volumes: list[dict[str, Any]] = []
    script: list[str] = []
    found = claimed(workload, job)
    for volume in found:
        if job is not None or is_common(volume):
            claim = {"claimName": claim_name(workload, volume)}
            volumes.append({"name": dns(volume.name), "persistentVolumeClaim": claim})
        place = f"{ROOT}/claims/{dns(volume.name)}"
        if volume.kind == "data":
            script += _seed(volume.path, place, owner, as_root=job is not None)
        elif volume.kind == "runtime" and job is None:
            script += [f"rm -rf {place}/{CONTENT}", f"install -d -m {RUNTIME_MODE} {place}/{CONTENT}"]
    mounts = tuple(mount(dns(v.name), v.path, CONTENT) for v in found)
    tools = tuple(mount(dns(v.name), f"{ROOT}/claims/{dns(v.name)}") for v in found)
    return Part(tuple(volumes), mounts, tools, tuple(script))


def _seed(path: str, place: str, owner: Account, *, as_root: bool) -> list[str]:
    give = f"chown {owner.uid}:{owner.gid} {place}/.new; " if as_root else ""
    copy = f"if [ -d {quote(path)} ]; then cp -a {quote(path)}/. {place}/.new/; fi"
    return [
        f"if [ ! -e {place}/{CONTENT} ]; then rm -rf {place}/.new; mkdir -m 0750 {place}/.new; {give}{copy}; "
        f"mv {place}/.new {place}/{CONTENT}; fi"
    ]


def memory_part(workload: Workload, processes: Iterable[Process], job: Job | None = None) -> Part:
    """Folders in memory with owner and mode, and the volumes that are no claims."""
    wanted = _memory(workload, tuple(processes), {v.path for v in claimed(workload, job)})
    if not wanted:
        return Part()
    names = {path: path.strip("/").replace("/", "-") for path in wanted}
    script = []
    for path, (owner, mode) in wanted.items():
        given = f"-o {owner.uid} -g {owner.gid} " if job is not None else ""
        script.append(f"install -d -m {mode} {given}{ROOT}/{MEMORY}/{quote(names[path])}")
    mounts = tuple(mount(own(MEMORY), path, names[path]) for path in wanted)
    return Part((empty(own(MEMORY)),), mounts, (mount(own(MEMORY), f"{ROOT}/{MEMORY}"),), tuple(script))


def _memory(workload: Workload, processes: tuple[Process, ...], claims: set[str]) -> Mapping[str, tuple[Account, str]]:
    found = {
        path: (Account.of(directory.owner or ""), directory.mode)
        for path, directory in workload.memory_directories(*processes).items()
    }
    owner = Account.of(processes[0].user if processes else "")
    found |= {v.path: (owner, RUNTIME_MODE) for v in workload.volumes if v.path not in claims}
    return dict(sorted(found.items()))
