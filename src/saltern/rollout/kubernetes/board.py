"""Two ConfigMaps: in one a program that works by itself tells people where it stands, in the other they answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.targets.kubernetes.access import approval_of
from saltern.targets.kubernetes.metadata import MANAGED_BY, MANAGER

APPROVE = "saltern.io/approve"
"""Annotation with which people approve a plan; its value is the plan's id."""
SINCE = "since"


@dataclass(frozen=True)
class Board:
    """The ConfigMap of that name, and the one with the approval."""

    kubectl: Kubectl
    name: str

    def read(self) -> tuple[Mapping[str, str], str]:
        """What was written last (empty where nothing was), and the approval, "" where there is none.

        Makes the ConfigMap with the approval where it is missing: only what is there can be annotated.
        """
        found = self.kubectl.find("configmap", self.name) or {}
        answer = self.kubectl.find("configmap", approval_of(self.name))
        if answer is None:
            answer = _config_map(approval_of(self.name))
            self.kubectl.create(answer)
        annotations = answer["metadata"].get("annotations") or {}
        return found.get("data") or {}, str(annotations.get(APPROVE, "")).strip()

    def write(self, data: Mapping[str, str]) -> None:
        """Replace what it says. Since when is said too."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self.kubectl.apply([{**_config_map(self.name), "data": {**data, SINCE: since}}], force=True)


def _config_map(name: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {MANAGED_BY: MANAGER}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
