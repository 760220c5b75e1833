"""What every target renders: a node as a workload, with its processes, jobs, volumes and files. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from saltern.formulas.metadata import Balancer, Check, Connection, Volume
from saltern.images.process import Process, RuntimeDirectory
from saltern.model.settings import KubernetesNode, Publish

WORKER = ("/mnt/bin/python3", "-I", "-S", "-B", "/mnt/worker", "apply", "/media/request.json")
"""What a job runs: the toolchain is at /mnt, its request at /media."""

ALWAYS_TMPFS = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - the container's own
"""Folders in memory that every container has."""

JOB_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
"""What Salt needs to act as the service's user and to set owners, and nothing of the network or kernel."""


def is_in(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path is one of the folders or below one."""
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


@dataclass(frozen=True, slots=True)
class ConfigMount:
    """A rendered file or folder: ``source`` on this machine, ``target`` in the container."""

    source: str
    target: str
    digest: str = ""
    """Names what is there, owners and modes included."""


@dataclass(frozen=True)
class Job:
    """A one-shot act of real Salt on a live service.

    ``when`` is ``before`` (alone, before the node's processes start) or ``after`` (beside the first of them, in the
    first replica: same network, host name and volumes). ``key`` is the hash of what it does; a job that succeeded is
    not run again.
    """

    when: str
    key: str
    request: str
    """Folder on this machine with the worker's ``request.json`` and the files that it uses; private, it has secrets."""
    chunks: tuple[str, ...]
    """What it does, one line per chunk."""
    toolchain: str
    """Named volume with the toolchain."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One container of a process: ``number`` counts the node's replicas from 1."""

    service: str
    """Its name among all of the cloud."""
    hostname: str
    """Its own; the processes of one replica have it in common."""
    process: Process
    number: int


@dataclass(frozen=True)
class Workload:
    """A node as containers."""

    name: str
    """The node's short name; also its host name, unless it has replicas."""
    node: str
    image: str
    """Reference by tag; the tag is the image's key."""
    processes: tuple[Process, ...]
    jobs: tuple[Job, ...] = ()
    volumes: tuple[Volume, ...] = ()
    config: tuple[ConfigMount, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of the workloads that it talks to; they are up and bootstrapped first."""
    publish: tuple[Publish, ...] = ()
    checks: tuple[Check, ...] = ()
    memory: str = ""
    replicas: int = 1
    generation: int = 1
    """Counts the fresh instances that took the place of older ones, volumes with data included."""
    live: str = ""
    """Folder on this machine for the configuration of processes that take over what changed; see :mod:`.live`."""
    balancer: Balancer | None = None
    """How it is told which servers get connections, where it is a balancer; no part of its containers."""
    connects: tuple[Connection, ...] = ()
    """The hosts and ports that its formulas say it talks to, some perhaps outside of the cloud."""
    reaches: tuple[Connection, ...] = ()
    """Those to which it talks without waiting for them: they are in no order."""
    kubernetes: KubernetesNode = field(default_factory=KubernetesNode)
    together: bool = False
    """Its replicas are one service, whose target replaces them one by one by itself."""

    @property
    def peers(self) -> tuple[Connection, ...]:
        """All hosts and ports that it talks to."""
        return (*self.connects, *self.reaches)

    def process(self, name: str) -> Process | None:
        """The process of that name, else its first; None where it has none."""
        return next((p for p in self.processes if p.name == name), next(iter(self.processes), None))

    def config_of(self, process: Process) -> tuple[ConfigMount, ...]:
        """The rendered files and folders that a process gets."""
        wanted = process.files
        if wanted is None:
            return self.config
        return tuple(
            mount
            for mount in self.config
            if is_in(mount.target, wanted) or any(is_in(path, (mount.target,)) for path in wanted)
        )

    def carrier(self, number: int = 1) -> str:
        """The service in whose network all processes of a replica are, "" where there is none."""
        return self.service(self.processes[0], number) if self.processes else ""

    def carried(self, service: str) -> tuple[str, ...]:
        """The services that are in the network of this one."""
        replica = [one for one in self.instances() if self.carrier(one.number) == service]
        return tuple(one.service for one in replica if one.service != service)

    def memory_directories(self, *processes: Process) -> dict[str, RuntimeDirectory]:
        """Writable folders in memory, with their owners: those that units ask for below /run, and those of the formula.

        What is a volume is not among them.
        """
        taken = {volume.path.replace("/var/run/", "/run/") for volume in self.volumes}
        wanted = {
            directory.path: replace(directory, owner=process.user) if directory.owner is None else directory
            for process in processes
            for directory in (*process.runtime, *map(RuntimeDirectory, process.tmpfs))
        }
        return {path: found for path, found in sorted(wanted.items()) if path not in {*taken, *ALWAYS_TMPFS}}

    def instances(self) -> tuple[Instance, ...]:
        """All of its containers that run processes: the first replica's, in the processes' order, then the next's."""
        return tuple(
            Instance(self.service(process, number), self.hostname(number), process, number)
            for number in range(1, 2 if self.together else self.replicas + 1)
            for process in self.processes
        )

    def service(self, process: Process, number: int = 1) -> str:
        """The name of an instance: the node's, with the process where it has several, and the number where those."""
        name = self.fresh(self.name)
        return self._numbered(name if len(self.processes) == 1 else f"{name}-{process.name}", number)

    def hostname(self, number: int = 1) -> str:
        """The host name of a replica."""
        return self._numbered(self.name, number)

    def fresh(self, name: str) -> str:
        """A name of the first generation as it is in this one: ``rabbitmq`` → ``rabbitmq-g2``."""
        return name if self.generation == 1 else f"{name}-g{self.generation}"

    def _numbered(self, name: str, number: int) -> str:
        return name if self.replicas == 1 or self.together else f"{name}-{number}"

    def job_name(self, job: Job) -> str:
        """The name of a job: by what it does, so that another act is another job."""
        return f"{self.fresh(self.name)}-{job.when}-{job.key[:12]}"


@dataclass(frozen=True)
class Cloud:
    """All workloads of a model, sorted by name."""

    name: str
    workloads: tuple[Workload, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Workload]:
        """The workloads by their names."""
        return {w.name: w for w in self.workloads}

    def workload(self, name: str) -> Workload:
        """The workload of that name; raises KeyError where there is none."""
        return self.by_name[name]

    def ordered(self) -> tuple[tuple[Workload, ...], ...]:
        """Workloads in waves: each wave needs only what earlier ones brought up; a loop of needs ends in one wave."""
        left = {w.name: w for w in self.workloads}
        waves: list[tuple[Workload, ...]] = []
        while left:
            wave = [w for w in left.values() if not any(n in left and n != w.name for n in w.needs)]
            wave = wave or list(left.values())
            waves.append(tuple(wave))
            for workload in wave:
                del left[workload.name]
        return tuple(waves)
