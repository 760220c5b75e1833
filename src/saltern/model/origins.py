"""Where a value comes from, as values: the places that set, merged or overwrote it. :mod:`.tracing` finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from saltern.base.errors import Place


class OriginKind(StrEnum):
    """What a place did to the value."""

    SET = "set"
    """It was the first to say something."""
    MERGED = "merged"
    """It added to a dictionary or list."""
    OVERWROTE = "overwrote"
    """It replaced what stood there."""
    IGNORED = "ignored"
    """It came after a constant and had no effect."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One place in the chain of a value."""

    kind: OriginKind
    file: str
    """Relative to the model where the file lies in it; "" for what Saltern adds by itself (``_reclass_``)."""
    line: int
    column: int
    class_: str
    """The class or node whose file it is."""
    path: str
    """The path that was written there, ``a:b:c``; it differs from the asked one where a reference led here."""
    value: Any
    """What is written there: the text of a scalar or reference, None for dictionaries and lists."""
    constant: bool = False
    """The key was written with ``=``."""
    references: tuple[Through, ...] = ()
    """What the written value was made from: its references, the exports that a query saw, a node's definition."""

    @property
    def place(self) -> Place:
        """The place alone."""
        return Place(self.file, self.line, self.column)

    @property
    def interpolated(self) -> bool:
        """Whether references made (part of) the value."""
        return bool(self.references)

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "kind": self.kind.value,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "class": self.class_,
            "path": self.path,
            "value": self.value,
            "constant": self.constant,
            "references": [through.as_json() for through in self.references],
        }


@dataclass(frozen=True, slots=True)
class Through:
    """A value that another one was made from, and its own chain."""

    path: str
    """Rendered: ``a:b``, also where the text says ``${a:${c}}``."""
    origins: tuple[Origin, ...]
    node: str = ""
    """The other node whose value it is; "" for the same node's."""
    exports: bool = False
    """Whether the path is below the node's exports and not its parameters."""

    def __str__(self) -> str:
        path = f"exports:{self.path}" if self.exports else self.path
        return f"{path} of {self.node}" if self.node else path

    def as_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "path": self.path,
            "node": self.node,
            "exports": self.exports,
            "origins": [origin.as_json() for origin in self.origins],
        }


def walk(origins: Iterable[Origin]) -> Iterator[Origin]:
    """The origins and all that their references lead to, depth first."""
    for origin in origins:
        yield origin
        for through in origin.references:
            yield from walk(through.origins)


def effective(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """The origins that the value is still made of; the last one of a scalar's is its deciding place."""
    found: list[Origin] = []
    for origin in origins:
        if origin.kind is OriginKind.OVERWROTE:
            found.clear()
        if origin.kind is not OriginKind.IGNORED:
            found.append(origin)
    return tuple(found)
