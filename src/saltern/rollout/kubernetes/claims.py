"""Claims of a cluster's storage that wait for it: why they do, and how one gets what the model asks for now.

What a claim asks for is fixed when it is made, and so are the templates of the claims that a StatefulSet makes. A claim
that was never bound holds nothing, so it is made anew. One that is bound has data: another class for it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from saltern.base.errors import EngineError, Problem
from saltern.rollout.kubernetes.drift import drift_of
from saltern.rollout.kubernetes.kubectl import FIELD_MANAGER, Kubectl
from saltern.rollout.kubernetes.objects import claim_in, is_unscheduled

CLAIM = "PersistentVolumeClaim"
CLAIMS = ("persistentvolumeclaim",)
REFUSALS = ("FailedBinding", "ProvisioningFailed")
"""Reasons of events that say why a claim is not bound; the others say what it waits for."""


def refusals(kubectl: Kubectl, pods: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Why the claims of pods that no machine has yet are not bound: what the cluster said last of each that is not."""
    names = {name for pod in pods if is_unscheduled(pod) for name in claims_of(pod)}
    if not names:
        return ()
    waiting = [one for one in kubectl.get(CLAIMS) if one["metadata"]["name"] in names and not is_bound(one)]
    said = {
        event["involvedObject"].get("uid"): str(event["message"])
        for event in sorted(kubectl.get(("event",)), key=lambda event: event.get("lastTimestamp") or "")
        if event["involvedObject"]["kind"] == CLAIM and event.get("reason") in REFUSALS
    }
    return tuple(
        f"claim {one['metadata']['name']} is not bound: {said[one['metadata']['uid']]}"
        for one in waiting
        if one["metadata"]["uid"] in said
    )


def claims_of(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a pod's claims."""
    volumes = pod["spec"].get("volumes", ())
    return tuple(one["persistentVolumeClaim"]["claimName"] for one in volumes if claim_in(one))


def is_bound(claim: Mapping[str, Any]) -> bool:
    """Whether a claim has, or had, a volume."""
    return bool(claim["spec"].get("volumeName")) or claim.get("status", {}).get("phase") in ("Bound", "Lost")


def make_way(kubectl: Kubectl, objects: Sequence[Mapping[str, Any]]) -> None:
    """Remove what cannot become as it is rendered and holds nothing; a bound claim of another class is an EngineError.

    A StatefulSet with other templates goes without its pods, which the new one takes over.
    """
    wanted = [*_alone(objects), *(claim for thing in objects for claim in _made_by(thing))]
    if not wanted:
        return
    there = {one["metadata"]["name"]: one for one in kubectl.get(CLAIMS)}
    pairs = [(one, there[one["metadata"]["name"]]) for one in wanted if one["metadata"]["name"] in there]
    if fixed := [_fixed(mine, theirs) for mine, theirs in pairs if is_bound(theirs) and _is_other(mine, theirs)]:
        raise EngineError(fixed)
    sets = [thing for thing in objects if _has_other_templates(kubectl, thing)]
    kubectl.delete("statefulset", [thing["metadata"]["name"] for thing in sets], orphan=True)
    of_sets = {claim["metadata"]["name"] for thing in sets for claim in _made_by(thing)}
    names = [
        mine["metadata"]["name"]
        for mine, theirs in pairs
        if not is_bound(theirs)
        and (_is_other(mine, theirs) or mine["metadata"]["name"] in of_sets or _was_ours(kubectl, mine))
    ]
    kubectl.delete("persistentvolumeclaim", names, wait=False)
    if names:  # a pod that no machine has yet would wait for ever for the claim that it was made with
        pods = [pod for pod in kubectl.get(("pod",)) if is_unscheduled(pod) and {*names} & {*claims_of(pod)}]
        kubectl.delete("pod", [pod["metadata"]["name"] for pod in pods])


def _alone(objects: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (thing for thing in objects if thing["kind"] == CLAIM)


def _made_by(thing: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The claims that a StatefulSet makes, as they will be; of another object none."""
    if thing["kind"] != "StatefulSet":
        return
    for template in thing["spec"].get("volumeClaimTemplates", ()):
        for number in range(int(thing["spec"].get("replicas", 1))):
            name = f"{template['metadata']['name']}-{thing['metadata']['name']}-{number}"
            yield {"kind": CLAIM, "metadata": {"name": name}, "spec": template["spec"]}


def _is_other(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a claim asks for what can never be changed in the one that is there: a class, or how it is shared."""
    return any(one.path.startswith(("spec.storageClassName", "spec.accessModes")) for one in drift_of(wanted, found))


def _was_ours(kubectl: Kubectl, wanted: Mapping[str, Any]) -> bool:
    """Whether we named a class where none is wanted now; one that the cluster filled in is as it should be."""
    if wanted["spec"].get("storageClassName"):
        return False
    found = kubectl.managed("persistentvolumeclaim", wanted["metadata"]["name"]) or {"metadata": {}}
    return any(
        "f:storageClassName" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in found["metadata"].get("managedFields") or ()
        if entry.get("manager") == FIELD_MANAGER
    )


def _has_other_templates(kubectl: Kubectl, wanted: Mapping[str, Any]) -> bool:
    """Whether the cluster has a StatefulSet whose claims are not as they are wanted."""
    found = kubectl.find("statefulset", wanted["metadata"]["name"]) if wanted["kind"] == "StatefulSet" else None
    if found is None:
        return False
    mine, theirs = (thing["spec"].get("volumeClaimTemplates", []) for thing in (wanted, found))
    classes = [[one["spec"].get("storageClassName", "") for one in some] for some in (mine, theirs)]
    paths = [one.path for one in drift_of(wanted, found)]
    return classes[0] != classes[1] or any(path.startswith("spec.volumeClaimTemplates") for path in paths)


def _fixed(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Problem:
    name = wanted["metadata"]["name"]
    asked, has = (_shown(thing["spec"]) for thing in (wanted, found))
    return Problem(
        f"claim {name} has data, and cannot become {asked}",
        details=f"it is {has}; Kubernetes fixes that when a claim is made",
        resolution="leave it as it is in the model, or take a backup, remove the claim and restore",
    )


def _shown(spec: Mapping[str, Any]) -> str:
    return f"{', '.join(spec.get('accessModes', ()))} of the class {spec.get('storageClassName') or '(default)'}"
