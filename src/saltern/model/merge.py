"""Merging terms: dictionaries deeply, everything else as a stack of layers that rendering decides. Pure.

Nothing is copied but the dictionaries on the way to a change; what one side alone has is shared.
"""

from __future__ import annotations

from typing import Any

from saltern.model.terms import Branch, Layer, Marks, Stack, Term


def merge(below: Term, above: Term) -> Term:
    """``above`` over ``below``, as a later class over an earlier one."""
    if isinstance(below, Branch) and isinstance(above, Branch):
        return merge_branches(below, above)
    return Stack(_layers(below) + _layers(above))


def merge_branches(below: Branch, above: Branch) -> Branch:
    """Two dictionaries, key by key."""
    if not above.entries:
        return below
    if not below.entries:
        return above
    entries = dict(below.entries)
    for key, term in above.entries.items():
        old = entries.get(key)
        entries[key] = term if old is None else merge(old, term)
    return Branch(entries, _chained(below.marks, above.marks))


def merge_rendered(below: Branch, above: Branch) -> Branch:
    """As :func:`merge_branches`, while rendering a stack: its layers already tell where all of it comes from."""
    entries = dict(below.entries)
    for key, term in above.entries.items():
        old = entries.get(key)
        if isinstance(old, Branch) and isinstance(term, Branch):
            entries[key] = merge_rendered(old, term)
        else:
            entries[key] = term if old is None else Stack(_layers(old) + _layers(term))
    return Branch(entries, (above.mark, None))


def sealed(branch: Branch) -> Branch:
    """The dictionary with finished values: a ``~`` or ``=`` in it acts where it is written, and not again where a
    reference carries the value to.
    """
    entries: dict[Any, Term] = {}
    changed = False
    for key, term in branch.entries.items():
        new: Term = term
        if isinstance(term, Stack):
            new = Stack((Layer(term),))
        elif isinstance(term, Branch):
            new = sealed(term)
        entries[key] = new
        changed = changed or new is not term
    return Branch(entries, branch.marks) if changed else branch


def _layers(term: Term) -> tuple[Layer, ...]:
    return term.layers if isinstance(term, Stack) else (Layer(term),)


def _chained(below: Marks, above: Marks) -> Marks:
    """The marks of both, the last one first; ``above`` is short (what one file wrote), ``below`` may be long."""
    if above[1] is None:
        return (above[0], below)
    found = []
    link: Marks | None = above
    while link is not None:
        found.append(link[0])
        link = link[1]
    result = below
    for mark in reversed(found):
        result = (mark, result)
    return result
