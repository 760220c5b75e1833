"""Workloads → a Compose file (specification form), deterministic and usable by hand. Pure.

Source: the Compose specification (compose-spec). ``docker compose``, docker-compose 1.29 and podman-compose read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from saltern.base.store import canonical, digest
from saltern.base.yamltext import block_text
from saltern.formulas.metadata import Probe, Volume
from saltern.images.process import Process
from saltern.model.settings import Publish
from saltern.targets.live import kept_of, live_of
from saltern.targets.workload import ALWAYS_TMPFS, JOB_CAPABILITIES, WORKER, Cloud, Instance, Job, Workload

LABEL_CLOUD = "io.saltern.cloud"
LABEL_NODE = "io.saltern.node"
LABEL_WORKLOAD = "io.saltern.workload"
LABEL_PROCESS = "io.saltern.process"
LABEL_REPLICA = "io.saltern.replica"
"""The number of a replicated workload's instance, from 1."""
LABEL_GENERATION = "io.saltern.generation"
"""Which of a workload's fresh instances it is, where it is not the first."""
LABEL_PROBE = "io.saltern.probe"
LABEL_PUBLISH = "io.saltern.publish"
LABEL_JOB = "io.saltern.job"
"""``before`` or ``after``."""
LABEL_RELOAD = "io.saltern.reload"
"""The process takes over changed configuration: no part of the hash, and what it runs with is not in the label."""
LABEL_ROLE = "io.saltern.role"
"""``process`` or ``job``."""
LABEL_HASH = "io.saltern.hash"
"""Of everything that defines the container; equal hash, equal container, but for what a process can take over."""


def render(data: Mapping[str, Any]) -> str:
    """What :func:`project` made, as text; equal clouds give equal bytes."""
    header = "# Made by saltern; edit the model instead. Works by hand too: docker compose -f THIS up -d\n"
    return header + block_text(dict(data))


def project(cloud: Cloud, engine: str) -> dict[str, Any]:
    """The Compose file as data.

    It has no ``name``, which docker-compose 1.29 refuses: the file's folder names the project. The processes of a
    node's replica share the network of the first of them, as on a machine. ``engine`` matters in one place: with podman
    a container that shares another's network does not share its host name, and has to be told; with docker it does, and
    must not be told.
    """
    services: dict[str, Any] = {}
    volumes: dict[str, Any] = {}
    for workload in cloud.workloads:
        volumes |= _volumes(cloud, workload)
        for one in workload.instances():
            carrier = workload.carrier(one.number)
            # a container in another's network goes with that one
            beside = "" if one.service == carrier else services[carrier]["labels"][LABEL_HASH]
            service = _service(cloud, workload, one, engine)
            services[one.service] = _labelled(service, cloud, workload, _about(workload, one), beside)
        for job in workload.jobs:
            labels = {LABEL_ROLE: "job", LABEL_JOB: job.when, **_generation(workload)}
            services[workload.job_name(job)] = _labelled(_job(cloud, workload, job, engine), cloud, workload, labels)
    network = {"name": network_name(cloud.name), "labels": {LABEL_CLOUD: cloud.name}}
    return {
        "services": dict(sorted(services.items())),
        "networks": {"cloud": network},
        "volumes": dict(sorted(volumes.items())),
        "x-podman": {"in_pod": False},
    }


def network_name(cloud: str) -> str:
    """The name of the cloud's network in the engine."""
    return f"saltern-{cloud}"


def container_name(cloud: str, service: str) -> str:
    """The name of a service's container in the engine."""
    return f"{cloud}-{service}"


def _labelled(
    service: dict[str, Any], cloud: Cloud, workload: Workload, extra: Mapping[str, str], beside: str = ""
) -> dict[str, Any]:
    """Add the labels. What is waited for is no part of the hash: another job before it makes no other container.

    ``beside`` is the hash of the container whose network it shares, "" where it has one of its own.
    """
    what: Any = {key: value for key, value in service.items() if key != "depends_on"}
    labels = {LABEL_CLOUD: cloud.name, LABEL_NODE: workload.node, LABEL_WORKLOAD: workload.name, **extra}
    hashed = digest(canonical([what, beside] if beside else what))[:24]
    return {**service, "labels": {**labels, LABEL_HASH: hashed}}


