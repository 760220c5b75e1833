"""What differs between two states of a cloud, as typed values that say what caused them. Pure."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.plan.revision import WorkloadRecord

CONTEXT = 3
"""Lines of context in a diff, as diff -u has."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A value of the model that changed, for some nodes. ``place`` is file:line of what did it."""

    path: str
    kind: str
    old: Any
    new: Any
    nodes: tuple[str, ...]
    place: str = ""
    gone: bool = False
    """The line at ``place`` is no more there; its number is that in the old revision."""


@dataclass(frozen=True, slots=True)
class FormulaChange:
    """Files of a formula that changed."""

    formula: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileChange:
    """A rendered file of a workload: ``kind`` is added, removed, changed, or secret (only hidden values differ)."""

    workload: str
    path: str
    kind: str
    diff: str = ""
    """Unified diff with secrets masked; "" for a file that is no text."""
    causes: tuple[str, ...] = ()
    """file:line of the model, or a formula's file."""


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A Debian package of an image; "" for a version where it is not there."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class ImageChange:
    """Another image for some workloads. ``action``: built, pulled, there, or to build."""

    name: str
    workloads: tuple[str, ...]
    old: str
    new: str
    action: str
    base: tuple[str, str] = ("", "")
    packages: tuple[PackageChange, ...] = ()
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """All that differs."""

    values: tuple[ValueChange, ...] = ()
    formulas: tuple[FormulaChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    images: tuple[ImageChange, ...] = ()

    def causes(self, node: str, formulas: Sequence[str]) -> tuple[str, ...]:
        """What of the model and its formulas changed for a node: file:line, and files of formulas."""
        places = [c.place for c in self.values if node in c.nodes and c.place]
        places += [f"{c.formula}: {file}" for c in self.formulas if c.formula in formulas for file in c.files]
        return tuple(dict.fromkeys(places))


def package_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[PackageChange, ...]:
    """Packages whose version differs, by name."""
    return tuple(
        PackageChange(name, old.get(name, ""), new.get(name, ""))
        for name in sorted({*old, *new})
        if old.get(name, "") != new.get(name, "")
    )


def file_kinds(old: WorkloadRecord | None, new: WorkloadRecord | None) -> Iterator[tuple[str, str]]:
    """``(path, added|removed|changed)`` of the rendered files that differ, by path."""
    before = old.files if old else {}
    after = new.files if new else {}
    for path in sorted({*before, *after}):
        if path not in before:
            yield path, "added"
        elif path not in after:
            yield path, "removed"
        elif before[path] != after[path]:
            yield path, "changed"


def unified(path: str, old: str, new: str, mode: tuple[str, str] = ("", "")) -> str:
    """A unified diff with a/ and b/ names as git writes them; a change of mode or owner is a line of its own."""
    lines = [f"mode and owner {mode[0]} → {mode[1]}\n"] if mode[0] and mode[1] and mode[0] != mode[1] else []
    lines += difflib.unified_diff(_lines(old), _lines(new), f"a{path}", f"b{path}", n=CONTEXT)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """With their ends. Only a newline ends a line: ``str.splitlines`` would cut at form feeds and the like as well."""
    return io.StringIO(text, newline="\n").readlines()


def causes_of_diff(diff: str, values: Sequence[ValueChange]) -> tuple[str, ...]:
    """The changed values whose text stands in a changed line of a diff; the rest of a node's changes is not blamed."""
    head, found_hunk, rest = diff.partition("\n@@ ")
    lines = (rest if found_hunk else head).split("\n")
    removed = [line[1:] for line in lines if line.startswith("-")]
    added = [line[1:] for line in lines if line.startswith("+")]
    found = [
        change.place
        for change in values
        if change.place and (_stands(change.new, added) or _stands(change.old, removed))
    ]
    return tuple(dict.fromkeys(found))


def _stands(value: Any, lines: Sequence[str]) -> bool:
    if value is None or isinstance(value, (dict, list)):
        return False
    if not str(value):
        return False
    # as a word of its own: 8 is not what set 8080; True is written as true
    word = re.compile(f"(?<![0-9A-Za-z]){re.escape(str(value))}(?![0-9A-Za-z])", re.IGNORECASE)
    return any(word.search(line) for line in lines)
