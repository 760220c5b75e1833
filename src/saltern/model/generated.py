"""Nodes without files: ``reclass:storage:node`` definitions of the salt-formulas community. Pure.

There a tool writes a file below ``nodes/_generated`` for every definition; here the same entity is made from the
terms, so that its values keep the places of the definition::

    reclass:
      storage:
        node:
          compute:
            name: cmp<<count>>           # the key where it is missing
            domain: cloud.local
            classes: [cluster.cloud.compute]
            repeat: {count: 20, start: 1, digits: 3, params: {address: {value: 10.0.1.<<count>>, start: 101}}}
            params: {salt_master_host: 10.0.0.2}
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import Place, Problem
from saltern.model.entity import Entity, Include, absolute_name, empty_branch
from saltern.model.interpolate import Path, Renderer, UnresolvedError, lift
from saltern.model.merge import merge_branches
from saltern.model.template import Reference, Template, TemplateError, compile_text
from saltern.model.terms import Branch, Definition, Mark, Scalar, Sequence, Source, Term, Text

STORAGE = ("reclass", "storage")
SYMBOL = "<<count>>"


@dataclass(frozen=True, slots=True)
class Generated:
    """The entities that one node defines, and what is wrong with its definitions."""

    entities: tuple[Entity, ...]
    problems: tuple[Problem, ...]


def defines_nodes(parameters: Branch) -> bool:
    """Whether a node's merged parameters may hold definitions; cheap, nothing is rendered."""
    return STORAGE[0] in parameters.entries


def generate(renderer: Renderer, definer: str) -> Generated:
    """The nodes that ``reclass:storage:node`` of one node defines; what has no value there is that node's problem."""
    try:
        storage = _Term(renderer, renderer.root, definer).get(*STORAGE)
    except UnresolvedError:
        return Generated((), ())
    entities: list[Entity] = []
    problems: list[Problem] = []
    if storage is not None and storage.plain("enabled") is not False:
        symbol = str(storage.plain("repeat_replace_symbol", SYMBOL))
        for key, definition in storage.items("node"):
            try:
                entities += _Definition(key, definition, symbol).entities()
            except UnresolvedError:
                continue
            except (TypeError, ValueError, TemplateError) as error:
                problems.append(_wrong(key, definition.term.mark.place, error))
    return Generated(tuple(entities), tuple(problems))


def _wrong(key: str, place: Place, error: Exception) -> Problem:
    return Problem(
        brief=f"the definition of the generated node {key!r} is wrong: {error}",
        places=(place,),
        resolution="See docs/reference/model.md, “Generated nodes”, for its keys.",
    )


class _Term:
    """A term of the defining node with its path, and with what it takes to look into it."""

    def __init__(self, renderer: Renderer, term: Term, definer: str, path: Path = ()) -> None:
        self.renderer = renderer
        self.term = term
        self.definer = definer
        self.path = path

    @property
    def mark(self) -> Mark:
        """For what a generated node takes from here."""
        return self.marked()

    def marked(self, *parts: _Term) -> Mark:
        """The same, for what is made from further terms too."""
        source, line, column = self.term.mark
        paths = (self.path, *(part.path for part in parts))
        return Mark(Definition(source.file, source.name, source.is_node, self.definer, paths), line, column)

    def get(self, *path: str) -> _Term | None:
        term: Term | None = self.term
        for key in path:
            head = None if term is None else self.renderer.head(term)
            term = head.entries.get(key) if isinstance(head, Branch) else None
        return None if term is None else self._below(term, *path)

    def items(self, *path: str) -> Iterator[tuple[str, _Term]]:
        found = self.get(*path)
        head = None if found is None else self.renderer.head(found.term)
        if isinstance(head, Branch):
            for key, term in head.entries.items():
                yield str(key), self._below(term, *path, str(key))

    def plain(self, key: str, default: Any = None) -> Any:
        found = self.get(key)
        value = None if found is None else self.renderer.value(found.term)
        return default if value is None else value

    def settled(self) -> Term:
        """The rendered value as a term of its own, at the places of its parts; new references in it count again."""
        mark = self.mark
        head = self.renderer.head(self.term)
        if isinstance(head, Scalar):
            return self.scalar(head.value, mark)
        if isinstance(head, Sequence):
            return Sequence(tuple(self._below(item, n).settled() for n, item in enumerate(head.items)), mark)
        entries = {str(key): self._below(item, str(key)).settled() for key, item in head.entries.items()}
        return Branch(entries, (mark, None))

    def scalar(self, value: Any, mark: Mark) -> Term:
        """A value as a file would have it: text may hold references."""
        template = compile_text(value, self.renderer.options.syntax) if isinstance(value, str) else value
        return Text(template, mark) if isinstance(template, Template) else Scalar(template, mark)

    def _below(self, term: Term, *path: str | int) -> _Term:
        return _Term(self.renderer, term, self.definer, self.path + path)


@dataclass(frozen=True, slots=True)
class _Pool:
    """Addresses to hand out, and the ranges that they are taken from."""

    ranges: _Term
    addresses: tuple[str, ...]