def _about(workload: Workload, one: Instance) -> dict[str, str]:
    """Labels that let ``status`` probe and name a process without the model."""
    process = one.process
    ports = _published(workload, one)
    labels = {LABEL_ROLE: "process", LABEL_PROCESS: process.name}
    if workload.replicas > 1:
        labels[LABEL_REPLICA] = str(one.number)
    labels |= _generation(workload)
    if live_of(workload, one) is not None:
        labels[LABEL_RELOAD] = "yes"
    if process.probe:
        labels[LABEL_PROBE] = _escape(canonical(asdict(process.probe)))
    if ports:
        labels[LABEL_PUBLISH] = _escape(canonical([_shown(p) for p in ports]))
    return labels


def _shown(publish: Publish) -> dict[str, Any]:
    """Without what only Kubernetes reads."""
    return {key: value for key, value in asdict(publish).items() if key != "host"}


def _generation(workload: Workload) -> dict[str, str]:
    return {LABEL_GENERATION: str(workload.generation)} if workload.generation > 1 else {}


def _published(workload: Workload, one: Instance) -> list[Publish]:
    """The ports that users reach a process at; one that no process names is taken for the first's."""
    named = {port for process in workload.processes for port in process.ports}
    is_first = one.process is workload.processes[0]
    return [p for p in workload.publish if p.port in one.process.ports or (is_first and p.port not in named)]


def _service(cloud: Cloud, workload: Workload, one: Instance, engine: str) -> dict[str, Any]:
    process, carrier = one.process, workload.carrier(one.number)
    carries = one.service == carrier
    beside = [] if carries else [(carrier, {"condition": "service_started"})]
    service: dict[str, Any] = {
        "image": workload.image,
        "container_name": container_name(cloud.name, one.service),
        "hostname": one.hostname if carries or engine == "podman" else "",
        "command": [_escape(word) for word in process.command],
        "networks": {"cloud": {"aliases": _names(workload, one.number)}} if carries else {},
        "network_mode": "" if carries else f"service:{carrier}",
        "user": process.user or "0:0",
        "environment": {key: _escape(value) for key, value in process.environment.items()},
        "working_dir": process.working_dir,
        "read_only": process.read_only,
        "cap_drop": ["ALL"],
        "cap_add": list(process.capabilities),
        "security_opt": ["no-new-privileges"],
        "tmpfs": list(ALWAYS_TMPFS),
        "volumes": [
            *_data_mounts(workload, one.number),
            *_config_mounts(workload, one),
            *_memory_mounts(workload, one.number, process),
        ],
        "devices": [f"{device}:{device}" for device in process.devices],
        "ports": [f"{p.address}:{p.port}" for p in workload.publish] if carries else [],
        "stop_signal": process.stop_signal,
        "stop_grace_period": f"{process.stop_timeout}s",
        "mem_limit": workload.memory,
        "healthcheck": _healthcheck(process.probe),
        "depends_on": dict(sorted([*_dependencies(cloud, workload, None), *beside])),
        "restart": "unless-stopped",
    }
    return {key: value for key, value in service.items() if value not in ("", [], {}, None)}


def _names(workload: Workload, number: int) -> list[str]:
    """Under which a replica is reached."""
    services = {one.service for one in workload.instances() if one.number == number}
    return sorted({workload.name, workload.node, workload.hostname(number), *services})


def _job(cloud: Cloud, workload: Workload, job: Job, engine: str) -> dict[str, Any]:
    beside = workload.carrier() if job.when == "after" else ""
    runtime = _memory_mounts(workload, 1, *workload.processes)
    service: dict[str, Any] = {
        "image": workload.image,
        "container_name": container_name(cloud.name, workload.job_name(job)),
        "command": list(WORKER),
        "user": "0:0",
        "cap_drop": ["ALL"],
        "cap_add": list(JOB_CAPABILITIES),
        "security_opt": ["no-new-privileges"],
        "tmpfs": list(ALWAYS_TMPFS),
        "volumes": [
            *_data_mounts(workload, 1),
            *_config_mounts(workload, None),
            *runtime,
            {
                "type": "volume",
                "source": "toolchain-" + job.toolchain.rpartition("-")[2],
                "target": "/mnt",
                "read_only": True,
            },
            {"type": "bind", "source": job.request, "target": "/media", "read_only": True},
        ],
        "depends_on": dict(sorted(_dependencies(cloud, workload, job))),
        "restart": "no",
    }
    if beside:
        service["network_mode"] = f"service:{beside}"
    if not beside or engine == "podman":
        service["hostname"] = workload.hostname()
    if not beside:
        service["networks"] = {"cloud": {}}
    return {key: value for key, value in service.items() if value not in ("", {}, None)}


def _escape(text: str) -> str:
    """Compose interpolates ``$``; a unit's own is meant for the container."""
    return text.replace("$", "$$")


def _data_mounts(workload: Workload, number: int) -> list[dict[str, Any]]:
    return [
        {"type": "volume", "source": _key_of(workload, volume, number), "target": volume.path}
        for volume in workload.volumes
    ]


