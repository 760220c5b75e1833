"""A whole cloud as manifests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from saltern.base.errors import ConfigError, Place, Problem
from saltern.targets.kubernetes.configuration import Configuration
from saltern.targets.kubernetes.controllers import budget, controller
from saltern.targets.kubernetes.jobs import jobs
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import (
    ANNOTATION_REVISION,
    LONGEST,
    MANAGED_BY,
    MANAGER,
    PART_OF,
    Frame,
    instance,
)
from saltern.targets.kubernetes.pods import level
from saltern.targets.kubernetes.policies import Topology, policy
from saltern.targets.kubernetes.services import services
from saltern.targets.kubernetes.site import Site
from saltern.targets.kubernetes.storage import claims
from saltern.targets.kubernetes.versions import api
from saltern.targets.workload import Cloud, Workload

LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
"""RFC 1035: what the name of a Service must be."""


def project(cloud: Cloud, site: Site) -> tuple[Manifest, ...]:
    """All objects, sorted by their files' names. Raises ConfigError for what Kubernetes could not take."""
    if problems := [*_unnamed(cloud, site), *_full_names(cloud, site)]:
        raise ConfigError(problems)
    known = Topology(cloud)
    found = [_namespace(cloud, site)]
    problems = []
    for wave, workloads in enumerate(cloud.ordered()):
        for workload in workloads:
            try:
                found += _objects(Frame(cloud, site, workload, wave), known)
            except ConfigError as error:
                problems += error.problems
    if problems := [*problems, *_twice(found)]:
        raise ConfigError(problems)
    return tuple(sorted(found, key=lambda m: m.path))


def _objects(frame: Frame, known: Topology) -> list[Manifest]:
    found = [_account(frame), *Configuration(frame).secrets(), *claims(frame), *jobs(frame), policy(frame, known)]
    if frame.workload.processes:
        found += [controller(frame), *budget(frame), *services(frame)]
    return found


def _namespace(cloud: Cloud, site: Site) -> Manifest:
    """The namespace: it holds its pods to the standard that they satisfy, and warns of those below the best one."""
    enforced = level(cloud.workloads)
    labels = {
        MANAGED_BY: MANAGER,
        PART_OF: cloud.name,
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/enforce": enforced,
        "pod-security.kubernetes.io/warn": "restricted",
    }
    metadata = {"name": site.namespace, "labels": labels}
    if site.revision:
        metadata["annotations"] = {ANNOTATION_REVISION: site.revision}
    data = {"apiVersion": api("Namespace", site.version), "kind": "Namespace", "metadata": metadata}
    return Manifest("Namespace", site.namespace, data)


def _account(frame: Frame) -> Manifest:
    """The pods' account: it may do nothing in the cluster, and its token is in no pod."""
    body: dict[str, object] = {"automountServiceAccountToken": False}
    if pull := frame.site.settings.pull_secrets:
        body["imagePullSecrets"] = [{"name": name} for name in pull]
    return frame.manifest("ServiceAccount", instance(frame.workload), body)


def _unnamed(cloud: Cloud, site: Site) -> Iterator[Problem]:
    for workload in cloud.workloads:
        longest = max(len(workload.hostname(workload.replicas)), len(f"{instance(workload)}-before-{'0' * 20}"))
        if not LABEL.fullmatch(workload.name) or longest > LONGEST:
            yield Problem(
                f"{workload.name!r} cannot be the name of a Service of Kubernetes",
                _places(workload, site),
                details="it has to be lower-case letters, digits and dashes, to begin with a letter, and to be short",
                resolution="rename the node: the part before the first dot counts",
                node=workload.node,
            )


def _full_names(cloud: Cloud, site: Site) -> Iterator[Problem]:
    """A Service has a name without dots, so a node cannot be called by its full name."""
    full = {w.node: w.name for w in cloud.workloads if w.node != w.name}
    for workload in cloud.workloads:
        for host in sorted({c.host for c in workload.peers} & {*full}):
            yield Problem(
                f"{workload.node} connects to {host}, a name that Kubernetes does not know",
                _places(workload, site),
                details="a Service is reached by the node's short name",
                resolution=f"let the configuration say {full[host]}",
                node=workload.node,
            )


def _places(workload: Workload, site: Site) -> tuple[Place, ...]:
    origin = site.of(workload.name).origin
    return (Place(origin),) if origin else ()


def _twice(found: list[Manifest]) -> Iterator[Problem]:
    for (kind, name), count in sorted(Counter((m.kind, m.name) for m in found).items()):
        if count > 1:
            yield Problem(
                f"two nodes would both have a {kind} {name!r}",
                resolution="rename one of them: names with -pods, -public and a number at the end are made from others",
            )
