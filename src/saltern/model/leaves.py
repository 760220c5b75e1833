"""The scalars and texts that terms hold, with their paths. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from saltern.model.interpolate import Path
from saltern.model.terms import Branch, Scalar, Sequence, Stack, Term, Text


def leaves(term: Term, path: Path = ()) -> Iterator[tuple[Path, Scalar | Text]]:
    """Every leaf, in the order of the files, also what later layers overwrite."""
    if isinstance(term, Branch):
        for key, below in term.entries.items():
            yield from leaves(below, (*path, key))
    elif isinstance(term, Sequence):
        for index, item in enumerate(term.items):
            yield from leaves(item, (*path, index))
    elif isinstance(term, Stack):
        for layer in term.layers:
            yield from leaves(layer.term, path)
    else:
        yield path, term
