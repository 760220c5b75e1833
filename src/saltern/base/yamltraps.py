"""What YAML 1.1 reads otherwise than people do: booleans, numbers, keys that are no text, TABs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import yaml
from yaml.resolver import Resolver

from saltern.base.errors import Place

_SWITCH = re.compile(r"(?:yes|no|on|off)$", re.IGNORECASE)
_OCTAL = re.compile(r"[-+]?0[0-7_]*[1-7][0-7_]*$")
_SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_STR = "tag:yaml.org,2002:str"
_SPECIAL_KEYS = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value", _STR)
_MOST_TABS = 1000
_RESOLVER = Resolver()


class TrapKind(StrEnum):
    """What was found."""

    TAB = "tab"
    """A TAB that libyaml takes for a space, and YAML (and PyYAML without libyaml) does not."""
    BOOLEAN = "boolean"
    """``yes``, ``no``, ``on`` or ``off`` without quotes."""
    NUMBER = "number"
    """A number in octal (``0644``) or sexagesimal (``22:22``) form."""
    KEY = "key"
    """A key that is no text: a number, null, a date."""


@dataclass(frozen=True, slots=True)
class Trap:
    """One find: what is written, what YAML 1.1 makes of it (None for a TAB), and where."""

    kind: TrapKind
    text: str
    value: Any
    place: Place


def find_traps(data: bytes, file: str) -> tuple[Trap, ...]:
    """All of them in the order of the file; a file that is no YAML has none."""
    found: list[Trap] = []
    try:
        for is_key, event in _scalars(data):
            trap = _trap(event, file, is_key=is_key)
            if trap is not None:
                found.append(trap)
    except (yaml.YAMLError, ValueError):
        return ()
    if b"\t" in data:
        found += _tabs(data, file)
    return tuple(sorted(found, key=lambda trap: trap.place))


def _scalars(data: bytes) -> Iterator[tuple[bool, yaml.ScalarEvent]]:
    """Every plain scalar, and whether it is a key."""
    key_is_next: list[bool | None] = []  # per open collection; None: a list
    for event in yaml.parse(data, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            key_is_next.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        inside = key_is_next[-1] if key_is_next else False
        if inside is not None and key_is_next:
            key_is_next[-1] = not inside
        if isinstance(event, yaml.CollectionStartEvent):
            key_is_next.append(True if isinstance(event, yaml.MappingStartEvent) else None)
        elif isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            yield bool(inside), event


def _trap(event: yaml.ScalarEvent, file: str, *, is_key: bool) -> Trap | None:
    text = event.value
    mark: Any = event.start_mark
    place = Place(file, mark.line + 1, mark.column + 1)
    if _SWITCH.match(text):
        return Trap(TrapKind.BOOLEAN, text, yaml.safe_load(text), place)
    if is_key:
        return None if _tag(text) in _SPECIAL_KEYS else Trap(TrapKind.KEY, text, yaml.safe_load(text), place)
    if _OCTAL.match(text) or _SEXAGESIMAL.match(text):
        return Trap(TrapKind.NUMBER, text, yaml.safe_load(text), place)
    return None


@lru_cache(maxsize=65536)
def _tag(text: str) -> str:
    return str(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


def _tabs(data: bytes, file: str) -> Iterator[Trap]:
    """PyYAML's own scanner stops at each; the next one is found with the ones before it replaced."""
    text = data.decode("utf-8-sig", "replace")
    for _ in range(_MOST_TABS):
        mark = _refused(text)
        if mark is None or mark.index >= len(text) or text[mark.index] != "\t":
            return
        yield Trap(TrapKind.TAB, "\t", None, Place(file, mark.line + 1, mark.column + 1))
        text = text[: mark.index] + " " + text[mark.index + 1 :]


def _refused(text: str) -> yaml.Mark | None:
    try:
        for _token in yaml.scan(text):
            pass
    except yaml.MarkedYAMLError as error:
        return error.problem_mark
    except yaml.YAMLError:
        return None
    return None
