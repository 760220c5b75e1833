"""The allow list of ``saltern.yml``: which warnings shall not be shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from saltern.base.errors import Problem


@dataclass(frozen=True, slots=True)
class Allowance:
    """Warnings of one kind in files that match a pattern; see ``docs/reference/settings.md``."""

    kind: str
    files: str = "*"
    reason: str = ""

    def covers(self, warning: Problem) -> bool:
        """Whether all places of the warning are in its files; a warning without a place is in every file."""
        return self.kind == warning.kind and all(fnmatchcase(place.file, self.files) for place in warning.places)


def without_allowed(warnings: Iterable[Problem], allowed: Iterable[Allowance]) -> tuple[Problem, ...]:
    """The warnings that no allowance covers."""
    allowed = tuple(allowed)
    return tuple(warning for warning in warnings if not any(one.covers(warning) for one in allowed))
