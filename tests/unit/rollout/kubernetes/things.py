"""Objects of the cloud "lab" as a cluster would list them."""

from __future__ import annotations

from typing import Any

from saltern.targets.kubernetes.units import LABEL_SERVICE

OURS = {"app.kubernetes.io/part-of": "lab", "app.kubernetes.io/managed-by": "saltern"}
DONE = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2, "replicas": 2}
"""The status of a workload object whose two replicas serve."""


def workload(kind: str = "Deployment", name: str = "web", *, user: int = 200, **status: Any) -> dict[str, Any]:
    """A workload object of two replicas, or a Job, whose pods have the label ``app=NAME``."""
    main = {"name": "main", "image": "web:1", "securityContext": {"runAsUser": user}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "generation": 1, "labels": OURS, "annotations": {LABEL_SERVICE: name}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [main]}},
        },
        "status": status,
    }


def pod(name: str, of: str = "web", *, ready: bool = True, user: int = 200, **status: Any) -> dict[str, Any]:
    """A running pod of a workload object or Job."""
    main = {"name": "main", "securityContext": {"runAsUser": user}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": of, "job-name": of}},
        "spec": {"containers": [main, {"name": "beside"}]},
        "status": {"phase": "Running", "conditions": conditions, **status},
    }


def waiting(reason: str, *, restarts: int = 0) -> dict[str, Any]:
    """The part of a pod's status that says what its container waits for."""
    state = {"waiting": {"reason": reason, "message": "so it is"}}
    return {"containerStatuses": [{"name": "main", "restartCount": restarts, "state": state}]}
