"""Removes what the cluster has of a cloud and its revision has not. Never a claim: data outlives what used it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saltern.rollout.kubernetes.runtime import ClusterRuntime

KINDS = (
    "deployment",
    "statefulset",
    "daemonset",
    "job",
    "service",
    "ingress",
    "networkpolicy",
    "poddisruptionbudget",
    "serviceaccount",
    "secret",
)


def prune(runtime: ClusterRuntime, wanted_objects: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Remove the objects of the cloud that are not among those wanted; returns them as ``kind/name``."""
    wanted = {(str(one["kind"]).lower(), str(one["metadata"]["name"])) for one in wanted_objects}
    there = {
        (str(one["kind"]).lower(), str(one["metadata"]["name"])) for one in runtime.kubectl.get(KINDS, runtime.selector)
    }
    gone = sorted(there - wanted)
    for kind in KINDS:
        runtime.kubectl.delete(kind, [name for of, name in gone if of == kind], wait=False)
    return tuple(f"{kind}/{name}" for kind, name in gone)
