"""The public endpoints of a model, with the values of secrets: what an apply asks from its start to its end."""

from __future__ import annotations

from collections.abc import Iterable

from saltern.formulas.endpoints import Endpoint, distinct
from saltern.project.compiling import Compiled
from saltern.project.revealing import Revealer
from saltern.project.secrets import hidden
from saltern.project.workers import Bases


def endpoints_of(revealer: Revealer, bases: Bases, compiled: Iterable[Compiled]) -> tuple[Endpoint, ...]:
    """One of each name and address, sorted; raises FormulaError, PhaseError. Nodes without any are not revealed."""
    with hidden(revealer.values):
        return distinct(
            endpoint
            for one in compiled
            if one.metadata.endpoints
            for endpoint in revealer.compiled(bases, one).metadata.endpoints
        )
