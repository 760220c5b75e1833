"""``meta/host.yml`` as frozen values: machines that run guests, and who is in charge of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.formulas.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Hosted:
    """A node that runs guests: ``name`` is how the service knows it that the formula's :class:`Control` asks."""

    formula: str
    name: str


@dataclass(frozen=True, slots=True)
class Control:
    """The commands of a node that is in charge of a formula's machines."""

    formula: str
    listing: tuple[str, ...]
    drain: tuple[str, ...]
    take_back: tuple[str, ...]
    process: str = ""
    """The service in whose container they run; "": the node's first that runs."""


def read_hosted(metadata: Metadata) -> tuple[Hosted, ...]:
    """What a node is to those that are in charge of it; empty where it runs no guests."""
    return tuple(Hosted(formula, raw["name"]) for formula, raw in _told(metadata) if "name" in raw)


def read_controls(metadata: Metadata) -> tuple[Control, ...]:
    """What a node is in charge of."""
    return tuple(
        Control(
            formula,
            listing=tuple(raw["control"]["list"]),
            drain=tuple(raw["control"]["drain"]),
            take_back=tuple(raw["control"]["return"]),
            process=raw["control"].get("process", ""),
        )
        for formula, raw in _told(metadata)
        if "control" in raw
    )


def _told(metadata: Metadata) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for formula in sorted(metadata.raw):
        if raw := metadata.raw[formula].get("host"):
            yield formula, raw
