"""What formulas tell about their services apart from running them: kinds of ``meta/*.yml`` that change no node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from saltern.base.errors import FormulaError, Problem
from saltern.project.compiling import Compiled
from saltern.project.secrets import readable
from saltern.project.workers import Bases

HIDDEN = "***"

Told = TypeVar("Told")


def told(
    bases: Bases, compiled: Iterable[Compiled], kind: str, read: Callable[[Compiled, Mapping[str, Any]], Told]
) -> list[Told]:
    """What ``read`` makes of a kind of metadata of each node, which has no secret in it.

    Asked apart from compiling: what formulas tell may depend on the machine that is asked. Raises FormulaError with all
    problems of all nodes.
    """
    done: list[Told] = []
    problems: list[Problem] = []
    for one in compiled:
        low = bases.worker(one.site).compile(bases.context(one.member), one.member.node.applications, (kind,))
        try:
            done.append(read(one, _hidden(one, low.metadata)))
        except FormulaError as error:
            problems += error.problems
    if problems:
        raise FormulaError(problems)
    return done


def _hidden(one: Compiled, value: Any) -> Any:
    """A value without secrets: stand-ins become their references, plain ones are hidden."""
    if isinstance(value, Mapping):
        return {key: _hidden(one, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(one, item) for item in value]
    if not isinstance(value, str):
        return value
    text = readable(value, one.member.references)
    for secret in sorted(one.member.secrets, key=lambda secret: (-len(secret), secret)):
        text = text.replace(secret, HIDDEN)
    return text
