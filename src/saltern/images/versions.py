"""Versions of Debian packages: their order, as dpkg has it (deb-version(7)). Pure."""

from __future__ import annotations

import re
from functools import cmp_to_key

_WHOLE = re.compile(r"(?:\d+:)?[0-9][A-Za-z0-9.+:~-]*\Z")
_PARTS = re.compile(r"(\D*)(\d*)")


def is_version(text: str) -> bool:
    """Whether dpkg would take the text as a version (policy: it starts with a digit)."""
    epoch, colon, rest = text.partition(":")
    return bool(_WHOLE.match(text)) and not (colon and (not epoch.isdigit() or not rest)) and not text.endswith("-")


def compare(one: str, other: str) -> int:
    """Below 0, 0 or above 0, as ``one`` is older than, the same as or newer than ``other``."""
    (epoch, upstream, revision), (epoch2, upstream2, revision2) = _split(one), _split(other)
    return (epoch > epoch2) - (epoch < epoch2) or _compare(upstream, upstream2) or _compare(revision, revision2)


version_key = cmp_to_key(compare)
"""For ``sorted`` and ``max``."""


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch) if epoch.isdigit() else 0, upstream if dash else rest, revision if dash else ""


def _compare(one: str, other: str) -> int:
    """Text and numbers in turn: text by :func:`_weight`, numbers by value."""
    left, right = _PARTS.findall(one), _PARTS.findall(other)
    for index in range(max(len(left), len(right))):
        text, number = left[index] if index < len(left) else ("", "")
        text2, number2 = right[index] if index < len(right) else ("", "")
        if found := _compare_text(text, text2) or int(number or 0) - int(number2 or 0):
            return found
    return 0


def _compare_text(one: str, other: str) -> int:
    for index in range(max(len(one), len(other))):
        if found := _weight(one[index : index + 1]) - _weight(other[index : index + 1]):
            return found
    return 0


def _weight(character: str) -> int:
    """``~`` sorts before the end, the end before letters, letters before everything else."""
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256
