"""What formulas tell apart from what runs: kinds of ``meta/*.yml`` that change no node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from saltern.base.errors import FormulaError, Problem
from saltern.project.compiling import Compiled
from saltern.project.secrets import shown
from saltern.project.workers import Bases

Told = TypeVar("Told")


def told(
    bases: Bases, compiled: Iterable[Compiled], kind: str, read: Callable[[Compiled, Mapping[str, Any]], Told]
) -> list[Told]:
    """What ``read`` makes of one kind of metadata of each node, in which no secret is left.

    Asked apart from compiling: it may depend on the machine that is asked, it changes no node, and what is wrong in it
    hinders nothing else. Raises FormulaError with the problems of all nodes.
    """
    done: list[Told] = []
    problems: list[Problem] = []
    for one in compiled:
        member = one.member
        low = bases.worker(one.site).compile(bases.context(member), member.node.applications, (kind,))
        try:
            done.append(read(one, shown(member, low.metadata)))
        except FormulaError as error:
            problems += error.problems
    if problems:
        raise FormulaError(problems)
    return done
