"""``meta/backup.yml`` as frozen values: what of a node's data a backup holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import FormulaError, Problem
from saltern.formulas.metadata import Metadata

TIMEOUT = 3600
"""Seconds that taking or putting back one item may last, where the formula does not say."""


@dataclass(frozen=True, slots=True)
class CommandItem:
    """Data that a command of the service gives (``dump``, in its container) and another takes back (``restore``)."""

    name: str
    dump: tuple[str, ...]
    restore: tuple[str, ...]
    user: str = ""
    """Who runs ``dump``; "": the user of the container."""
    process: str = ""
    """The service in whose container ``dump`` runs; "": the node's first that runs."""
    compare: str = "lines"
    """``lines`` or ``json``; see the schema."""
    ignore: tuple[str, ...] = ()
    timeout: int = TIMEOUT


@dataclass(frozen=True, slots=True)
class VolumeItem:
    """All files of a data volume; ``volume`` is its name in meta/container.yml."""

    name: str
    volume: str
    timeout: int = TIMEOUT


Item = CommandItem | VolumeItem


def read_items(node: str, metadata: Metadata) -> tuple[Item, ...]:
    """What a backup of a node holds, in the order of its formulas' names. Raises FormulaError with all problems."""
    items: list[Item] = []
    problems: list[Problem] = []
    for formula in sorted(metadata.raw):
        for raw in (metadata.raw[formula].get("backup") or {}).get("items") or ():
            what = f"{formula}/meta/backup.yml, rendered for {node}: item {raw['name']!r}"
            problems += _problems(what, raw, metadata, {item.name for item in items})
            items.append(_item(raw))
    if problems:
        raise FormulaError(problems)
    return tuple(items)


def _problems(what: str, raw: Mapping[str, Any], metadata: Metadata, known: set[str]) -> Iterator[Problem]:
    if raw["name"] in known:
        yield Problem(f"{what} is there twice", resolution="give each item of a node a name of its own")
    volumes = [volume.name for volume in metadata.volumes if volume.kind == "data"]
    if raw["kind"] == "volume" and raw["volume"] not in volumes:
        names = ", ".join(volumes) or "none"
        yield Problem(f"{what} is of the volume {raw['volume']!r}, which is none of the node's data volumes ({names})")


def _item(raw: Mapping[str, Any]) -> Item:
    timeout = int(raw.get("timeout", TIMEOUT))
    if raw["kind"] == "volume":
        return VolumeItem(raw["name"], raw["volume"], timeout)
    return CommandItem(
        name=raw["name"],
        dump=tuple(raw["dump"]["command"]),
        restore=tuple(raw["restore"]["command"]),
        user=str(raw["dump"].get("user", "")),
        process=str(raw.get("process", "")),
        compare=str(raw.get("compare", "lines")),
        ignore=tuple(raw.get("ignore") or ()),
        timeout=timeout,
    )
