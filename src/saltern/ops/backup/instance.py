"""A node's data where it is: its image, configuration and data volumes, or throw-away volumes in the place of these."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from saltern.base.errors import BackupError, Problem
from saltern.images.engine import Container, Mount, RunSpec, Runtime
from saltern.targets.compose import LABEL_CLOUD, LABEL_NODE, LABEL_PROCESS, LABEL_ROLE, LABEL_WORKLOAD
from saltern.targets.workload import ALWAYS_TMPFS, JOB_CAPABILITIES

LABEL_THROWAWAY = "io.saltern.throwaway"
"""Label of the volumes that a backup is restored into to prove it; its value is the cloud."""


@dataclass(frozen=True)
class DataVolume:
    """A data volume of a node: its name in the formula, in the engine, and where it is mounted."""

    name: str
    volume: str
    path: str


@dataclass(frozen=True)
class Instance:
    """Where a node's data is, and in what a restore of it runs."""

    cloud: str
    workload: str
    node: str
    image: str
    volumes: tuple[DataVolume, ...]
    config: tuple[Mount, ...] = ()
    containers: tuple[Container, ...] = ()
    """The containers of its processes, those that run first."""
    hostname: str = ""
    """Of its first replica; "": the node's short name."""

    def volume(self, name: str) -> DataVolume:
        """A data volume by its name in the formula. Raises BackupError when its containers have none of that name."""
        for one in self.volumes:
            if one.name == name:
                return one
        raise BackupError(
            Problem(
                f"{self.workload} has no volume {name!r}",
                details="it runs with another formula than the model has now",
                resolution="run `saltern up`",
                node=self.node,
            )
        )

    def running(self, process: str) -> Container:
        """A running container of a process (""; any). Raises BackupError when there is none."""
        for container in self.containers:
            if container.state == "running" and process in ("", container.labels.get(LABEL_PROCESS)):
                return container
        raise BackupError(
            Problem(
                f"{self.workload} is not running, and its data can only be taken from the running service",
                resolution="bring it up with `saltern up`",
                node=self.node,
            )
        )

    def restoring(self, command: tuple[str, ...]) -> RunSpec:
        """A container for a restore: as a job that runs before the processes, and without a network."""
        data = tuple(Mount(one.volume, one.path, read_only=False) for one in self.volumes)
        return RunSpec(
            self.image,
            command,
            mounts=(*data, *self.config),
            hostname=self.hostname or self.workload,
            tmpfs=ALWAYS_TMPFS,
            capabilities=JOB_CAPABILITIES,
        )


def sorted_containers(containers: tuple[Container, ...], workload: str) -> tuple[Container, ...]:
    """The containers of a workload's processes, those that run first, by name."""
    own = (
        one
        for one in containers
        if (one.labels.get(LABEL_WORKLOAD), one.labels.get(LABEL_ROLE)) == (workload, "process")
    )
    return tuple(sorted(own, key=lambda one: (one.state != "running", one.name)))


def volume_labels(instance: Instance) -> Mapping[str, str]:
    """The labels that Compose would give the volumes of a node."""
    return {LABEL_CLOUD: instance.cloud, LABEL_NODE: instance.node}


@contextmanager
def throwaway(runtime: Runtime, instance: Instance) -> Iterator[Instance]:
    """The instance with new, empty volumes, which are removed at the end."""
    token = secrets.token_hex(4)
    volumes = tuple(replace(one, volume=f"saltern-proof-{token}-{one.name}") for one in instance.volumes)
    names = [one.volume for one in volumes]
    try:
        for name in names:
            runtime.create_volume(name, {LABEL_THROWAWAY: instance.cloud})
        yield replace(instance, volumes=volumes, containers=())
    finally:
        runtime.remove_volumes(names)


def sweep(runtime: Runtime, cloud: str) -> None:
    """Remove the throw-away volumes of saltern processes that were killed; the caller holds the cloud's lock."""
    runtime.remove_volumes(runtime.volumes(f"{LABEL_THROWAWAY}={cloud}"))
