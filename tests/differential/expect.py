"""Writes ``expected.json`` of golden models: ``python -m tests.differential.expect tests/golden/model/NAME…``.

What the reference gives, or Saltern's where the case is ours; look at it before you believe it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from saltern.model.tree import jsonable
from tests.golden.models import Case

from .outcome import Failure, Outcome
from .reference import Reference


def main() -> None:
    """The cases that the arguments name."""
    with Reference() as reference:
        for argument in sys.argv[1:]:
            case = Case(Path(argument).resolve())
            expected = case.rendered()
            if not case.is_ours:
                theirs = reference.nodes(case.root, case.options)
                expected = {name: in_json(outcome) or expected.get(name) for name, outcome in theirs.items()}
            text = json.dumps(expected, indent=2, sort_keys=True, ensure_ascii=False)
            (case.root / "expected.json").write_text(f"{text}\n")


def in_json(outcome: Outcome) -> dict[str, Any] | None:
    """In the form of ``expected.json``; None for what fails."""
    if isinstance(outcome, Failure):
        return None
    return {
        "applications": list(outcome.applications),
        "classes": list(outcome.classes),
        "environment": outcome.environment,
        "exports": jsonable(outcome.exports),
        "parameters": jsonable(outcome.parameters),
    }


if __name__ == "__main__":
    main()
