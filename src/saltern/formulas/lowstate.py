"""Low state as frozen values: what Salt would do on a machine, chunk by chunk, in Salt's own order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

REQUISITES = (
    "require",
    "require_any",
    "watch",
    "watch_any",
    "onchanges",
    "onchanges_any",
    "onfail",
    "onfail_any",
    "prereq",
    "prereq_any",
    "listen",
)
"""The requisites that remain in low state; ``_in`` forms and ``use`` are resolved by Salt before."""


@dataclass(frozen=True, slots=True)
class Requisite:
    """``kind`` (require, watch …) on ``state`` (file, pkg, ``sls``; "" for any) and ``id`` (an id, a name, a SLS)."""

    kind: str
    state: str
    id: str


@dataclass(frozen=True)
class Chunk:
    """One low chunk. ``raw`` is what Salt made, JSON types only, and what the worker gets back to apply it."""

    raw: Mapping[str, Any]
    index: int
    """Place in Salt's execution order, from 0."""

    @property
    def id(self) -> str:
        """The state id (``__id__``)."""
        return str(self.raw["__id__"])

    @property
    def name(self) -> str:
        """What the state acts on; the id where no name is given."""
        return str(self.raw.get("name", self.id))

    @property
    def state(self) -> str:
        """The state module, e.g. ``file``."""
        return str(self.raw["state"])

    @property
    def function(self) -> str:
        """``module.function``, e.g. ``file.managed``."""
        return f"{self.state}.{self.raw['fun']}"

    @property
    def sls(self) -> str:
        """The SLS that declares it, e.g. ``keystone.server``."""
        return str(self.raw.get("__sls__", ""))

    @property
    def place(self) -> str:
        """``file:line`` of the declaration, or the file alone where Salt does not tell the line."""
        file, line = self.raw.get("__file__", ""), self.raw.get("__line__", 0)
        return f"{file}:{line}" if line else str(file)

    @cached_property
    def requisites(self) -> tuple[Requisite, ...]:
        """All requisites, in the order of the declaration."""
        found = []
        for kind in REQUISITES:
            for item in self.raw.get(kind) or ():
                if isinstance(item, Mapping):
                    found += [Requisite(kind, str(state), str(target)) for state, target in item.items()]
                else:
                    found.append(Requisite(kind, "", str(item)))
        return tuple(found)

    def answers(self, requisite: Requisite) -> bool:
        """Whether the requisite means this chunk, by Salt's rule: id or name, of that state module; or its SLS."""
        if requisite.state == "sls":
            return self.sls == requisite.id
        return requisite.state in ("", self.state) and requisite.id in (self.id, self.name)


@dataclass(frozen=True)
class LowState:
    """The chunks of one node in execution order, and the metadata of the formulas that it applies."""

    node: str
    chunks: tuple[Chunk, ...]
    metadata: Mapping[str, Mapping[str, Any]]
    """``{formula: {kind: content of meta/<kind>.yml}}``, rendered over the node's pillar."""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, node: str, raw: Iterable[Mapping[str, Any]], metadata: Mapping[str, Any], *warnings: str) -> LowState:
        """Low state from what the worker answered."""
        return cls(node, tuple(Chunk(chunk, index) for index, chunk in enumerate(raw)), metadata, warnings)