def _config_mounts(workload: Workload, one: Instance | None) -> list[dict[str, Any]]:
    """The rendered files of a container; None: of a job, which has them as they were rendered."""
    kept = kept_of(workload, one) if one is not None else None
    places = [(m.source, m.target) for m in (workload.config_of(one.process) if one else workload.config)]
    if kept is not None:
        places = [(m.place, m.target) for m in kept.mounts]
    return [{"type": "bind", "source": source, "target": target, "read_only": True} for source, target in places]


def _key_of(workload: Workload, volume: Volume, number: int) -> str:
    """Replicas share data, and each has memory of its own."""
    if volume.kind == "borrowed":
        return f"{volume.of}-{volume.name}"
    return f"{workload.hostname(number) if volume.kind == 'runtime' else workload.fresh(workload.name)}-{volume.name}"


def data_volume(cloud: str, workload: Workload, volume: Volume) -> str:
    """The name in the engine of a volume that holds data; the workload's replicas share it."""
    return f"{cloud}-{_key_of(workload, volume, 1)}"


def _memory_key(workload: Workload, path: str, number: int) -> str:
    return f"{workload.hostname(number)}-{path.strip('/').replace('/', '-')}"


def _memory_mounts(workload: Workload, number: int, *processes: Process) -> list[dict[str, Any]]:
    """Volumes of the kind tmpfs, because a plain ``tmpfs`` mount belongs to root, whatever it is told, when the image
    has the folder (runc 1.1).
    """
    return [
        {"type": "volume", "source": _memory_key(workload, path, number), "target": path}
        for path in sorted(workload.memory_directories(*processes))
    ]


def _volumes(cloud: Cloud, workload: Workload) -> dict[str, Any]:
    found: dict[str, Any] = {}
    owner = workload.processes[0].user if workload.processes else ""
    for number in range(1, workload.replicas + 1):
        for volume in (v for v in workload.volumes if v.kind != "borrowed"):
            memory = _memory(owner, "0755") if volume.kind == "runtime" else {}
            key = _key_of(workload, volume, number)
            found[key] = _volume(cloud, workload, key, memory)
        for path, directory in workload.memory_directories(*workload.processes).items():
            key = _memory_key(workload, path, number)
            found[key] = _volume(cloud, workload, key, _memory(directory.owner or "", directory.mode))
    for job in workload.jobs:
        name = "toolchain-" + job.toolchain.rpartition("-")[2]
        found[name] = {"name": job.toolchain, "external": True}
    return found


def _memory(owner: str, mode: str) -> dict[str, Any]:
    uid, _, gid = (owner or "0:0").partition(":")
    options = f"uid={uid},gid={gid},mode={mode},nosuid,nodev"
    return {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": options}}


def _volume(cloud: Cloud, workload: Workload, key: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{cloud.name}-{key}", **extra, "labels": {LABEL_CLOUD: cloud.name, LABEL_NODE: workload.node}}


def _healthcheck(probe: Probe | None) -> dict[str, Any]:
    if probe is None:
        return {}
    test: list[str]
    if probe.kind == "exec":
        test = ["CMD", *probe.command]
    elif probe.kind == "tcp":
        test = ["CMD", "bash", "-c", f": < /dev/tcp/127.0.0.1/{probe.port}"]
    else:
        request = f"GET {probe.path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n"
        script = f"exec 3<>/dev/tcp/127.0.0.1/{probe.port}; printf '{request}' >&3; head -1 <&3 | grep -q ' [23]'"
        test = ["CMD", "bash", "-c", script]
    retries = max(probe.timeout // 5, 1)
    test = [_escape(word) for word in test]
    return {"test": test, "interval": "5s", "timeout": "5s", "retries": retries}


def _dependencies(cloud: Cloud, workload: Workload, job: Job | None) -> Iterator[tuple[str, dict[str, str]]]:
    for name in workload.needs:
        other = cloud.by_name.get(name)
        if other is None or name == workload.name:
            continue
        yield from map(_ready, other.instances())
        yield from ((other.job_name(j), {"condition": "service_completed_successfully"}) for j in other.jobs)
    own_first = [j for j in workload.jobs if j.when == "before"]
    if job is None:
        yield from ((workload.job_name(j), {"condition": "service_completed_successfully"}) for j in own_first)
    elif job.when == "after":
        yield from map(_ready, workload.instances())


def _ready(one: Instance) -> tuple[str, dict[str, str]]:
    return one.service, {"condition": "service_healthy" if one.process.probe else "service_started"}
