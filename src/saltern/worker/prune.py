"""What requisites become when only some chunks of a low state are applied. Pure.

The chunks outside were applied in an earlier phase: they count as satisfied and as changed. So what waits for them
acts, and what acts only when they fail never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .requisites import KINDS, entries, means, targets

Chunk = dict[str, Any]

WAITING = {
    ("cmd", "wait"): "run",
    ("cmd", "wait_script"): "script",
    ("cmd", "wait_call"): "call",
    ("module", "wait"): "run",
}
"""Functions that act only through ``watch``, and what they do then."""

NEVER = "/bin/false"


def prune(chunks: Sequence[Mapping[str, Any]]) -> list[Chunk]:
    """The chunks with the requisites that remain, in the given order, which ``order`` then states."""
    known = [dict(chunk) for chunk in chunks]
    return [_pruned(chunk, known, place) for place, chunk in enumerate(known, 1)]


def _pruned(chunk: Chunk, known: Sequence[Chunk], place: int) -> Chunk:
    result = {**{key: value for key, value in chunk.items() if key not in ("name_order",)}, "order": place}
    for kind in KINDS:
        if kind not in chunk:
            continue
        present, absent = _divide(entries(chunk, kind), chunk, known)
        result.pop(kind)
        if absent:
            _satisfy(result, kind, present)
        elif present:
            result[kind] = present
    return result


def _divide(items: Any, chunk: Chunk, known: Sequence[Chunk]) -> tuple[list[Any], list[Any]]:
    """Split a requisite's entries into those that mean a chunk of the list, and the others."""
    present: list[Any] = []
    absent: list[Any] = []
    for item in items:
        for state, name in targets(item):
            found = any(means(other, state, name) for other in known if other is not chunk)
            one = item if not isinstance(item, Mapping) else {state: name}
            (present if found else absent).append(one)
    return present, absent


def _satisfy(chunk: Chunk, kind: str, present: list[Any]) -> None:
    """Apply the rule of ``kind`` for a requisite that has at least one target outside the list."""
    if kind.startswith("onfail"):
        if kind == "onfail_all" or not present:
            chunk["onlyif"] = [NEVER]
        else:
            chunk[kind] = present
    elif kind.startswith("onchanges"):
        if present:  # one target has changed, so the chunk acts; the others only keep their place before it
            chunk["require"] = [*chunk.get("require", ()), *present]
    elif kind.endswith("_any"):
        if kind == "watch_any":
            _act(chunk)
    else:
        if kind in ("watch", "listen"):
            _act(chunk)
        if present:
            chunk[kind] = present


def _act(chunk: Chunk) -> None:
    """Make a chunk that waits for a change do what it would do then."""
    chunk["fun"] = WAITING.get((chunk["state"], chunk["fun"]), chunk["fun"])
