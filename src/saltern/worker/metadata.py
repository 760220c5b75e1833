"""The ``meta/<kind>.yml`` files of formulas, rendered over a node's pillar as Salt renders an SLS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .node import Node
from .rendering import Watcher


def render(
    state: Any, target: Node, formulas: Sequence[str], kinds: Sequence[str], watcher: Watcher
) -> dict[str, dict[str, Any]]:
    """``{formula: {kind: content}}`` for the files that exist; errors go to the watcher."""
    from salt.template import compile_template

    from .compile import plain

    found: dict[str, dict[str, Any]] = {}
    for formula in formulas:
        for kind in kinds:
            file = target.roots.files.get(f"{formula}/meta/{kind}.yml")
            if not file:
                continue
            try:
                content = compile_template(file, state.rend, "jinja|yaml", [], [], "base", f"{formula}.meta.{kind}.yml")
            except Exception as error:
                watcher.caught(file, error)
                continue
            found.setdefault(formula, {})[kind] = plain(content)
    return found
