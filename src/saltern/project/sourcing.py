"""Formulas: list, lock, fetch."""

from __future__ import annotations

from saltern.formulas import sources
from saltern.project.context import Project


def list_formulas(project: Project) -> tuple[sources.Formula, ...]:
    """All formulas, the model's own first."""
    return project.formulas


def lock_formulas(project: Project) -> dict[str, dict[str, str]]:
    """Write ``formulas.lock``; its entries by formula."""
    return sources.lock(project.root, project.settings.formulas, project.runner)


def fetch_formulas(project: Project) -> tuple[str, ...]:
    """Fetch what is locked and not in the cache; the names of what was fetched."""
    return sources.fetch(project.root, project.settings.formulas, project.options.cache, project.runner)
