"""Looks for drift in the cluster, and takes back what drifted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.rollout.kubernetes.drift import Drift, drift_of
from saltern.rollout.kubernetes.kubectl import Kubectl
from saltern.rollout.kubernetes.runtime import ClusterRuntime
from saltern.targets.compose import LABEL_HASH
from saltern.targets.kubernetes.units import Units


@dataclass(frozen=True, slots=True)
class Drifted:
    """An object that is not as it was rendered; ``wanted`` is its manifest."""

    service: str
    wanted: Mapping[str, Any]
    drifts: tuple[Drift, ...]


def drifted(runtime: ClusterRuntime, units: Units, leave: Collection[str] = ()) -> tuple[Drifted, ...]:
    """The objects of the cloud's processes that differ from their manifests, by service, kind and name.

    ``leave`` are services that are not looked at. A service that runs in another revision is none of them either: what
    differs there is told by a plan.
    """
    kubectl = runtime.kubectl
    wanted = {name: objects for name, objects in units.standing.items() if name not in leave}
    kinds = sorted({_resource(one) for objects in wanted.values() for one in objects})
    there = {_key(one): one for one in kubectl.get(kinds, runtime.selector)} if kinds else {}
    found: list[Drifted] = []
    for service, objects in sorted(wanted.items()):
        if not _is_other(objects[-1], there.get(_key(objects[-1]))):
            found += _of_service(kubectl, service, objects, there)
    return tuple(found)


def _of_service(
    kubectl: Kubectl,
    service: str,
    objects: Iterable[Mapping[str, Any]],
    there: Mapping[tuple[str, str], Mapping[str, Any]],
) -> Iterator[Drifted]:
    for one in sorted(objects, key=_key):
        seen = there.get(_key(one))
        if seen is not None and not drift_of(one, seen):
            continue
        found = kubectl.managed(_resource(one), _key(one)[1])  # one without our labels was not seen
        if drifts := drift_of(one, found):
            yield Drifted(service, one, drifts)


def _is_other(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
    """Whether a workload object is there and of another revision than its manifest."""
    return found is not None and _hash(wanted) != _hash(found)


def _hash(thing: Mapping[str, Any]) -> str:
    return str((thing["metadata"].get("annotations") or {}).get(LABEL_HASH, ""))


def _resource(thing: Mapping[str, Any]) -> str:
    """The kind in the version of a manifest: servers have some in several, and kubectl would choose one of its own."""
    group, _, version = str(thing["apiVersion"]).rpartition("/")
    return str(thing["kind"]).lower() + (f".{version}.{group}" if group else "")


def _key(thing: Mapping[str, Any]) -> tuple[str, str]:
    return str(thing["kind"]), str(thing["metadata"]["name"])


def repair(kubectl: Kubectl, found: Iterable[Drifted]) -> None:
    """Make drifted objects what their manifests say, whoever owns the fields."""
    kubectl.apply([one.wanted for one in found], force=True)
