"""References to secrets in rendered values, ``?{store:name}``: finding them, and putting other text in their place.

To reclass a reference is plain text, so it goes through merges and ``${…}`` unharmed and may stand inside other text.
It is read when everything is rendered. A backslash before it makes it literal. No value is known here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saltern.base.errors import Place
from saltern.base.store import digest
from saltern.model.interpolate import Path
from saltern.model.origins import Origin, walk
from saltern.model.tree import Node

BEGIN = "?{"
_REFERENCE = re.compile(r"(?P<escape>\\?)\?\{(?P<store>[a-z][a-z0-9]*):(?P<name>[^{}\r\n]*)\}")


@dataclass(frozen=True, slots=True, order=True)
class SecretReference:
    """``?{store:name}``: which store has the secret, and its name there."""

    store: str
    name: str

    def __str__(self) -> str:
        return f"{BEGIN}{self.store}:{self.name}}}"

    @property
    def stand_in(self) -> str:
        """What formulas see where the value itself is not needed: always the same, harmless in YAML and shells."""
        return f"saltern-secret-{digest(str(self))[:16]}"


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A reference at a path of a node's parameters, and where it is written."""

    reference: SecretReference
    node: str
    path: Path
    places: tuple[Place, ...]


def references_in(text: str) -> tuple[SecretReference, ...]:
    """The references of one text, in order."""
    if BEGIN not in text:
        return ()
    return tuple(_reference(match) for match in _REFERENCE.finditer(text) if not match["escape"])


def is_reference(text: str) -> bool:
    """Whether the text is one reference and nothing else: a secret that is not written here."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and not match["escape"]


def find_references(value: Any, path: Path = ()) -> Iterator[tuple[Path, SecretReference]]:
    """All references in rendered parameters with their paths."""
    if isinstance(value, str):
        for reference in references_in(value):
            yield path, reference
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from find_references(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from find_references(item, (*path, index))


def fill(value: Any, text_of: Callable[[SecretReference], str]) -> Any:
    """The parameters with ``text_of`` each reference in its place, and escaped ones as they are meant; made anew."""
    if isinstance(value, str):
        return _filled(value, text_of) if BEGIN in value else value
    if isinstance(value, Mapping):
        return {key: fill(item, text_of) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(item, text_of) for item in value]
    return value


def uses_of(node: Node) -> Iterator[SecretUse]:
    """Every reference of a node with the place where it is written. Raises ModelError."""
    for path, reference in find_references(node.native_parameters):
        yield SecretUse(reference, node.name, path, _written(tuple(walk(node.origin(path))), reference))


def _written(origins: tuple[Origin, ...], reference: SecretReference) -> tuple[Place, ...]:
    """The last place whose text has the reference, or begins one whose name is itself interpolated."""
    for wanted in (str(reference), BEGIN, ""):
        found = [origin.place for origin in origins if wanted in str(origin.value) and origin.file]
        if found:
            return (found[-1],)
    return ()


def _filled(text: str, text_of: Callable[[SecretReference], str]) -> str:
    return _REFERENCE.sub(lambda match: match[0][1:] if match["escape"] else text_of(_reference(match)), text)


def _reference(match: re.Match[str]) -> SecretReference:
    return SecretReference(match["store"], match["name"])
