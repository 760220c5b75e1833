"""Jobs: real Salt in a pod of the node's image, with the toolchain, the request and the node's volumes.

The name of a Job is the hash of what it does and of its whole template, because a template can never be changed:
another configuration, of which it has all files, is another Job. States are safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.base.store import canonical, digest
from saltern.targets.kubernetes.configuration import Configuration, bins, keys, secret, secret_names
from saltern.targets.kubernetes.containers import prepare_container, security
from saltern.targets.kubernetes.controllers import kind_of
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import (
    ANNOTATION_JOB,
    ANNOTATION_SECURITY,
    HOSTNAME,
    POD_NAME,
    Frame,
    instance,
    pod_labels,
    selector,
)
from saltern.targets.kubernetes.parts import Account, Part, empty, mount, own, scratch, together
from saltern.targets.kubernetes.pods import accounts_of, base_spec
from saltern.targets.kubernetes.services import ports_of
from saltern.targets.kubernetes.site import Request
from saltern.targets.kubernetes.storage import claim_part, claimed, memory_part, own_claims
from saltern.targets.workload import JOB_CAPABILITIES, WORKER, Job

TOOLCHAIN = own("toolchain")
REQUEST = own("request")
INSTALL = ("/mnt/bin/python3", "-I", "-S", "-B", "/mnt/worker", "install", "/media")
"""What the image with the toolchain runs: copy it from /mnt to /media."""
NOBODY = Account(65534, 65534)
RETRIES = 6
"""With pauses of 10 s, 20 s, … between them: some ten minutes in which what it needs may come up."""
SECONDS = 1800
HIDDEN = "***"
WHY = "Salt acts as the service's user, makes folders and sets owners, which only root can"


def jobs(frame: Frame) -> list[Manifest]:
    """The Jobs of a workload and the Secrets with their requests."""
    return [manifest for job in frame.workload.jobs for manifest in _job(frame, job)]


def _job(frame: Frame, job: Job) -> list[Manifest]:
    request = frame.site.of(frame.workload.name).requests.get(job.key, Request())
    files = request.files
    named = keys(files)
    parts = bins({named[path]: content for path, content in files.items()}, f"the job {frame.workload.job_name(job)}")
    base = f"{frame.workload.job_name(job)}-{request.identity[:6]}".rstrip("-")
    names = secret_names(base, len(parts))
    secrets = [secret(frame, name, part, dict.fromkeys(part, HIDDEN)) for name, part in zip(names, parts, strict=True)]
    sources = [_source(name, part, named) for name, part in zip(names, parts, strict=True)]
    template = _template(frame, job, sources)
    name = f"{instance(frame.workload)}-{job.when}-{digest(job.key, canonical(template))[:12]}"
    spec = {"backoffLimit": RETRIES, "activeDeadlineSeconds": SECONDS, "template": template}
    step = 1 if job.when == "before" else 3
    annotations = {ANNOTATION_JOB: job.when}
    made = frame.manifest("Job", name, {"spec": spec}, component=_component(job), step=step, annotations=annotations)
    return [*secrets, made]


def _component(job: Job) -> str:
    return f"job-{job.when}"


def _source(name: str, part: Mapping[str, bytes], named: Mapping[str, str]) -> dict[str, Any]:
    items = [{"key": key, "path": path} for path, key in sorted(named.items()) if key in part]
    return {"secret": {"name": name, "items": items}}


def _template(frame: Frame, job: Job, sources: list[dict[str, Any]]) -> dict[str, Any]:
    workload = frame.workload
    who = accounts_of(workload)[0]
    pod = together(
        [
            scratch(),
            memory_part(workload, workload.processes, job),
            claim_part(workload, who, job),
            Configuration(frame).for_job(),
        ]
    )
    request = {"name": REQUEST, "projected": {"defaultMode": 0o400, "sources": sources}}
    spec: dict[str, Any] = {
        **base_spec(frame, who, ()),
        "restartPolicy": "Never",
        **_named(frame),
        "affinity": _affinity(frame, job),
        "initContainers": [_installer(frame), *_prepared(frame, pod)],
        "containers": [_worker(frame, job, pod)],
        "volumes": [*pod.volumes, empty(TOOLCHAIN, memory=False), request],
    }
    metadata = {"labels": pod_labels(frame.cloud, workload, _component(job)), "annotations": {ANNOTATION_SECURITY: WHY}}
    return {"metadata": metadata, "spec": {key: value for key, value in spec.items() if value not in ([], {})}}


def _installer(frame: Frame) -> dict[str, Any]:
    return {
        "name": "toolchain",
        "image": frame.site.image(frame.site.of(frame.workload.name).installer),
        "imagePullPolicy": "IfNotPresent",
        "command": list(INSTALL),
        "securityContext": security(NOBODY, (), read_only=True),
        "volumeMounts": [mount(TOOLCHAIN, "/media")],
    }


def _prepared(frame: Frame, pod: Part) -> list[dict[str, Any]]:
    return [prepare_container(frame, Account(), pod, capabilities=JOB_CAPABILITIES)] if pod.script else []


def _named(frame: Frame) -> dict[str, str]:
    """The host name of the first pod, where that has one: some services are found, and keep data, by it."""
    if kind_of(frame.cloud, frame.workload) != "StatefulSet":
        return {}
    return {"hostname": f"{instance(frame.workload)}-0"}


def _command(frame: Frame, job: Job) -> list[str]:
    """What Salt's container runs. A job beside has the ports of the first pod's processes for its own."""
    workload = frame.workload
    ports = ports_of(workload)
    if job.when == "before" or not ports:
        return list(WORKER)
    name = instance(workload)
    first = f"{name}-0.{name}-pods" if kind_of(frame.cloud, workload) == "StatefulSet" else workload.name
    beside = ("beside", f"{first}.{frame.site.namespace}.svc", ",".join(map(str, ports)))
    return [*WORKER[:-2], *beside, *WORKER[-2:]]


def _worker(frame: Frame, job: Job, pod: Part) -> dict[str, Any]:
    return {
        "name": "salt",
        "image": frame.site.image(frame.workload.image),
        "imagePullPolicy": "IfNotPresent",
        "command": _command(frame, job),
        "workingDir": "/",
        "securityContext": security(Account(), JOB_CAPABILITIES, read_only=False),
        "volumeMounts": [
            *pod.mounts,
            mount(TOOLCHAIN, "/mnt", read_only=True),
            mount(REQUEST, "/media", read_only=True),
        ],
    }


def _affinity(frame: Frame, job: Job) -> dict[str, Any]:
    """A claim can be used on one machine at a time: a job has to be where its workload's first pod is, if it is."""
    workload = frame.workload
    if not claimed(workload, job):
        return {}
    labels = selector(frame.cloud, workload)
    if own_claims(workload):
        labels[POD_NAME] = f"{instance(workload)}-0"
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": labels}}
    if job.when == "after":
        return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    weighted = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}
