"""Pod templates: a replica of a node, all of its processes in one pod, as they are on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltern.images.process import Process
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.configuration import Configuration
from saltern.targets.kubernetes.containers import (
    BASELINE,
    DRAIN,
    RESTRICTED,
    prepare_container,
    service_container,
)
from saltern.targets.kubernetes.metadata import (
    ANNOTATION_SECURITY,
    HOSTNAME,
    Frame,
    instance,
    pod_labels,
    selector,
)
from saltern.targets.kubernetes.parts import Account, Part, device_part, scratch, together
from saltern.targets.kubernetes.storage import claim_part, memory_part
from saltern.targets.workload import Workload


def service_pod(frame: Frame) -> dict[str, Any]:
    """The template of the pods that run a workload's processes."""
    workload = frame.workload
    accounts = accounts_of(workload)
    configuration = Configuration(frame).for_processes(accounts)
    parts, prepared = {}, []
    for number, who in enumerate(accounts, 1):
        own = [p for p in workload.processes if Account.of(p.user) == who]
        data = claim_part(workload, who)
        if number > 1:  # the first one's user makes the folders of the data
            data = Part(data.volumes, data.mounts)
        parts[who] = together([scratch(), memory_part(workload, own), data, configuration[who]])
        capabilities = {capability for process in own for capability in process.capabilities}
        if parts[who].script:
            prepared.append(prepare_container(frame, who, parts[who], number, sorted(capabilities)))
    spec: dict[str, Any] = {
        **base_spec(frame, accounts[0], workload.processes),
        "initContainers": prepared,
        "containers": [
            service_container(frame, p, together([parts[Account.of(p.user)], device_part(p)]))
            for p in workload.processes
        ],
        "terminationGracePeriodSeconds": DRAIN + max(p.stop_timeout for p in workload.processes),
        "topologySpreadConstraints": _spread(frame),
        "volumes": list(together([*parts.values(), *map(device_part, workload.processes)]).volumes),
    }
    reasons = exceptions(workload.processes)
    if workload.kubernetes.host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
        reasons.append(f"it shares the machine's network, as {workload.node} says")
    metadata: dict[str, Any] = {"labels": pod_labels(frame.cloud, workload)}
    if reasons:
        metadata["annotations"] = {ANNOTATION_SECURITY: "; ".join(reasons)}
    return {"metadata": metadata, "spec": {key: value for key, value in spec.items() if value not in ([], {})}}


def accounts_of(workload: Workload) -> list[Account]:
    """The users of a workload's processes, in their order."""
    return list(dict.fromkeys(Account.of(process.user) for process in workload.processes)) or [Account()]


def base_spec(frame: Frame, who: Account, processes: Sequence[Process]) -> dict[str, Any]:
    """What pods of processes and of jobs have in common.

    ``enableServiceLinks``: the variables that it would make, like ``KEYSTONE_PORT=tcp://…``, are read by some services.
    """
    context: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if who.gid:
        context |= {"fsGroup": who.gid, "fsGroupChangePolicy": "OnRootMismatch"}
    low = any(p.user and "NET_BIND_SERVICE" in p.capabilities for p in processes)
    if low and frame.site.version >= versions.UNPRIVILEGED_PORTS:  # a capability is no use to a user that is not root
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    selected = frame.workload.kubernetes.node_selector
    return {
        "serviceAccountName": instance(frame.workload),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": context,
        **({"nodeSelector": dict(sorted(selected.items()))} if selected else {}),
    }


def exceptions(processes: Sequence[Process]) -> list[str]:
    """Why the pod of some processes does not satisfy the restricted standard; none where it does."""
    found = [f"{p.name} runs as root, as {p.source} says" for p in processes if not Account.of(p.user).uid]
    for process in processes:
        beyond = sorted({*process.capabilities} - RESTRICTED)
        if beyond:
            found.append(f"{process.name} keeps the capabilities {', '.join(beyond)}")
        if process.devices:
            found.append(f"{process.name} uses the machine's {', '.join(process.devices)}")
    return found


def level(workloads: Sequence[Workload]) -> str:
    """The Pod Security Standard that all pods of these workloads satisfy. Jobs are root, with few capabilities."""
    processes = [process for workload in workloads for process in workload.processes]
    if any(workload.kubernetes.host_network for workload in workloads) or any(
        process.devices or {*process.capabilities} - BASELINE for process in processes
    ):
        return "privileged"
    jobs = any(workload.jobs for workload in workloads)
    return "baseline" if jobs or exceptions(processes) else "restricted"


def _spread(frame: Frame) -> list[dict[str, Any]]:
    if frame.workload.replicas == 1:
        return []
    return [
        {
            "maxSkew": 1,
            "topologyKey": HOSTNAME,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(frame.cloud, frame.workload)},
        }
    ]
