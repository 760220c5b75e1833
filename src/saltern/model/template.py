"""Text with references and inventory queries, compiled once per place in a file. Pure.

Grammar (the reference's): ``${path}`` is a reference, ``$[expression]`` an inventory query; both may stand inside other
text, and references nest. A backslash before ``${`` or ``$[`` makes it literal, two make one literal backslash before a
real reference; inside a reference the same holds for ``}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Syntax:
    """The characters with a meaning in texts and keys; the defaults are the reference's."""

    delimiter: str = ":"
    reference: tuple[str, str] = ("${", "}")
    query: tuple[str, str] = ("$[", "]")
    escape: str = "\\"
    overwrite: str = "~"
    constant: str = "="

    @cached_property
    def sentinels(self) -> tuple[str, ...]:
        """What begins and ends references and queries."""
        return (*self.reference, *self.query)

    @cached_property
    def text_end(self) -> re.Pattern[str]:
        """Where literal text ends: at a sentinel, escaped or not."""
        return self._end(self.reference[0], self.query[0])

    @cached_property
    def reference_text_end(self) -> re.Pattern[str]:
        """Where literal text inside a reference ends."""
        return self._end(*self.reference)

    def _end(self, *sentinels: str) -> re.Pattern[str]:
        alternatives = "|".join(re.escape(sentinel) for sentinel in sentinels)
        return re.compile(f"(?:{re.escape(self.escape)}){{0,2}}(?:{alternatives})")


SYNTAX = Syntax()


class TemplateError(ValueError):
    """A text whose references do not parse; ``column`` counts from 0 in the text."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Reference:
    """``${…}``: ``path`` when it is known without rendering, else ``parts`` to render and join first."""

    parts: tuple[Part, ...]
    path: tuple[str, ...] | None
    syntax: Syntax = SYNTAX

    def __str__(self) -> str:
        begin, end = self.syntax.reference
        return begin + "".join(str(part) for part in self.parts) + end


@dataclass(frozen=True, slots=True)
class QueryText:
    """``$[…]``: the expression between the brackets."""

    text: str
    syntax: Syntax = SYNTAX

    def __str__(self) -> str:
        begin, end = self.syntax.query
        return begin + self.text + end


Part = str | Reference | QueryText


@dataclass(frozen=True, slots=True)
class Template:
    """``text`` as written and its parts; a single reference or query keeps the type of its value."""

    text: str
    parts: tuple[Part, ...]
    whole: Part | None
    """The only part, if there is one."""


def compile_text(text: str, syntax: Syntax = SYNTAX) -> Template | str:
    """Compile; a text that holds only escapes comes back as the literal that it stands for."""
    if syntax.reference[0] not in text and syntax.query[0] not in text:
        return text
    # The reference expands TABs in every text that holds a reference; equal output matters more than its reason.
    reader = _Reader(text.expandtabs(), syntax)
    parts = _joined(reader.line())
    if all(isinstance(part, str) for part in parts):
        return "".join(str(part) for part in parts)
    return Template(text, parts, parts[0] if len(parts) == 1 else None)


def split_path(text: str, delimiter: str) -> tuple[str, ...]:
    """The keys of a reference; a delimiter after a backslash does not split."""
    if "\\" not in text:
        return tuple(text.split(delimiter))
    return tuple(re.split(r"(?<!\\)" + re.escape(delimiter), text))


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring literals become one."""
    joined: list[Part] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str, syntax: Syntax) -> None:
        self._text = text
        self._at = 0
        self._syntax = syntax
        self._reference_begin, self._reference_end = syntax.reference
        self._query_begin, self._query_end = syntax.query

    def line(self) -> list[Part]:
        parts: list[Part] = []
        while self._at < len(self._text):
            if self._take(self._reference_begin):
                parts.append(self._reference())
            elif self._take(self._query_begin):
                parts.append(self._query())
            else:
                parts.append(self._literal())
        return parts

    def _literal(self) -> str:
        if escaped := self._escaped((self._reference_begin, self._query_begin)):
            return escaped
        end = self._syntax.text_end.search(self._text, self._at + 1)
        start, self._at = self._at, end.start() if end else len(self._text)
        return self._text[start : self._at]

    def _reference(self) -> Reference:
        begin = self._at - len(self._reference_begin)
        parts: list[Part] = []
        while not self._take(self._reference_end):
            if self._at >= len(self._text):
                raise TemplateError(f"the reference is not closed: {self._reference_end} is missing", begin)
            if self._take(self._reference_begin):
                parts.append(self._reference())
                continue
            parts.append(self._reference_literal())
        if not parts:
            raise TemplateError("the reference is empty", begin)
        joined = _joined(parts)
        static = joined[0] if len(joined) == 1 and isinstance(joined[0], str) else None
        path = None if static is None else split_path(static, self._syntax.delimiter)
        return Reference(joined, path, self._syntax)

    def _reference_literal(self) -> str:
        if escaped := self._escaped(self._syntax.reference):
            return escaped
        end = self._syntax.reference_text_end.search(self._text, self._at + 1)
        start, self._at = self._at, end.start() if end else len(self._text)
        return self._text[start : self._at]

    def _query(self) -> QueryText:
        begin = self._at - len(self._query_begin)
        parts: list[str] = []
        while not self._take(self._query_end):
            if self._at >= len(self._text):
                raise TemplateError(f"the inventory query is not closed: {self._query_end} is missing", begin)
            parts.append(self._escaped(self._syntax.query) or self._char())
        if not "".join(parts).strip():
            raise TemplateError("the inventory query is empty", begin)
        return QueryText("".join(parts), self._syntax)

    def _escaped(self, sentinels: tuple[str, ...]) -> str:
        """The literal that an escape here stands for, or ""."""
        text, at, escape = self._text, self._at, self._syntax.escape
        if not text.startswith(escape, at):
            return ""
        after = at + len(escape)
        if text.startswith(escape, after) and text.startswith(self._syntax.sentinels, after + len(escape)):
            self._at = after + len(escape)
            return escape
        for sentinel in sentinels:
            if text.startswith(sentinel, after):
                self._at = after + len(sentinel)
                return sentinel
        return ""

    def _char(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, sentinel: str) -> bool:
        if self._text.startswith(sentinel, self._at):
            self._at += len(sentinel)
            return True
        return False
