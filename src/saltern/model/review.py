"""What is strange in a model's files beyond what rendering sees, and what is wrong in those that no node uses. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from saltern.base.errors import Problem
from saltern.model.inventory import merged_problems
from saltern.model.kinds import WarningKind
from saltern.model.plaintext import plain_secrets
from saltern.model.traps import trap_warnings
from saltern.model.tree import Inventory, Node
from saltern.model.unused import unused_classes, unused_parameters


@dataclass(frozen=True, slots=True)
class Review:
    """What was found."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def review(inventory: Inventory) -> Review:
    """Looks at every file of the model, whether or not a node uses it."""
    problems: list[Problem] = []
    warnings: list[Problem] = []
    files = tuple(inventory.own_files())
    for file in files:
        entity = file.entity
        problems += entity.problems
        warnings += entity.warnings
        warnings += trap_warnings(file.data, entity.source.file)
        warnings += plain_secrets(entity)
    if all(_is_known(node) for node in inventory.nodes.values()):  # else a node may use anything
        classes = [file.entity for file in files if not file.entity.source.is_node]
        warnings += unused_classes(inventory, classes)
        warnings += unused_parameters(inventory, {file.entity.source.file for file in files})
    return Review(merged_problems(problems), merged_problems(warnings))


def _is_known(node: Node) -> bool:
    """Whether all its classes are there; one that is skipped may use what no other does."""
    missing = any(warning.kind == WarningKind.MISSING_CLASS for warning in node.flat.warnings)
    return not (node.flat.problems or missing)
