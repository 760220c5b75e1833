"""Names, labels and annotations of objects, and the frame that all of them have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.store import digest
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.site import Site
from saltern.targets.kubernetes.versions import api
from saltern.targets.workload import Cloud, Workload

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
VERSION = "app.kubernetes.io/version"
HOSTNAME = "kubernetes.io/hostname"
POD_NAME = "statefulset.kubernetes.io/pod-name"

ANNOTATION_NODE = "io.saltern.node"
ANNOTATION_ORIGIN = "io.saltern.origin"
ANNOTATION_REVISION = "io.saltern.revision"
ANNOTATION_JOB = "io.saltern.job"
"""``before`` or ``after``."""
ANNOTATION_SECURITY = "io.saltern.security"
"""Why a pod does not satisfy the restricted Pod Security Standard."""
WAVE = "argocd.argoproj.io/sync-wave"
"""In which order Argo CD applies objects; nothing else reads it."""

SERVICE = "service"
"""The component of pods that run a node's processes."""
MANAGER = "saltern"
LONGEST = 63


def dns(text: str) -> str:
    """The nearest name that is a DNS label; a long one keeps its begin, and a digest."""
    label = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "x"
    return label if len(label) <= LONGEST else f"{label[:52].rstrip('-')}-{digest(text)[:10]}"


def instance(workload: Workload) -> str:
    """The name of a workload's objects."""
    return workload.fresh(workload.name)


def selector(cloud: Cloud, workload: Workload, component: str = SERVICE) -> dict[str, str]:
    """The labels that find a workload's pods; they never change. ``component`` "": its jobs' too."""
    found = {INSTANCE: instance(workload), PART_OF: cloud.name}
    return found | ({COMPONENT: component} if component else {})


def pod_labels(cloud: Cloud, workload: Workload, component: str = SERVICE) -> dict[str, str]:
    """The labels of a pod: what finds it, and what it runs. No revision: each commit would replace every pod."""
    name, _, key = workload.image.rpartition("/")[2].partition(":")
    labels = {
        NAME: _label(name),
        INSTANCE: instance(workload),
        COMPONENT: component,
        PART_OF: cloud.name,
        MANAGED_BY: MANAGER,
        VERSION: _label(key),
    }
    return {key: value for key, value in labels.items() if value}


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:LONGEST].strip("_.-")


@dataclass(frozen=True)
class Frame:
    """What the objects of one workload have in common; ``wave`` is the place of its first job in the cloud's order."""

    cloud: Cloud
    site: Site
    workload: Workload
    wave: int = 0

    def manifest(
        self, kind: str, name: str, body: Mapping[str, Any], masked: Mapping[str, Any] | None = None, **more: Any
    ) -> Manifest:
        """An object; ``more``: ``component``, ``step`` (0 first, 1 before, 2 processes, 3 after), ``annotations``."""
        annotations = {**self._annotations(more.get("step", 0)), **more.get("annotations", {})}
        component = more.get("component", SERVICE)
        metadata = {
            "name": name,
            "namespace": self.site.namespace,
            "labels": pod_labels(self.cloud, self.workload, component),
            "annotations": dict(sorted(annotations.items())),
        }
        head = {"apiVersion": api(kind, self.site.version), "kind": kind, "metadata": metadata}
        shown = None if masked is None else {**head, **masked}
        return Manifest(kind, name, {**head, **body}, shown)

    def _annotations(self, step: int) -> dict[str, str]:
        found = {
            ANNOTATION_NODE: self.workload.node,
            ANNOTATION_ORIGIN: self.site.of(self.workload.name).origin,
            ANNOTATION_REVISION: self.site.revision,
            WAVE: str(self.wave * 3 + step if step else 0),
        }
        return {key: value for key, value in found.items() if value}
