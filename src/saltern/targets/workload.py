"""What every target renders: a node as a workload, with its processes, jobs, volumes and files. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from saltern.formulas.metadata import Balancer, Check, Volume
from saltern.images.process import Process
from saltern.model.settings import Publish


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

    def process(self, name: str) -> Process | None:
        """The process of that name, else its first; None where it has none."""
        return next((p for p in self.processes if p.name == name), next(iter(self.processes), None))

    def instances(self) -> tuple[Instance, ...]:
        """All of its containers that run processes: the first replica's, in the processes' order, then the next's."""
        return tuple(
            Instance(self.service(process, number), self.hostname(number), process, number)
            for number in range(1, self.replicas + 1)
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
        return name if self.replicas == 1 else f"{name}-{number}"

    def job_name(self, job: Job) -> str:
        """The name of a job: by what it does, so that another act is another job."""
        return f"{self.fresh(self.name)}-{job.when}-{job.key[:12]}"


@dataclass(frozen=True)
class Cloud:
    """All workloads of a model, sorted by name."""

    name: str
    workloads: tuple[Workload, ...]

    def workload(self, name: str) -> Workload:
        """The workload of that name; raises StopIteration where there is none."""
        return next(w for w in self.workloads if w.name == name)

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