class _Definition:
    """One definition; ``repeat`` makes several nodes of it."""

    def __init__(self, key: str, definition: _Term, symbol: str) -> None:
        self._key = key
        self._definition = definition
        self._symbol = symbol
        self._definer = definition.definer
        self._mark = definition.mark

    def entities(self) -> Iterator[Entity]:
        repeat = self._definition.get("repeat")
        name = str(self._definition.plain("name", self._key))
        if repeat is None:
            yield self._entity(name, {})
            return
        count = _number(repeat, "count", 0)
        pools = dict(self._pools(repeat, count))
        for index in range(count):
            yield self._entity(self._counted(name, repeat, index), self._repeated(repeat, index, pools))

    def _entity(self, name: str, repeated: dict[str, Term]) -> Entity:
        domain = self._definition.plain("domain", "")
        full = f"{name}.{domain}" if domain else name
        written = self._mark.source
        source = Source(written.file, full, is_node=True)
        return Entity(
            source=source,
            uri=f"generated://{self._definer}/{self._key}",
            pathname=f"_generated/{full}",
            includes=tuple(self._includes(full)),
            applications=(),
            environment=None,
            parameters=self._parameters(name, repeated),
            exports=empty_branch(source),
            definer=self._definer,
        )

    def _includes(self, owner: str) -> Iterator[Include]:
        classes = self._definition.get("classes")
        head = None if classes is None else classes.renderer.head(classes.term)
        if head is None or (isinstance(head, Scalar) and head.value is None):
            return
        if not isinstance(head, Sequence):
            raise TypeError("classes is no list")
        for item in head.items:
            name = absolute_name(str(self._definition.renderer.value(item)), owner)
            template = compile_text(name, self._definition.renderer.options.syntax)
            yield Include(name, item.mark, None if isinstance(template, str) else template)

    def _parameters(self, name: str, repeated: dict[str, Term]) -> Branch:
        """As the community's template writes them: ``_param``, then ``<kernel>:system``, then ``parameters``."""
        plain = self._definition.plain
        params = {key: item.settled() for key, item in self._definition.items("params")}
        system: dict[str, Term] = {
            "name": lift(name, self._mark_of("name")),
            "domain": lift(plain("domain", ""), self._mark_of("domain")),
            "cluster": lift(plain("cluster", "default"), self._mark_of("cluster")),
            "environment": lift(plain("environment", "prd"), self._mark_of("environment")),
        }
        entries: dict[str, Term] = {
            "_param": Branch({**params, **repeated}, (self._mark, None)),
            str(plain("kernel", "linux")): Branch({"system": Branch(system, (self._mark, None))}, (self._mark, None)),
        }
        own = Branch(entries, (self._mark, None))
        more = self._definition.get("parameters")
        extra = None if more is None else more.settled()
        return merge_branches(own, extra) if isinstance(extra, Branch) else own

    def _mark_of(self, key: str) -> Mark:
        """Where the key stands, or the definition where it does not."""
        found = self._definition.get(key)
        return self._mark if found is None else found.mark

    def _repeated(self, repeat: _Term, index: int, pools: dict[str, _Pool]) -> dict[str, Term]:
        found: dict[str, Term] = {}
        for key, param in repeat.items("params"):
            written = param.get("value") or param
            value = self._counted(str(param.plain("value", "")), param, index)
            taken = []
            for name, pool in pools.items():
                if f"<<{name}>>" in value:
                    value = value.replace(f"<<{name}>>", pool.addresses[index])
                    taken.append(pool.ranges)
            if param.plain("interpolate"):
                syntax = param.renderer.options.syntax
                value = str(Reference((f"_param{syntax.delimiter}{value}",), None, syntax))
            found[key] = param.scalar(value, written.marked(*taken))
        return found

    def _counted(self, text: str, counter: _Term, index: int) -> str:
        number = str(_number(counter, "start", 1) + index)
        return text.replace(self._symbol, number.rjust(_number(counter, "digits", 1), "0"))

    def _pools(self, repeat: _Term, count: int) -> Iterator[tuple[str, _Pool]]:
        """What to hand out: ``ip_ranges`` (each address) and ``network_ranges`` (the first one of each network)."""
        for kind, expand in (("ip_ranges", _addresses), ("network_ranges", _networks)):
            for key, ranges in repeat.items(kind):
                text = str(ranges.renderer.value(ranges.term))
                pool = tuple(expand(text, count))
                if len(pool) < count:
                    raise ValueError(f"{kind} {key} holds {len(pool)} addresses, but {count} nodes need one")
                yield key, _Pool(ranges, pool)


def _number(term: _Term, key: str, default: int) -> int:
    value = term.plain(key, default)
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{key} is no number but {value!r}") from None


def _addresses(ranges: str, count: int) -> Iterator[str]:
    for start, end in _bounds(ranges):
        first, last = ipaddress.ip_address(start), ipaddress.ip_address(end)
        for offset in range(min(int(last) - int(first) + 1, count)):
            yield str(first + offset)


def _networks(ranges: str, count: int) -> Iterator[str]:
    for start, end in _bounds(ranges):
        first, last = ipaddress.ip_interface(start).network, ipaddress.ip_interface(end).network
        step = first.num_addresses
        begin, stop = int(first.network_address), int(last.network_address)
        for offset in range(min((stop - begin) // step + 1, count)):
            yield str(first.network_address + offset * step + 1)


def _bounds(ranges: str) -> Iterator[tuple[str, str]]:
    for part in ranges.split(","):
        start, dash, end = part.strip().partition("-")
        if not dash:
            raise ValueError(f"{part!r} is no range: write first-last")
        yield start.strip(), end.strip()
