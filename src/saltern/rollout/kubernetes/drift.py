"""What somebody changed by hand in the cluster: objects compared with what was rendered. Pure.

Only what Saltern says of an object is compared: what the server fills in, or another manager adds, is no drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HIDDEN = "***"
KEYS = ("name", "containerPort", "port", "mountPath", "key", "topologyKey", "ip")
"""What tells the items of a list apart, the first that they all have; else their place does."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A field of an object that is not what was rendered; ``wanted`` and ``found`` are shown as JSON types."""

    kind: str
    name: str
    path: str
    """``spec.replicas``; "" for an object that is missing."""
    wanted: Any
    found: Any
    manager: str = ""
    """Who changed the object last, besides us and the cluster's own controllers."""

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "kind": self.kind,
            "name": self.name,
            "path": self.path,
            "wanted": self.wanted,
            "found": self.found,
            "manager": self.manager,
        }


def drift_of(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[Drift, ...]:
    """How an object in the cluster differs from the rendered one; the contents of Secrets are not shown."""
    kind, name = str(wanted["kind"]), str(wanted["metadata"]["name"])
    if found is None:
        return (Drift(kind, name, "", "is there", "is missing"),)
    who = _manager(found)
    is_hidden = kind == "Secret"
    return tuple(
        Drift(kind, name, path, HIDDEN if is_hidden else mine, HIDDEN if is_hidden else theirs, who)
        for path, mine, theirs in _differences(wanted, found, "")
        if not path.startswith("metadata.annotations.io.saltern.")  # of the revision that applied it last
    )


def _differences(wanted: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in sorted(wanted):
            where = f"{path}.{key}" if path else str(key)
            if _empty(wanted[key]) and _empty(found.get(key)):
                continue
            yield from _differences(wanted[key], found.get(key), where)
    elif _is_list(wanted) and _is_list(found):
        yield from _in_lists(wanted, found, path)
    elif wanted != found:
        yield path, wanted, found


def _in_lists(wanted: Sequence[Any], found: Sequence[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    key = _key(wanted)
    if not key:
        if len(wanted) != len(found):
            yield path, wanted, found
            return
        for number, (mine, theirs) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(mine, theirs, f"{path}[{number}]")
        return
    there = {one.get(key): one for one in found if isinstance(one, Mapping)}
    for mine in wanted:
        yield from _differences(mine, there.get(mine[key]), f"{path}[{mine[key]}]")


def _key(items: Sequence[Any]) -> str:
    if not items or not all(isinstance(one, Mapping) for one in items):
        return ""
    return next((key for key in KEYS if all(key in one for one in items)), "")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _empty(value: Any) -> bool:
    return value in (None, "", [], {}, ())


def _manager(found: Mapping[str, Any]) -> str:
    """The newest field manager that is a person's tool."""
    entries = [
        entry
        for entry in found["metadata"].get("managedFields") or ()
        if entry.get("manager") not in ("saltern", "kube-controller-manager", "kubelet", "kube-scheduler")
        and not entry.get("subresource")
    ]
    newest = max(entries, key=lambda entry: str(entry.get("time", "")), default=None)
    return str(newest["manager"]) if newest else ""
