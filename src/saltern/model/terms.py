"""What files say, before interpolation: immutable terms with their places, shared by all nodes that use a file. Pure.

Merging two terms (see :mod:`.merge`) never changes them: it makes a new :class:`Branch` or :class:`Stack` that points
at them. So what a value is made of stays readable from the merged tree itself, and needs no record of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from saltern.base.errors import Place
from saltern.model.template import Template


@dataclass(frozen=True, slots=True)
class Source:
    """Who says something: a class or node file, or Saltern itself (``file`` is empty then)."""

    file: str
    """As shown to the user: relative to the model where it lies in it."""
    name: str
    """The class or node name."""
    is_node: bool = False


@dataclass(frozen=True, slots=True)
class Definition(Source):
    """Who says something of a generated node: the file that the definition stands in, and what in the definer's
    parameters the value was made from.
    """

    definer: str = ""
    paths: tuple[tuple[str | int, ...], ...] = ()


class Mark(NamedTuple):
    """A place in a source; lines and columns count from 1, 0 means unknown."""

    source: Source
    line: int
    column: int

    @property
    def place(self) -> Place:
        """The place for a :class:`~saltern.base.errors.Problem`."""
        return Place(self.source.file, self.line, self.column)


class Scalar:
    """A value that needs no rendering: text without references, number, boolean, null, date …"""

    __slots__ = ("mark", "value")

    def __init__(self, value: Any, mark: Mark) -> None:
        self.value = value
        self.mark = mark


class Text:
    """A value with references or queries."""

    __slots__ = ("mark", "template")

    def __init__(self, template: Template, mark: Mark) -> None:
        self.template = template
        self.mark = mark


class Sequence:
    """A list as one file wrote it, or the lists of several files one after the other."""

    __slots__ = ("items", "mark")

    def __init__(self, items: tuple[Term, ...], mark: Mark) -> None:
        self.items = items
        self.mark = mark


class Branch:
    """A dictionary; ``marks`` tells every file that had a part in it, the last one first: ``(mark, earlier)``."""

    __slots__ = ("entries", "marks")

    def __init__(self, entries: Mapping[Any, Term], marks: Marks) -> None:
        self.entries = entries
        self.marks = marks

    @property
    def mark(self) -> Mark:
        """The last place that added to it."""
        return self.marks[0]


Marks = tuple[Mark, "Marks | None"]


class Layer(NamedTuple):
    """One definition in a stack and what its key's prefix said: ``~`` overwrites, ``=`` is constant."""

    term: Term
    overwrite: bool = False
    constant: bool = False


class Stack:
    """Several definitions of one path, the earliest first, that can only be merged when they are rendered."""

    __slots__ = ("layers",)

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers = layers

    @property
    def mark(self) -> Mark:
        """The place of the last definition."""
        return self.layers[-1].term.mark


Term = Scalar | Text | Sequence | Branch | Stack
Head = Scalar | Sequence | Branch
"""A term whose outermost shape is known."""


def kind(term: Head) -> str:
    """How a user calls it."""
    if isinstance(term, Branch):
        return "dictionary"
    if isinstance(term, Sequence):
        return "list"
    return "null" if term.value is None else "scalar"
