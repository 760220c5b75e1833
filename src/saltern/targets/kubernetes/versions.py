"""Which API versions a Kubernetes of some version serves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from saltern.base.errors import Problem, UsageError

Version = tuple[int, int]

DEFAULT = "1.36"
"""The version that manifests are for when nobody says another: one that is current when this is written (2026-11)."""

OLDEST: Version = (1, 20)

UNPRIVILEGED_PORTS: Version = (1, 22)
"""Since then a pod may say, by a sysctl that counts as safe, that any user may open low ports."""

APIS: Mapping[str, tuple[tuple[Version, str], ...]] = {
    "DaemonSet": (((1, 9), "apps/v1"),),
    "Deployment": (((1, 9), "apps/v1"),),
    "Ingress": (((1, 19), "networking.k8s.io/v1"),),
    "Job": (((1, 2), "batch/v1"),),
    "Namespace": (((1, 0), "v1"),),
    "NetworkPolicy": (((1, 7), "networking.k8s.io/v1"),),
    "PersistentVolumeClaim": (((1, 0), "v1"),),
    "PodDisruptionBudget": (((1, 21), "policy/v1"), ((1, 5), "policy/v1beta1")),
    "Secret": (((1, 0), "v1"),),
    "Service": (((1, 0), "v1"),),
    "ServiceAccount": (((1, 0), "v1"),),
    "StatefulSet": (((1, 9), "apps/v1"),),
}
"""Kind → the versions of Kubernetes that brought an API version, the newest first."""


def parse(text: str) -> Version:
    """``1.31``, ``v1.31.4`` → ``(1, 31)``; raises UsageError."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?\S*", text)
    version = (int(found[1]), int(found[2])) if found else None
    if version is None or version < OLDEST:
        raise UsageError(
            Problem(
                f"{text!r} is no version of Kubernetes that manifests can be made for",
                resolution=f"give one from {OLDEST[0]}.{OLDEST[1]} on, e.g. --kubernetes-version {DEFAULT}",
            )
        )
    return version


def api(kind: str, version: Version) -> str:
    """The API version of a kind that a server of this version serves."""
    return next(name for since, name in APIS[kind] if version >= since)
