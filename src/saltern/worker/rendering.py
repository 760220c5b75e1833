"""Watches Salt render, because it turns every error into a sentence: here they keep their file and line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from . import compat, explain, places
from .node import Node
from .problem import Problem, Problems

MISSING_SLS = re.compile(
    r"(?:Specified SLS (\S+) in saltenv|No matching sls found for '(\S+)' in env"
    r"|Unknown include: Specified SLS \w+: (\S+))"
)
STATE_IN_SLS = re.compile(r"(?:ID|State|Name|id) '?(.+?)'? in SLS '?(?:base:)?([\w./-]*\w)")
SLS = re.compile(r"SLS '?(?:base:)?([\w./-]*\w)")


class Watcher:
    """Collects the problems of one request."""

    def __init__(self, target: Node) -> None:
        self._roots = target.roots
        self._sources = places.Sources(target.roots)
        self._target = target
        self._problems: list[Problem] = []
        self._seen: list[str] = []

    def caught(self, file: str, error: Exception) -> None:
        """Note an error that was raised while ``file`` was rendered."""
        text = _text(error)
        self._seen.append(str(error))
        found = explain.explain(text, self._roots.roots)
        relative = self._roots.relative(found.file or file)
        line = found.line
        if found.rendered:
            line = places.source_line(self._sources.lines(relative), compat.rendered(file), found.rendered)
        self._problems.append(Problem(self._hidden(found.brief), relative, line, self._hidden(found.details)))

    def fail(self, errors: Sequence[str] = ()) -> None:
        """Raise all problems, with those of Salt's sentences that say something new."""
        for error in errors:
            if not any(seen in error for seen in self._seen):
                self._problems.append(self._of_sentence(error))
        if self._problems:
            raise Problems(self._problems)

    def _of_sentence(self, error: str) -> Problem:
        missing = MISSING_SLS.search(error)
        if missing:
            sls = next(filter(None, missing.groups()))
            details = f"no formula has {sls.replace('.', '/')}.sls or {sls.replace('.', '/')}/init.sls"
            return Problem(f"there is no SLS {sls!r}", *self._sources.mention(sls), details)
        brief, _, details = self._hidden(error).strip().partition("\n")
        state = STATE_IN_SLS.search(error)
        if state:
            return Problem(brief, *self._sources.find(state.group(2), state.group(1)), details)
        sls_name = SLS.search(error)
        return Problem(brief, self._roots.sls_file(sls_name.group(1)) if sls_name else "", 0, details)

    def _hidden(self, text: str) -> str:
        return explain.hide(text, self._target.hidden())


def _text(error: Exception) -> str:
    """The error with the line that Salt keeps beside its message."""
    line = getattr(error, "line_num", None)
    text = str(error)
    if getattr(error, "buffer", "") and line and "Jinja" not in text:  # a YAML scanner: it counts in the rendered text
        message = str(getattr(error, "error", text))
        return f'{message}\n in "<unicode string>", line {line}, column 1'
    return text


@contextlib.contextmanager
def watch(target: Node) -> Iterator[Watcher]:
    """Within the block, the watcher sees what each template raises."""
    import salt.state

    watcher = Watcher(target)
    original = salt.state.compile_template

    def compile_template(template: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(template, *args, **kwargs)
        except Exception as error:
            watcher.caught(template, error)
            raise

    salt.state.compile_template = compile_template
    try:
        yield watcher
    finally:
        salt.state.compile_template = original
