"""One class or node file as a frozen entity: what it includes, applies and says. Pure: it gets a parsed document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from saltern.base.errors import Place, Problem
from saltern.base.yamlmarks import Document, Marked, MarkedDict, MarkedEntry, MarkedList, MarkedScalar
from saltern.model.kinds import WarningKind
from saltern.model.merge import merge
from saltern.model.template import SYNTAX, Syntax, Template, TemplateError, compile_text
from saltern.model.terms import Branch, Layer, Mark, Scalar, Sequence, Source, Stack, Term, Text

TOP_KEYS = ("applications", "classes", "environment", "exports", "parameters")


@dataclass(frozen=True, slots=True)
class Include:
    """A class that an entity asks for: ``name`` is absolute; ``template`` is set when it holds references."""

    name: str
    mark: Mark
    template: Template | None = None
    mapping: str = ""
    """The entry of ``class_mappings`` that asks; then ``mark`` is the option's, without a file when none gives it."""


@dataclass(frozen=True, slots=True)
class Application:
    """An entry of ``applications``: a name, or ``~name`` that takes it away."""

    name: str
    mark: Mark


@dataclass(frozen=True)
class Entity:
    """What one file says. ``problems`` make it unusable; ``warnings`` do not."""

    source: Source
    uri: str
    pathname: str
    """The path below nodes/ or classes/ without its extension."""
    includes: tuple[Include, ...]
    applications: tuple[Application, ...]
    environment: str | None
    parameters: Branch
    exports: Branch
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    environment_mark: Mark | None = None
    foreign: bool = False
    """Whether values or keys have types that JSON lacks, like dates."""
    definer: str = ""
    """The node whose ``reclass:storage:node`` defines this one; "" for what has a file."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """One of the model's own files: its content, and what it says."""

    entity: Entity
    data: bytes


def empty_branch(source: Source) -> Branch:
    """A dictionary that holds nothing."""
    return Branch({}, (Mark(source, 0, 0), None))


def broken_entity(source: Source, problem: Problem) -> Entity:
    """What stands for a file that cannot be read."""
    nothing = empty_branch(source)
    return Entity(source, "", "", (), (), None, nothing, nothing, (problem,))


def compile_entity(document: Document, source: Source, *, uri: str, pathname: str, syntax: Syntax = SYNTAX) -> Entity:
    """The entity that a file's document describes."""
    return _Compiler(document, source, syntax).entity(uri, pathname)


def absolute_name(written: str, owner: str) -> str:
    """A class name as written in ``owner``: each leading dot goes one level up from the owner's own name."""
    name = written.lstrip(".")
    dots = len(written) - len(name)
    if not dots:
        return written
    parent = ".".join(owner.split(".")[:-dots])
    return f"{parent}.{name}" if parent else name


