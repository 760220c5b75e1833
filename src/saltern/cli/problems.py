"""Problems as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from saltern.base.errors import Problem, SalternError

SHOWN_PLACES = 10
"""How many places of a problem people see; JSON has all."""


def print_error(console: Console, error: SalternError, *, as_json: bool) -> None:
    """All problems of an error on stderr; with ``as_json`` one JSON object."""
    if as_json:
        data = {"error": type(error).__name__, "exit_code": int(error.code)}
        warnings = {"warnings": [p.as_json() for p in error.warnings]} if error.warnings else {}
        console.file.write(json.dumps({**data, "problems": [p.as_json() for p in error.problems], **warnings}) + "\n")
        return
    print_problems(console, error.warnings, "warning", "yellow")
    print_problems(console, error.problems, "error", "bold red")
    if len(error.problems) > 1:
        console.print(f"{len(error.problems)} problems")


def print_problems(console: Console, problems: Iterable[Problem], word: str, style: str) -> None:
    """Each problem: what; where; why; what to do."""
    for problem in problems:
        kind = (f" [{problem.kind}]", "dim") if problem.kind else ""
        console.print(Text.assemble((f"{word}: ", style), problem.brief, kind))
        for place in problem.places[:SHOWN_PLACES]:
            console.print(Text(f"  at {place}"))
        if len(problem.places) > SHOWN_PLACES:
            console.print(Text(f"  and {len(problem.places) - SHOWN_PLACES} more"))
        if problem.node:
            console.print(Text(f"  node: {problem.node}"))
        if problem.chain:
            console.print(Text(f"  classes: {' → '.join(problem.chain)}"))
        for line in problem.details.splitlines():
            console.print(Text(f"  | {line}", style="dim"))
        if problem.resolution:
            console.print(Text(f"  do: {problem.resolution}"))
