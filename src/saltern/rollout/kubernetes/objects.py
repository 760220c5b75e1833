"""What the cluster says of the cloud's objects, as containers and as reasons why they are not ready. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.images.engine import Container, Mount
from saltern.targets.compose import container_name
from saltern.targets.kubernetes.units import LABEL_SERVICE

WORKLOAD_KINDS = ("deployment", "statefulset", "daemonset")
POD_KINDS = (*WORKLOAD_KINDS, "job")

STUCK = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")
"""Reasons for waiting of which nothing comes by itself soon."""
LATE = "failed to sync"
"""What a kubelet says of a Secret or ConfigMap that has not come to it yet; the next try of a busy one finds it."""
STUCK_SECONDS = 20.0
"""How long a pod may wait for what is not there before waiting for it is given up."""
CLAIM_SECONDS = 60.0
"""The same for a volume that the cluster's storage refused; it tries again by itself."""
MACHINE_SECONDS = 300.0
"""The same for a machine with room; clusters that add machines need minutes."""
CRASHING = "CrashLoopBackOff"


def container_of(cloud: str, thing: Mapping[str, Any]) -> Container:
    """A workload object or a Job as what a container engine would list; replicas are one container."""
    meta, spec = thing["metadata"], _pod_spec(thing)
    main = spec["containers"][0]
    state, code = _job_state(thing) if thing["kind"] == "Job" else (_workload_state(thing), 0)
    labels = {**meta.get("annotations", {}), **meta.get("labels", {})}
    return Container(
        id=f"{meta['uid']}:{meta.get('generation', 0)}",
        name=container_name(cloud, labels.get(LABEL_SERVICE, meta["name"])),
        image=str(main.get("image", "")).partition("@")[0],
        state=state,
        exit_code=code,
        labels={key: str(value) for key, value in labels.items() if key.startswith("io.saltern.")},
        started_at=str(meta.get("creationTimestamp", "")),
        mounts=tuple(_data_mounts(thing, spec, main)),
    )


def _pod_spec(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = thing["spec"]["template"]["spec"]
    return found


def _data_mounts(thing: Mapping[str, Any], spec: Mapping[str, Any], main: Mapping[str, Any]) -> Iterator[Mount]:
    """The claims that the main container mounts, by the names of the claims of the first replica."""
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in spec.get("volumes", ()) if claim_in(v)}
    for template in thing["spec"].get("volumeClaimTemplates", ()):
        name = template["metadata"]["name"]
        claims[name] = f"{name}-{thing['metadata']['name']}-0"
    for one in main.get("volumeMounts", ()):
        if one["name"] in claims:
            yield Mount(claims[one["name"]], one["mountPath"], read_only=bool(one.get("readOnly")))


def claim_in(volume: Mapping[str, Any]) -> bool:
    """Whether a pod's volume is a claim."""
    return "persistentVolumeClaim" in volume


def _workload_state(thing: Mapping[str, Any]) -> str:
    """``running`` while at least one replica serves, else ``pending``."""
    status = thing.get("status", {})
    ready = status.get("readyReplicas", status.get("numberReady", 0)) or 0
    return "running" if ready else "pending"


def _job_state(thing: Mapping[str, Any]) -> tuple[str, int]:
    for condition in thing.get("status", {}).get("conditions", ()) or ():
        if condition.get("status") == "True" and condition["type"] in ("Complete", "Failed"):
            return "exited", 0 if condition["type"] == "Complete" else 1
    return "running", 0


def unfinished(thing: Mapping[str, Any]) -> str:
    """ "" when all replicas of a workload object are of its newest revision and ready, else what is awaited."""
    meta, spec, status = thing["metadata"], thing["spec"], thing.get("status", {})
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return "its controller has not seen the change yet"
    if thing["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        wanted = spec.get("replicas", 1)
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if (updated or 0) < wanted:
        return f"{updated or 0} of {wanted} replicas are of the new revision"
    if (ready or 0) < wanted:
        return f"{ready or 0} of {wanted} replicas are ready"
    if thing["kind"] == "Deployment" and status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old replicas still end"
    return ""


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod serves."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions", ()) or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts(pods: Sequence[Mapping[str, Any]]) -> int:
    """How often containers of these pods were started again."""
    return max((int(one.get("restartCount", 0)) for pod in pods for one in _statuses(pod)), default=0)


def trouble(pods: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What keeps pods from becoming ready, for people: what the scheduler, the kubelet or the process said."""
    found: dict[str, None] = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        for one in pod.get("status", {}).get("conditions", ()) or ():
            if one["type"] == "PodScheduled" and one["status"] == "False":
                found[f"{name}: {one.get('reason', '')}: {one.get('message', '')}"] = None
        for one in _statuses(pod):
            if text := _waiting(one):
                found[f"{name}: {one['name']}: {text}"] = None
    return tuple(found)


def is_broken(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's process ends again and again, or cannot start."""
    return stuck([pod]) or any(one.get("reason") == CRASHING for one in _waits([pod]))


def stuck(pods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a container waits for what does not come by itself: an image that is not there, a missing Secret."""
    return any(one.get("reason") in STUCK and not one.get("message", "").startswith(LATE) for one in _waits(pods))


def is_unscheduled(pod: Mapping[str, Any]) -> bool:
    """Whether no machine has a pod yet."""
    return not pod["spec"].get("nodeName")


def limit(pods: Sequence[Mapping[str, Any]], *, refused: bool, unbound: bool) -> float | None:
    """How many seconds may pass as it is now with pods; None where nothing is wrong.

    ``refused``: the cluster makes no pod. ``unbound``: its storage refused a claim.
    """
    if refused or stuck(pods):
        return STUCK_SECONDS
    if unbound:
        return CLAIM_SECONDS
    return MACHINE_SECONDS if any(is_unscheduled(pod) for pod in pods) else None


@dataclass
class Patience:
    """Whether something lasts for longer than may be; asked again and again."""

    since: float = 0.0
    most: float | None = None

    def ends(self, now: float, most: float | None) -> bool:
        """``now`` is seconds of a monotonic clock, ``most`` as of :func:`limit`."""
        if most != self.most:
            self.since, self.most = now, most
        return most is not None and now - self.since > most


def _waits(pods: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for pod in pods:
        for one in _statuses(pod):
            yield (one.get("state") or {}).get("waiting") or {}


def _statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _waiting(status: Mapping[str, Any]) -> str:
    waiting = (status.get("state") or {}).get("waiting") or {}
    ended = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get("terminated") or {}
    parts = [waiting.get("reason", ""), waiting.get("message", "")]
    if ended and ended.get("exitCode"):
        parts.append(f"ended with {ended['exitCode']} ({ended.get('reason', '')})")
    return ": ".join(part for part in parts if part) if waiting.get("reason") not in ("PodInitializing", "") else ""