class _Compiler:
    """Marked YAML to terms; collects problems."""

    def __init__(self, document: Document, source: Source, syntax: Syntax) -> None:
        self._document = document
        self._source = source
        self._syntax = syntax
        self._foreign = False
        self._problems: list[Problem] = []
        self._warnings = [
            replace(duplicate.as_problem(), kind=WarningKind.DUPLICATE_KEY) for duplicate in document.duplicates
        ]

    def entity(self, uri: str, pathname: str) -> Entity:
        keys = self._top()
        environment = keys["environment"].value if "environment" in keys else MarkedScalar(None, 0, 0)
        value = environment.value if isinstance(environment, MarkedScalar) else None
        return Entity(
            source=self._source,
            uri=uri,
            pathname=pathname,
            includes=tuple(self._includes(keys.get("classes"))),
            applications=tuple(self._applications(keys.get("applications"))),
            environment=None if value is None else str(value),
            environment_mark=None if value is None else self._mark(environment),
            parameters=self._root(keys.get("parameters")),
            exports=self._root(keys.get("exports")),
            problems=tuple(self._problems),
            warnings=tuple(self._warnings),
            foreign=self._foreign,
        )

    def _top(self) -> dict[Any, MarkedEntry]:
        root = self._document.root
        if root is None or (isinstance(root, MarkedScalar) and root.value is None):
            return {}
        if not isinstance(root, MarkedDict):
            self._wrong(
                f"the file holds no mapping but a {_kind(root)}",
                self._mark(root),
                f"Its top level takes the keys {', '.join(TOP_KEYS)}.",
            )
            return {}
        for entry in root.entries:
            if entry.key not in TOP_KEYS:
                self._warnings.append(_unknown_key(str(entry.key), self._place(entry)))
        return {entry.key: entry for entry in root.entries}

    def _root(self, entry: MarkedEntry | None) -> Branch:
        if entry is None or (isinstance(entry.value, MarkedScalar) and entry.value.value is None):
            return empty_branch(self._source)
        if not isinstance(entry.value, MarkedDict):
            self._wrong(f"{entry.key} is no mapping but a {_kind(entry.value)}", self._mark(entry))
            return empty_branch(self._source)
        return self._branch(entry.value, self._mark(entry))

    def _strings(self, entry: MarkedEntry | None) -> Iterator[tuple[str, Mark]]:
        if entry is None or (isinstance(entry.value, MarkedScalar) and entry.value.value is None):
            return
        if not isinstance(entry.value, MarkedList):
            self._wrong(
                f"{entry.key} is no list but a {_kind(entry.value)}", self._mark(entry), "Write '- name' lines."
            )
            return
        for item in entry.value.items:
            if isinstance(item, MarkedScalar) and isinstance(item.value, str) and item.value:
                yield item.value, self._mark(item)
            else:
                self._wrong(f"an item of {entry.key} is no name", self._mark(item), "Quote it if it is a name.")

    def _includes(self, entry: MarkedEntry | None) -> Iterator[Include]:
        seen: set[str] = set()
        for written, mark in self._strings(entry):
            name = absolute_name(written, self._source.name)
            if name in seen:
                continue
            seen.add(name)
            if wrong := next((char for char in " /" if char in name), None):
                self._wrong(
                    f"the class name {name!r} holds {wrong!r}", mark, "Parts of a class name are joined by dots."
                )
                continue
            template = self._template(name, mark)
            if isinstance(template, str):
                yield Include(template, mark)
            else:
                yield Include(name, mark, template)

    def _applications(self, entry: MarkedEntry | None) -> Iterator[Application]:
        for name, mark in self._strings(entry):
            yield Application(name, mark)

    def _branch(self, node: MarkedDict, mark: Mark) -> Branch:
        overwrite, constant = self._syntax.overwrite, self._syntax.constant
        entries: dict[str, Term] = {}
        for entry in node.entries:
            key = entry.key if isinstance(entry.key, str) else str(entry.key)
            term = self._term(entry.value, self._mark(entry))
            if key[:1] in (overwrite, constant) and len(key) > 1:
                prefix = key[:2] if key[1] in (overwrite, constant) and len(key) > 2 else key[0]
                term = Stack((Layer(term, overwrite=overwrite in prefix, constant=constant in prefix),))
                key = key[len(prefix) :]
            old = entries.get(key)
            entries[key] = term if old is None else merge(old, term)
        return Branch(entries, (mark, None))

    def _term(self, node: Marked, key_mark: Mark, *, in_list: bool = False) -> Term:
        """A term; dictionaries and lists stand where their key does, scalars where their text does."""
        if isinstance(node, MarkedScalar):
            return self._scalar(node)
        if isinstance(node, MarkedList):
            items = tuple([self._term(item, self._mark(item), in_list=True) for item in node.items])
            return Sequence(items, key_mark)
        if not in_list:
            return self._branch(node, key_mark)
        # the reference leaves dictionaries in lists alone: keys keep their type, and no prefix means anything
        self._foreign = self._foreign or not all(isinstance(entry.key, str) for entry in node.entries)
        entries = {entry.key: self._term(entry.value, self._mark(entry), in_list=True) for entry in node.entries}
        return Branch(entries, (key_mark, None))

    def _scalar(self, node: MarkedScalar) -> Term:
        mark = self._mark(node)
        if not isinstance(node.value, str):
            self._foreign = self._foreign or not (node.value is None or isinstance(node.value, (bool, int, float)))
            return Scalar(node.value, mark)
        template = self._template(node.value, mark)
        return Scalar(template, mark) if isinstance(template, str) else Text(template, mark)

    def _template(self, text: str, mark: Mark) -> Template | str:
        try:
            return compile_text(text, self._syntax)
        except TemplateError as error:
            self._wrong(
                f"{_short(text)!r}: {error}", mark, "Write \\${ or \\$[ for literal text that is no reference or query."
            )
            return text

    def _mark(self, node: Marked | MarkedEntry) -> Mark:
        return Mark(self._source, node.line, node.column)

    def _place(self, node: Marked | MarkedEntry) -> Place:
        return Place(self._source.file, node.line, node.column)

    def _wrong(self, brief: str, mark: Mark, resolution: str = "") -> None:
        self._problems.append(Problem(brief, (mark.place,), resolution=resolution))


def _unknown_key(key: str, place: Place) -> Problem:
    close = get_close_matches(key, TOP_KEYS, 1)
    return Problem(
        brief=f"unknown key {key!r} at the top level of the file; what it holds is ignored",
        places=(place,),
        resolution=f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(TOP_KEYS)}.",
        kind=WarningKind.UNKNOWN_KEY,
    )


def _kind(node: Marked) -> str:
    if isinstance(node, MarkedDict):
        return "mapping"
    return "list" if isinstance(node, MarkedList) else "scalar"


def _short(text: str, width: int = 80) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
