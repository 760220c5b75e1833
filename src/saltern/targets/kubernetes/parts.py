"""What pods are put together from: volumes, a container's mounts of them, and what is prepared in them first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from saltern.images.process import Process
from saltern.targets.workload import ALWAYS_TMPFS

ROOT = "/saltern"
"""Where the containers that prepare a pod have its volumes; the service's own container has none of it."""


@dataclass(frozen=True)
class Part:
    """``volumes`` of the pod, ``mounts`` of the service's container, and the ``script`` that runs before it, with its
    own mounts (``tools``).
    """

    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    script: tuple[str, ...] = ()


def together(parts: Iterable[Part]) -> Part:
    """Parts as one; what several of them name is there once."""
    given = list(parts)
    found: dict[str, tuple[Any, ...]] = {}
    for field in fields(Part):
        kept: list[Any] = []
        for part in given:
            kept += [item for item in getattr(part, field.name) if item not in kept]
        found[field.name] = tuple(kept)
    return Part(**found)


@dataclass(frozen=True, slots=True)
class Account:
    """Who a process is: user and group by number."""

    uid: int = 0
    gid: int = 0

    @classmethod
    def of(cls, user: str) -> Account:
        """From ``uid:gid``; "" is root."""
        uid, _, gid = (user or "0:0").partition(":")
        return cls(int(uid), int(gid or uid))


def own(name: str) -> str:
    """The name of a volume of ours, which no volume of a formula has."""
    return f"saltern-{name}"


def empty(name: str, *, memory: bool = True) -> dict[str, Any]:
    """A volume that lives as long as its pod."""
    return {"name": name, "emptyDir": {"medium": "Memory"} if memory else {}}


def mount(name: str, path: str, sub_path: str = "", *, read_only: bool = False) -> dict[str, Any]:
    """A container's mount of a volume."""
    found: dict[str, Any] = {"name": name, "mountPath": path}
    if sub_path:
        found["subPath"] = sub_path
    return found | ({"readOnly": True} if read_only else {})


def device_part(process: Process) -> Part:
    """The machine's devices that a process may use."""
    names = {path: own(path.strip("/").replace("/", "-")) for path in process.devices}
    volumes = ({"name": name, "hostPath": {"path": path, "type": "CharDevice"}} for path, name in names.items())
    return Part(tuple(volumes), tuple(mount(name, path) for path, name in names.items()))


def scratch() -> Part:
    """The folders that any container may write to. Only /run is in memory: what is put into the others can be large."""
    names = {path: own(path.strip("/").replace("/", "-")) for path in ALWAYS_TMPFS}
    volumes = tuple(empty(name, memory=path == "/run") for path, name in names.items())
    return Part(volumes, tuple(mount(name, path) for path, name in names.items()))
