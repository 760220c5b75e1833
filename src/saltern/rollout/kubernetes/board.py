"""One ConfigMap in which a program that works by itself tells people where it stands, and people answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.targets.kubernetes.metadata import MANAGED_BY, MANAGER

APPROVE = "saltern.io/approve"
"""Annotation with which people approve a plan; its value is the plan's id."""
SINCE = "since"


@dataclass(frozen=True)
class Board:
    """The ConfigMap of that name."""

    kubectl: Kubectl
    name: str

    def read(self) -> tuple[Mapping[str, str], str]:
        """What was written last (empty where nothing was), and the approval, "" where there is none."""
        found = self.kubectl.find("configmap", self.name)
        if found is None:
            return {}, ""
        annotations = found["metadata"].get("annotations") or {}
        return found.get("data") or {}, str(annotations.get(APPROVE, "")).strip()

    def write(self, data: Mapping[str, str]) -> None:
        """Replace what it says; the approval, which is not ours, stays. Since when is said too."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self.kubectl.apply(
            [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": self.name, "labels": {MANAGED_BY: MANAGER}},
                    "data": {**data, SINCE: since},
                }
            ],
            force=True,
        )
