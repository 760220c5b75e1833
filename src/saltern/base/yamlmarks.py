"""YAML with marks: every key and value with its line and column, through libyaml's C parser.

The values are those of PyYAML's SafeLoader (YAML 1.1: ``yes`` is true, ``0600`` is octal, ``1:30`` is sexagesimal,
``<<`` merges); what differs is what is kept: marks, and keys that a file defines twice. Lines and columns count from 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

try:
    from yaml._yaml import CParser  # type: ignore[import-untyped,unused-ignore]
except ImportError as error:  # a PyYAML without libyaml refuses trailing TABs and is ten times slower
    raise ImportError(
        "Saltern needs PyYAML with libyaml (the wheels from PyPI and Debian's python3-yaml have it)"
    ) from error

from saltern.base.errors import Place, Problem

_STR, _MAP, _SEQ = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_MERGE, _VALUE = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"
_MAX_DEPTH = 200
_STRANGE = 10_000
"""Brackets plus the longest line: a bound of how deep a text can nest."""


class MarkedScalar(NamedTuple):
    """A scalar, or a value of a tag that has no marks inside (``!!set``, ``!!omap`` …)."""

    value: Any
    line: int
    column: int


class MarkedList(NamedTuple):
    """A sequence."""

    items: tuple[Marked, ...]
    line: int
    column: int


class MarkedEntry(NamedTuple):
    """One key of a mapping with the place of the key, and its value."""

    key: Any
    line: int
    column: int
    value: Marked


class MarkedDict(NamedTuple):
    """A mapping: keys are unique (the last one won), in the order of the file, merge keys (``<<``) resolved."""

    entries: tuple[MarkedEntry, ...]
    line: int
    column: int


Marked = MarkedScalar | MarkedList | MarkedDict


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that one mapping defines twice; the later definition wins."""

    key: Any
    first: Place
    second: Place

    def as_problem(self) -> Problem:
        """What to tell the user."""
        return Problem(
            brief=f"the key {str(self.key)!r} is defined twice in one mapping",
            places=(self.first, self.second),
            details=f"The definition in line {self.second.line} wins; the one in line {self.first.line} is lost.",
            resolution="Merge the two definitions into one, or remove one of them.",
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file; ``root`` is None when the file holds nothing."""

    file: str
    root: Marked | None
    duplicates: tuple[Duplicate, ...] = ()

    @property
    def data(self) -> Any:
        """The document as plain Python values; None when it is empty."""
        return None if self.root is None else plain(self.root)

    def place(self, path: tuple[Any, ...] = ()) -> Place:
        """Where the key (or list item) at ``path`` stands; as deep as the path exists."""
        found = Place(self.file, *(self.root[1:3] if self.root is not None else ()))
        node: Marked | None = self.root
        for step in path:
            if isinstance(node, MarkedDict):
                entry = next((entry for entry in node.entries if entry.key == step), None)
                if entry is None:
                    break
                found, node = Place(self.file, entry.line, entry.column), entry.value
            elif isinstance(node, MarkedList) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                found = Place(self.file, node.line, node.column)
            else:
                break
        return found


class WrongYamlError(Exception):
    """A text that is no YAML; ``problem`` is for the user. Callers raise it as the error of their own kind."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.brief)
        self.problem = problem


def read(path: Path, file: str = "") -> Document:
    """Parse a file; ``file`` is its name in places (default: the path). OSError passes through."""
    return parse(path.read_bytes(), file or str(path))


def parse(text: str | bytes, file: str) -> Document:
    """Parse one YAML document. Raises :class:`WrongYamlError`."""
    try:
        _refuse_depth(text, file)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise WrongYamlError(_problem(error, text, file)) from error
    if node is None:
        return Document(file, None)
    builder = _Builder(file)
    return Document(file, builder.build(node), tuple(builder.duplicates))


def plain(node: Marked) -> Any:
    """The node as plain Python values."""
    if isinstance(node, MarkedDict):
        return {entry.key: plain(entry.value) for entry in node.entries}
    if isinstance(node, MarkedList):
        return [plain(item) for item in node.items]
    return node.value


def _refuse_depth(text: str | bytes, file: str) -> None:
    """The C composer recurses: tens of thousands of levels would crash the process. Only strange files are scanned."""
    data = text.encode() if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") + max(map(len, data.split(b"\n"))) < _STRANGE:
        return
    depth = 0
    parser = CParser(data)
    while (event := parser.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            mark: Any = event.start_mark
            place = Place(file, mark.line + 1, mark.column + 1)
            raise WrongYamlError(Problem(f"the YAML is nested more than {_MAX_DEPTH} levels deep", (place,)))


class _Loader(CParser):  # type: ignore[misc,unused-ignore]
    """libyaml's parser and composer with a resolver that is only asked for scalars, and remembers its answers."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode:
            return _implicit_tag(value) if implicit[0] else _STR
        return _SEQ if kind is yaml.SequenceNode else _MAP

    def descend_resolver(self, *_: object) -> None:
        """Path resolvers: SafeLoader has none."""

    def ascend_resolver(self) -> None:
        """Path resolvers: SafeLoader has none."""


_IMPLICIT = {first: tuple(pairs) for first, pairs in Resolver.yaml_implicit_resolvers.items()}


@lru_cache(maxsize=65536)
def _implicit_tag(value: str) -> str:
    """The tag of a plain scalar by YAML 1.1's rules."""
    for tag, regexp in _IMPLICIT.get(value[0] if value else "", ()) + _IMPLICIT.get(None, ()):
        if regexp.match(value):
            return str(tag)
    return _STR


class _Builder:
    """Turns PyYAML's node graph into marked values."""

    def __init__(self, file: str) -> None:
        self.duplicates: list[Duplicate] = []
        self._file = file
        self._constructor = SafeConstructor()
        self._open: set[int] = set()
        self._seen: set[int] = set()

    def build(self, node: yaml.Node) -> Marked:
        tag = node.tag
        mark = node.start_mark
        line, column = mark.line + 1, mark.column + 1
        if tag == _STR and isinstance(node, yaml.ScalarNode):
            return MarkedScalar(node.value, line, column)
        if isinstance(node, yaml.MappingNode) and tag == _MAP:
            with _Guard(self, node):
                return MarkedDict(tuple(self._entries(node)), line, column)
        if isinstance(node, yaml.SequenceNode) and tag == _SEQ:
            with _Guard(self, node):
                return MarkedList(tuple([self.build(item) for item in node.value]), line, column)
        return MarkedScalar(self._construct(node), line, column)

    def _entries(self, node: yaml.MappingNode) -> Iterator[MarkedEntry]:
        entries: dict[Any, MarkedEntry] = {}
        for key_node, value_node in self._flat(node):
            key = self._key(key_node)
            mark = key_node.start_mark
            if key in entries:  # 1, 1.0 and true are one key, and Python's dict keeps the first form
                key = entries[key].key
            entries[key] = MarkedEntry(key, mark.line + 1, mark.column + 1, self.build(value_node))
        self._find_duplicates(node)
        return iter(entries.values())

    def _flat(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        """The pairs of a mapping, what ``<<`` merges first, so that the mapping's own keys win."""
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own: list[tuple[yaml.Node, yaml.Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged += self._merged(value_node)
            else:
                own.append((key_node, value_node))
        return merged + own

    def _merged(self, node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            with _Guard(self, node):
                return self._flat(node)
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.MappingNode) for item in node.value):
            return [pair for item in reversed(node.value) for pair in self._flat(item)]  # the first one wins
        raise self.wrong("a merge key << takes a mapping or a list of mappings", node)

    def _find_duplicates(self, node: yaml.MappingNode) -> None:
        if id(node) in self._seen or len(node.value) < 2:  # an aliased mapping is built once per alias
            return
        self._seen.add(id(node))
        places: dict[Any, Place] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key, mark = self._key(key_node), key_node.start_mark
            place = Place(self._file, mark.line + 1, mark.column + 1)
            if key in places:
                self.duplicates.append(Duplicate(key, places[key], place))
            places[key] = place

    def _key(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(
                "a mapping or list stands where a key is expected",
                node,
                "Quote the key; an unquoted {{ or [ starts a YAML mapping or list.",
            )
        if node.tag in (_STR, _VALUE):
            return sys.intern(node.value)
        return self._construct(node)

    def _construct(self, node: yaml.Node) -> Any:
        try:
            return self._constructor.construct_object(node, deep=True)
        except ConstructorError as error:
            details = str(error.problem or "")
            if node.tag == _VALUE:
                raise self.wrong("a lone = is no value in YAML 1.1", node, 'Quote it: "=".') from error
            raise self.wrong(f"YAML tag {node.tag!r} cannot be read", node, details=details) from error
        except (ValueError, OverflowError) as error:
            raise self.wrong(f"{node.value!r} is no valid value: {error}", node, "Quote it if it is text.") from error

    def wrong(self, brief: str, node: yaml.Node, resolution: str = "", details: str = "") -> WrongYamlError:
        mark = node.start_mark
        place = Place(self._file, mark.line + 1, mark.column + 1)
        return WrongYamlError(Problem(brief, (place,), details, resolution))

    def enter(self, node: yaml.Node) -> None:
        if id(node) in self._open:
            raise self.wrong("an alias stands for something that it is a part of", node, "Remove the alias.")
        if len(self._open) >= _MAX_DEPTH:
            raise self.wrong(f"the YAML is nested more than {_MAX_DEPTH} levels deep", node)
        self._open.add(id(node))

    def leave(self, node: yaml.Node) -> None:
        self._open.discard(id(node))


class _Guard:
    """Finds aliases that contain themselves."""

    __slots__ = ("_builder", "_node")

    def __init__(self, builder: _Builder, node: yaml.Node) -> None:
        self._builder = builder
        self._node = node

    def __enter__(self) -> None:
        self._builder.enter(self._node)

    def __exit__(self, *_: object) -> None:
        self._builder.leave(self._node)


_HINTS = (
    ("cannot start any token", "Indent with spaces, and quote values that start with @, ` or %."),
    ("mapping values are not allowed", "Quote a value that contains ': ', and check the indentation of this line."),
    ("could not find expected ':'", "A key needs a colon and a space after it; check this line and the one before."),
    ("did not find expected key", "Check the indentation: this line belongs to no mapping that is open here."),
    ("did not find expected '-' indicator", "Check the indentation: a list and a mapping are mixed here."),
    ("did not find expected ',' or", "Close the bracket, or quote a value that starts with { or [."),
    ("unexpected end of stream", "Close the quote or bracket that is open here."),
    ("undefined alias", "Quote a value that starts with *; without quotes it is the name of an anchor."),
    ("another document", "Keep one document in the file: remove the '---' line."),
    ("invalid", "Save the file as UTF-8."),
)


def _problem(error: yaml.YAMLError, text: str | bytes, file: str) -> Problem:
    """What libyaml says, with the place and what to do."""
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    context = getattr(error, "context", None)
    if str(message).startswith("but "):  # libyaml's sentence begins in its context
        message, context = f"{context}, {message}", None
    opened = getattr(error, "context_mark", None)
    if context and opened is not None and opened is not mark:
        context = f"{context} that begins in line {opened.line + 1}"
    place = Place(file, mark.line + 1, mark.column + 1) if mark else _reader_place(error, text, file)
    return Problem(
        brief=f"wrong YAML: {message}",
        places=(place,),
        details=str(context or ""),
        resolution=next((hint for part, hint in _HINTS if part in str(message)), ""),
    )


def _reader_place(error: yaml.YAMLError, text: str | bytes, file: str) -> Place:
    position = getattr(error, "position", None)
    if not isinstance(position, int) or position < 0:
        return Place(file)
    data = text.encode() if isinstance(text, str) else text
    before = data[:position]
    return Place(file, before.count(b"\n") + 1, position - (before.rfind(b"\n") + 1) + 1)
