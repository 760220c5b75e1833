"""Which of a workload's instances counts: what they were made from, and the way back to one that is still there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from saltern.images.engine import Container
from saltern.plan.revision import Revision, WorkloadRecord, running_records
from saltern.plan.steps import Running
from saltern.project.context import Project
from saltern.project.rendering import Rendered
from saltern.project.upgrading import fits
from saltern.project.world import processes
from saltern.targets.compose import LABEL_GENERATION, LABEL_WORKLOAD
from saltern.targets.workload import Cloud, Workload


@dataclass(frozen=True)
class Seen:
    """What runs, and the revisions that it can have been made from, newest first."""

    project: Project
    running: Running
    known: Sequence[Revision]

    def records(self, cloud: Cloud) -> dict[str, WorkloadRecord]:
        """What each workload's containers were made from; with replicas of two revisions, the older one counts.

        Of several generations, that which the workload has in ``cloud`` counts, and no other.
        """
        generations = {w.name: w.generation for w in cloud.workloads}
        there = [c for c in self.running.containers if number_of(c) == generations.get(workload_of(c), 1)]
        prefix = f"{self.project.cloud}-"
        services = {name.removeprefix(prefix): made for name, made in processes(there, self.running.taken).items()}
        order = {id(one): number for number, revision in enumerate(self.known) for one in revision.workloads.values()}
        oldest: dict[str, WorkloadRecord] = {}
        for record in running_records(tuple(self.known), services).values():
            other = oldest.get(record.name)
            if other is None or order[id(record)] > order[id(other)]:
                oldest[record.name] = record
        return oldest

    def ways_back(self, rendered: Rendered) -> dict[str, int]:
        """Workloads for which an instance before the newest is still there and has the wanted versions, and its number.

        A rollout that was to replace it did not come so far as to remove it. With it no instance has to be made, and
        what it holds is what was there before.
        """
        now = self.records(rendered.cloud)
        return {
            workload.name: number
            for workload in rendered.cloud.workloads
            if workload.generation > 1 and not fits(self.project, rendered, workload.name, now)
            for number in self._first_fitting(rendered, workload)
        }

    def _first_fitting(self, rendered: Rendered, workload: Workload) -> Iterator[int]:
        numbers = {number_of(c) for c in self.running.containers if workload_of(c) == workload.name}
        for number in sorted((n for n in numbers if n < workload.generation), reverse=True):
            records = self.records(Cloud(rendered.cloud.name, (replace(workload, generation=number),)))
            if fits(self.project, rendered, workload.name, records):
                yield number
                return


def number_of(container: Container) -> int:
    """Which of its workload's instances a container belongs to."""
    return int(container.labels.get(LABEL_GENERATION, "1"))


def workload_of(container: Container) -> str:
    """The name of a container's workload."""
    return container.labels.get(LABEL_WORKLOAD, "")


def jobs_of_others(cloud: Cloud, there: Collection[Container], done: Collection[str]) -> frozenset[str]:
    """The done jobs of instances that are there and do not count now: they count again on the way back."""
    generations: Mapping[str, Workload] = {w.name: w for w in cloud.workloads}
    found: set[str] = set()
    for container in there:
        workload = generations.get(workload_of(container))
        if workload is not None and number_of(container) != workload.generation:
            other = replace(workload, generation=number_of(container))
            starts = tuple(f"{cloud.name}-{other.fresh(other.name)}-{when}-" for when in ("before", "after"))
            found |= {job for job in done if job.startswith(starts)}
    return frozenset(found)
