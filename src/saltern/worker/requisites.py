"""Requisites of low chunks: which chunks they mean, and which mean nothing."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .problem import Problem

KINDS = (
    "require",
    "require_any",
    "watch",
    "watch_any",
    "onchanges",
    "onchanges_any",
    "onfail",
    "onfail_any",
    "onfail_all",
    "prereq",
    "prereq_any",
    "listen",
)

Chunk = Mapping[str, Any]


def targets(item: Any) -> Iterator[tuple[str, str]]:
    """``(state, id)`` pairs that one entry of a requisite names; ``id`` as the state means any state module."""
    if isinstance(item, Mapping):
        for state, name in item.items():
            yield str(state).split(".", maxsplit=1)[0], str(name)
    else:
        yield "id", str(item)


def means(chunk: Chunk, state: str, name: str) -> bool:
    """Whether a requisite means this chunk, by Salt's rules (wildcards included)."""
    if state == "sls":
        own = [str(chunk.get("__sls__", "")), *map(str, chunk.get("__sls_included_from__") or ())]
        return any(fnmatch.fnmatchcase(sls, name) for sls in own)
    if state not in ("id", chunk["state"]):
        return False
    return any(own == name or fnmatch.fnmatchcase(own, name) for own in (str(chunk["__id__"]), str(chunk["name"])))


def resolve_listen_in(chunks: Sequence[dict[str, Any]]) -> None:
    """Turn ``listen_in``, which Salt resolves only while it runs, into ``listen`` of the chunks that it means."""
    for chunk in chunks:
        for item in entries(chunk, "listen_in"):
            for state, name in targets(item):
                for other in chunks:
                    if means(other, state, name):
                        other.setdefault("listen", []).append({chunk["state"]: chunk["__id__"]})
        chunk.pop("listen_in", None)


def unknown(chunks: Sequence[Chunk], state: Any) -> list[Problem]:
    """A problem for each requisite that means no chunk; a rendered SLS without states may be required."""
    problems = []
    index = _Index(chunks)
    rendered = set(getattr(state, "_processed_sls_files", ()))
    for chunk in chunks:
        for kind in KINDS:
            for wanted, name in (pair for item in entries(chunk, kind) for pair in targets(item)):
                if index.has(wanted, name) or (wanted == "sls" and any(fnmatch.fnmatchcase(s, name) for s in rendered)):
                    continue
                target = name if wanted == "id" else f"{wanted}: {name}"
                problems.append(
                    Problem(
                        f"state {chunk['__id__']!r} has a {kind} on {target!r}, which no state is",
                        str(chunk.get("__file__", "")),
                        int(chunk.get("__line__", 0)),
                        f"{kind} of {chunk['state']}.{chunk['fun']} in {chunk.get('__sls__', '')}",
                    )
                )
    return problems


def entries(chunk: Chunk, kind: str) -> Iterable[Any]:
    """The entries of a requisite; formulas also write a single one without a list."""
    value = chunk.get(kind)
    if value is None:
        return ()
    return value if isinstance(value, list) else [value]


class _Index:
    """Answers most questions without walking all chunks."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks
        self._exact = {("sls", str(chunk.get("__sls__", ""))) for chunk in chunks}
        for chunk in chunks:
            for name in (str(chunk["__id__"]), str(chunk["name"])):
                self._exact |= {(str(chunk["state"]), name), ("id", name)}

    def has(self, state: str, name: str) -> bool:
        return (state, name) in self._exact or any(means(chunk, state, name) for chunk in self._chunks)
