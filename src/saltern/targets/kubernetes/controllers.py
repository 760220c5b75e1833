"""What keeps pods running: a Deployment, a StatefulSet where something has a name or data, or a DaemonSet."""

from __future__ import annotations

from typing import Any

from saltern.base.errors import ConfigError, Problem
from saltern.formulas.metadata import hosts_named
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import Frame, instance, selector
from saltern.targets.kubernetes.pods import service_pod
from saltern.targets.kubernetes.storage import claimed, own_claims, templates
from saltern.targets.workload import Cloud, Workload

HISTORY = 5
"""Revisions that the cluster keeps of each."""


def kind_of(cloud: Cloud, workload: Workload) -> str:
    """Which controller a workload has."""
    if workload.kubernetes.every_machine:
        return "DaemonSet"
    return "StatefulSet" if claimed(workload) or is_addressed(cloud, workload) else "Deployment"


def is_addressed(cloud: Cloud, workload: Workload) -> bool:
    """Whether somebody talks to its replicas one by one: a balancer, or who names one in its configuration."""
    if workload.replicas == 1:
        return False
    names = {workload.hostname(number) for number in range(1, workload.replicas + 1)}
    return any(names & hosts_named(other.peers, other.balancer) for other in cloud.workloads)


def controller(frame: Frame) -> Manifest:
    """The controller of a workload's processes."""
    kind = kind_of(frame.cloud, frame.workload)
    spec: dict[str, Any] = {
        "revisionHistoryLimit": HISTORY,
        "selector": {"matchLabels": selector(frame.cloud, frame.workload)},
        **_OWN[kind](frame),
        "template": service_pod(frame),
    }
    if kind == "StatefulSet" and own_claims(frame.workload):
        spec["volumeClaimTemplates"] = templates(frame)
    return frame.manifest(kind, instance(frame.workload), {"spec": spec}, step=2)


def _deployment(frame: Frame) -> dict[str, Any]:
    """A new pod is ready before an old one goes."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {"replicas": frame.workload.replicas, "strategy": rolling}


def _stateful_set(frame: Frame) -> dict[str, Any]:
    """Updated one by one, from the last; started side by side, or one that cannot start would hold back its repair."""
    return {
        "replicas": frame.workload.replicas,
        "serviceName": f"{instance(frame.workload)}-pods",
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    }


def _daemon_set(frame: Frame) -> dict[str, Any]:
    """One machine after the other."""
    own = [volume.path for volume in own_claims(frame.workload)]
    if own:
        raise ConfigError(
            Problem(
                f"{path} of {frame.workload.node} would be one volume for all machines",
                details="a node with a pod on every machine can keep no data but what its formula calls `shared`",
                resolution="remove `kubernetes: {every_machine: true}` from the node",
                node=frame.workload.node,
            )
            for path in own
        )
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}


_OWN = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}


def budget(frame: Frame) -> list[Manifest]:
    """How many pods a drained machine may take at a time."""
    if frame.workload.replicas == 1:
        return []
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(frame.cloud, frame.workload)}}
    return [frame.manifest("PodDisruptionBudget", instance(frame.workload), {"spec": spec})]
