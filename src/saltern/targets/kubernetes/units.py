"""What a rollout sees of the manifests: the services that are started one by one, and the objects of each. Pure.

A workload is one service, whatever its replicas and processes: the cluster's controller replaces its pods one by one.
Objects that are acted on carry what Compose writes into labels, as annotations: their values may be any text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from saltern.base.store import canonical, digest
from saltern.targets.compose import (
    LABEL_CLOUD,
    LABEL_GENERATION,
    LABEL_HASH,
    LABEL_JOB,
    LABEL_NODE,
    LABEL_PROCESS,
    LABEL_PUBLISH,
    LABEL_REPLICA,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    container_name,
)
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import (
    ANNOTATION_ORIGIN,
    ANNOTATION_REVISION,
    COMPONENT,
    INSTANCE,
    WAVE,
    instance,
)
from saltern.targets.workload import Cloud, Job, Workload

LABEL_SERVICE = "io.saltern.service"
"""Annotation: the name of the service in steps; a Job's own name holds the hash of its template as well."""
CONTROLLERS = ("DaemonSet", "Deployment", "StatefulSet")
CLAIM = "PersistentVolumeClaim"
PASSING = (ANNOTATION_REVISION, ANNOTATION_ORIGIN, WAVE)
"""Annotations that say where an object comes from; another commit makes no other pod."""


@dataclass(frozen=True)
class Units:
    """``services`` has the form of a Compose project's; ``objects`` are the manifests of each, in order."""

    services: Mapping[str, Any]
    objects: Mapping[str, tuple[Mapping[str, Any], ...]]
    claims: Mapping[str, Mapping[str, Any]]
    """All claims by name, also those that only a StatefulSet's template names."""
    all: tuple[Mapping[str, Any], ...]
    """Every object, as it is applied."""


def flat(cloud: Cloud) -> Cloud:
    """The cloud as steps see it: one service per workload."""
    return replace(cloud, workloads=tuple(_flat(workload) for workload in cloud.workloads))


def _flat(workload: Workload) -> Workload:
    slowest = max(workload.processes, key=lambda p: p.probe.timeout if p.probe else 0, default=None)
    first = workload.processes[:1]
    if slowest is not None and slowest.probe is not None:
        first = (replace(first[0], probe=slowest.probe),)
    return replace(workload, together=True, processes=first)


def units(cloud: Cloud, manifests: Iterable[Manifest]) -> Units:
    """The services of a cloud and their objects."""
    by_instance: dict[str, list[Manifest]] = {}
    shared: list[Mapping[str, Any]] = []
    for one in manifests:
        name = one.data["metadata"]["labels"].get(INSTANCE)
        if name is None:
            shared.append(one.data)
        else:
            by_instance.setdefault(name, []).append(one)
    services: dict[str, Any] = {}
    objects: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for workload in cloud.workloads:
        own = by_instance.get(instance(workload), [])
        for name, labels, found in _services(cloud, workload, own):
            services[name] = {"container_name": container_name(cloud.name, name), "labels": labels, "ports": []}
            objects[name] = found
    everything = {(o["kind"], o["metadata"]["name"]): o for found in objects.values() for o in found}
    return Units(
        dict(sorted(services.items())),
        dict(sorted(objects.items())),
        dict(_claims(everything.values())),
        (*shared, *(everything[key] for key in sorted(everything))),
    )


def _services(
    cloud: Cloud, workload: Workload, own: list[Manifest]
) -> Iterator[tuple[str, dict[str, str], tuple[Mapping[str, Any], ...]]]:
    jobs = {job: _of_job(workload, job, own) for job in workload.jobs}
    of_jobs = {id(one) for found in jobs.values() for one in found}
    rest = [one for one in own if id(one) not in of_jobs]
    ground = [one.data for one in rest if one.kind not in CONTROLLERS]
    for job, found in jobs.items():
        labels = {LABEL_ROLE: "job", LABEL_JOB: job.when}
        yield _stamped(cloud, workload, workload.job_name(job), labels, [*ground, *(one.data for one in found)], "Job")
    controllers = [one for one in rest if one.kind in CONTROLLERS]
    if controllers:
        flat_one = _flat(workload)
        name = flat_one.service(flat_one.processes[0])
        labels = {LABEL_ROLE: "process", LABEL_PROCESS: workload.processes[0].name}
        if workload.generation > 1:
            labels[LABEL_GENERATION] = str(workload.generation)
        if workload.replicas > 1:
            labels[LABEL_REPLICA] = str(workload.replicas)
        if workload.publish:
            labels[LABEL_PUBLISH] = canonical(
                [{"address": p.host or p.address, "name": p.name} for p in workload.publish]
            )
        yield _stamped(cloud, workload, name, labels, [*ground, *(c.data for c in controllers)], controllers[0].kind)


def _of_job(workload: Workload, job: Job, own: list[Manifest]) -> list[Manifest]:
    """A job's manifests: the Job, and the Secrets with its request."""
    name = workload.job_name(job)
    return [
        one
        for one in own
        if one.data["metadata"]["labels"].get(COMPONENT) == f"job-{job.when}"
        or (one.kind == "Secret" and one.name.startswith(name))
    ]


def _stamped(
    cloud: Cloud, workload: Workload, name: str, labels: dict[str, str], objects: list[Mapping[str, Any]], kind: str
) -> tuple[str, dict[str, str], tuple[Mapping[str, Any], ...]]:
    """The objects with what tells a rollout about them on the one of ``kind``, which comes last."""
    hashed = digest(canonical([_lasting(one) for one in objects]))[:24]
    about = {LABEL_CLOUD: cloud.name, LABEL_NODE: workload.node, LABEL_WORKLOAD: workload.name, **labels}
    about |= {LABEL_HASH: hashed, LABEL_SERVICE: name}
    first = [one for one in objects if one["kind"] != kind]
    last = [_annotated(one, about) for one in objects if one["kind"] == kind]
    return name, about, (*sorted(first, key=lambda o: (o["kind"], o["metadata"]["name"])), *last)


def _lasting(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = thing["metadata"]
    kept = {key: value for key, value in meta.get("annotations", {}).items() if key not in PASSING}
    return {**thing, "metadata": {**meta, "annotations": kept}}


def _annotated(thing: Mapping[str, Any], about: Mapping[str, str]) -> Mapping[str, Any]:
    meta = thing["metadata"]
    annotations = dict(sorted({**meta.get("annotations", {}), **about}.items()))
    return {**thing, "metadata": {**meta, "annotations": annotations}}


def _claims(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for thing in objects:
        if thing["kind"] == CLAIM:
            yield thing["metadata"]["name"], thing
        for template in thing.get("spec", {}).get("volumeClaimTemplates", ()):
            name = f"{template['metadata']['name']}-{thing['metadata']['name']}-0"
            labels = {**thing["metadata"]["labels"], COMPONENT: "data"}
            meta = {"name": name, "namespace": thing["metadata"]["namespace"], "labels": labels}
            yield name, {**template, "metadata": meta}
