"""The cases of ``tests/golden/model``: models on disk and what each of their nodes is.

``expected.json`` was made by kapicorp-reclass 2.0.0, but for cases named ``ours-…``: there the reference is wrong or
fails (docs/reference/model.md says how). A node that is wrong has ``problems`` there, and so has ``""``, the model
itself, when it cannot be read at all. ``options.json`` holds options other than the defaults.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import ModelError, Problem
from saltern.model import Node, Options, open_inventory


@dataclass(frozen=True)
class Case:
    """One folder."""

    root: Path

    @property
    def is_ours(self) -> bool:
        """Whether the reference gives something else."""
        return self.root.name.startswith("ours-")

    @property
    def options(self) -> dict[str, Any]:
        """As they are written."""
        path = self.root / "options.json"
        options: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return options

    @property
    def expected(self) -> dict[str, Any]:
        """By node."""
        expected: dict[str, Any] = json.loads((self.root / "expected.json").read_text())
        return expected

    def rendered(self) -> dict[str, Any]:
        """What Saltern makes of it, in the form of ``expected``."""
        try:
            inventory = open_inventory(self.root, options=options_of(self.options))
            rendered = {name: _rendered(node) for name, node in inventory.nodes.items()}
        except ModelError as error:
            return {"": {"problems": self._shown(error.problems)}}
        return {
            name: node if isinstance(node, dict) else {"problems": self._shown(node)} for name, node in rendered.items()
        }

    def _shown(self, problems: tuple[Problem, ...]) -> list[str]:
        places = [
            ", ".join(str(place).removeprefix(f"{self.root}/") for place in problem.places) for problem in problems
        ]
        return [f"{problem.brief} ({place})" for problem, place in zip(problems, places, strict=True)]


def model_cases() -> list[Case]:
    """All of them."""
    return [Case(root) for root in sorted((Path(__file__).parent / "model").iterdir())]


def options_of(given: dict[str, Any]) -> Options:
    """Options as JSON has them."""
    return Options(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def _rendered(node: Node) -> dict[str, Any] | tuple[Problem, ...]:
    if node.problems:
        return node.problems
    return {
        "applications": list(node.applications),
        "classes": list(node.flat.classes_as_written),
        "environment": node.environment,
        "exports": node.exports,
        "parameters": node.parameters,
    }
