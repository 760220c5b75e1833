"""Questions that lead back to themselves, through overwritten references or queries: which answers are whole. Pure."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import NamedTuple

NEVER = sys.maxsize
PATIENCE = 1000
"""After that many loops answers count as whole: to try every way round takes exponential time."""


class Asked(NamedTuple):
    """A question that has no answer yet."""

    depth: int
    above: int
    """The outermost open question that the ones before it led back to."""


class Loops:
    """The open questions. An answer is whole, and may be kept, unless it lacks a part that an outer one still seeks."""

    def __init__(self) -> None:
        self._open: dict[Hashable, int] = {}
        self._outermost = NEVER
        self._met = 0

    def begin(self, key: Hashable) -> Asked | None:
        """Opens a question; None when it is open already."""
        depth = self._open.get(key)
        if depth is not None:
            self._outermost = min(self._outermost, depth)
            self._met += 1
            return None
        asked = Asked(len(self._open), self._outermost)
        self._open[key] = asked.depth
        self._outermost = NEVER
        return asked

    def end(self, asked: Asked) -> bool:
        """Closes it, and says whether its answer is whole."""
        while len(self._open) > asked.depth:  # an error may have left some open
            self._open.popitem()
        whole = self._outermost >= asked.depth or self._met > PATIENCE
        self._outermost = asked.above if whole else min(asked.above, self._outermost)
        return whole
