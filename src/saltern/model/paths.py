"""Paths as users write them: ``parameters:a:b``, ``a:b``, ``exports:a``, ``class:NAME``, ``a:"b:c":d``. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

QUOTES = "'\""


class Kind(StrEnum):
    """What a path is about; also its first word."""

    PARAMETERS = "parameters"
    EXPORTS = "exports"
    CLASSES = "classes"
    CLASS = "class"
    APPLICATIONS = "applications"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Subject:
    """A path with what it is about."""

    kind: Kind
    path: tuple[str | int, ...] = ()

    def shown(self, delimiter: str = ":") -> str:
        """As a user may write it."""
        return join_path((self.kind.value, *self.path), delimiter)


def parse_subject(text: str, delimiter: str = ":") -> Subject:
    """What a text is about; without one of the known first words it is a path of parameters. Raises ValueError."""
    first, *rest = split_words(text, delimiter)
    if first in Kind._value2member_map_:
        return Subject(Kind(first), tuple(rest))
    return Subject(Kind.PARAMETERS, (first, *rest))


def split_words(text: str, delimiter: str = ":") -> tuple[str, ...]:
    """The keys of a path; one that holds the delimiter is quoted, or has a backslash before it.

    A quote inside quotes is doubled; only a quoted key may be empty. Raises ValueError.
    """
    words: list[str] = []
    at = 0
    while True:
        if text[at : at + 1] in tuple(QUOTES):
            word, at = _quoted(text, at)
        else:
            word, at = _plain(text, at, delimiter)
            if not word:
                raise ValueError("a key is empty")
        words.append(word)
        if at == len(text):
            break
        if not text.startswith(delimiter, at):
            raise ValueError(f"{delimiter!r} is expected before {text[at:]!r}")
        at += len(delimiter)
    return tuple(words)


def join_path(path: Iterable[str | int], delimiter: str = ":") -> str:
    """The text that :func:`split_words` reads as this path."""
    return delimiter.join(_shown(str(key), delimiter) for key in path)


def _quoted(text: str, at: int) -> tuple[str, int]:
    quote, end = text[at], at + 1
    while True:
        end = text.find(quote, end)
        if end < 0:
            raise ValueError(f"the quote before {text[at + 1 :]!r} is not closed")
        if not text.startswith(quote, end + 1):
            return text[at + 1 : end].replace(quote * 2, quote), end + 1
        end += 2


def _plain(text: str, at: int, delimiter: str) -> tuple[str, int]:
    word = ""
    while at < len(text) and not text.startswith(delimiter, at):
        if text.startswith("\\" + delimiter, at):
            word, at = word + delimiter, at + 1 + len(delimiter)
        else:
            word, at = word + text[at], at + 1
    return word, at


def _shown(key: str, delimiter: str) -> str:
    ends = (key + delimiter).index(delimiter) == len(key)  # and not before, as with "a:" and the delimiter "::"
    if key and ends and key[0] not in QUOTES and key[-1] != "\\":
        return key
    quote = "'" if '"' in key else '"'
    return quote + key.replace(quote, quote * 2) + quote
