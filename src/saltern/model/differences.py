"""Which leaves of two rendered values differ. Pure.

Lists are aligned by their items: one that was put in front of others is one addition, and not a change of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

Path = tuple[str | int, ...]


class ChangeKind(StrEnum):
    """What became of a leaf."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf. The paths differ where items of a list moved; a path is empty, and the value None, where it is not."""

    kind: ChangeKind
    old_path: Path
    new_path: Path
    old: Any
    new: Any

    @property
    def path(self) -> Path:
        """Where it is; where it was, if it is no more."""
        return self.old_path if self.kind is ChangeKind.REMOVED else self.new_path


def differences(old: Any, new: Any, old_path: Path = (), new_path: Path = ()) -> Iterator[Difference]:
    """All differences of two values of JSON types, in the order of the old one, then what is new."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _dictionaries(old, new, old_path, new_path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, old_path, new_path)
    elif _is_leaf(old) and _is_leaf(new):
        if _text(old) != _text(new):
            yield Difference(ChangeKind.CHANGED, old_path, new_path, old, new)
    else:
        yield from _removed(old, old_path)
        yield from _added(new, new_path)


def _dictionaries(old: dict[str, Any], new: dict[str, Any], old_path: Path, new_path: Path) -> Iterator[Difference]:
    for key, value in old.items():
        if key in new:
            yield from differences(value, new[key], (*old_path, key), (*new_path, key))
        else:
            yield from _removed(value, (*old_path, key))
    for key, value in new.items():
        if key not in old:
            yield from _added(value, (*new_path, key))


def _lists(old: list[Any], new: list[Any], old_path: Path, new_path: Path) -> Iterator[Difference]:
    matcher = SequenceMatcher(None, [_text(item) for item in old], [_text(item) for item in new], autojunk=False)
    for tag, begin, end, new_begin, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        both = min(end - begin, new_end - new_begin)
        for n in range(both):
            left, right = begin + n, new_begin + n
            yield from differences(old[left], new[right], (*old_path, left), (*new_path, right))
        for left in range(begin + both, end):
            yield from _removed(old[left], (*old_path, left))
        for right in range(new_begin + both, new_end):
            yield from _added(new[right], (*new_path, right))


def _removed(value: Any, path: Path) -> Iterator[Difference]:
    for below, leaf in _leaves(value, path):
        yield Difference(ChangeKind.REMOVED, below, (), leaf, None)


def _added(value: Any, path: Path) -> Iterator[Difference]:
    for below, leaf in _leaves(value, path):
        yield Difference(ChangeKind.ADDED, (), below, None, leaf)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if _is_leaf(value):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, (*path, key))


def _is_leaf(value: Any) -> bool:
    return not (isinstance(value, (dict, list)) and value)


def _text(value: Any) -> str:
    """Equal for equal values alone: 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)
