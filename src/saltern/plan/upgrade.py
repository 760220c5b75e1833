"""Whether a component may go from one version to another, by the rules of its formula. Pure.

Versions are Debian's: ``[epoch:]upstream[-revision]``. What is judged are the numbers that the upstream part begins
with: an epoch, a revision, ``+dfsg`` and ``~rc1`` say nothing of data formats, so no ordering of theirs is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from saltern.base.errors import Problem
from saltern.formulas.upgrades import ANY, Allowed, Upgrade

Numbers = tuple[int, ...]

_SAME = {"patch": 2, "minor": 1}
"""How many of the first numbers are equal where a difference is free."""

_NUMBERS = re.compile(r"[0-9]+(?:[.][0-9]+)*")


class Verdict(StrEnum):
    """What the rules say of a step from one version to another."""

    NONE = "none"
    """The same version."""
    FREE = "free"
    """No jump: no stage is needed."""
    DOCUMENTED = "documented"
    """Its documentation allows it."""
    TESTED = "tested"
    """Only our own tests say that it works: a warning."""
    FORBIDDEN = "forbidden"
    """Not allowed; ``Jump.way`` says by which releases it is."""
    FRESH = "fresh"
    """Not allowed in place; a fresh instance beside the old one is the way, where that holds nothing."""
    DOWNGRADE = "downgrade"
    """To an older release."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A component's step from one Debian version to another, and what the rules say of it."""

    component: str
    old: str
    new: str
    verdict: Verdict
    source: str = ""
    """Who says so."""
    way: str = ""
    """Of forbidden, fresh and tested ones: the releases to go by in place, ``3.11 → 3.12``; "" where there is none.
    Of downgrades: ``before-contract``, or "" where none is allowed."""

    @property
    def refused(self) -> bool:
        """Whether no plan may do this. A downgrade before the contract stage and a fresh instance have conditions."""
        return self.verdict is Verdict.FORBIDDEN or (self.verdict is Verdict.DOWNGRADE and not self.way)

    @property
    def staged(self) -> bool:
        """Whether the stages of the formula belong to it."""
        return self.verdict in (Verdict.DOCUMENTED, Verdict.TESTED)


def upstream(version: str) -> Numbers:
    """The numbers of a Debian version's upstream part: ``1:11.8.6-0+deb13u1`` → (11, 8, 6); () when there are none."""
    _, colon, rest = version.partition(":")
    text = (rest if colon else version).rpartition("-")[0] or (rest if colon else version)
    # 4.0.5+really3.13.7 is 3.13.7: Debian writes so when it has to go back
    match = _NUMBERS.match(text.rpartition("+really")[2])
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def judge(rules: Upgrade, old: str, new: str) -> Jump:
    """What the rules say of going from the Debian version ``old`` to ``new``."""
    if old == new:
        return Jump(rules.name, old, new, Verdict.NONE)
    before, after = upstream(old), upstream(new)
    if not before or not after:
        source = f"{old if after else new} begins with no number that could be compared"
        return Jump(rules.name, old, new, Verdict.FORBIDDEN, source)
    if _is_free(rules, before, after):
        return Jump(rules.name, old, new, Verdict.FREE)
    return _back(rules, old, new) if after < before else _forth(rules, old, new)


def _forth(rules: Upgrade, old: str, new: str) -> Jump:
    before, after = upstream(old), upstream(new)
    way = " → ".join(way_between(rules, before, after))
    fitting = sorted((j for j in rules.jumps if _fits(j, before, after)), key=lambda j: j.tested)
    if fitting:  # documented ones come first: a jump that is tested as well needs no warning
        found = fitting[0]
        tested = Jump(rules.name, old, new, Verdict.TESTED, found.source, way)
        return tested if found.tested else Jump(rules.name, old, new, Verdict.DOCUMENTED, found.source)
    if rules.otherwise:
        return Jump(rules.name, old, new, Verdict.FRESH, rules.otherwise.source, way)
    return Jump(rules.name, old, new, Verdict.FORBIDDEN, "; ".join(dict.fromkeys(j.source for j in rules.jumps)), way)


def _is_free(rules: Upgrade, old: Numbers, new: Numbers) -> bool:
    count = _SAME[rules.free]
    return _padded(old, count)[:count] == _padded(new, count)[:count]


def _padded(numbers: Numbers, count: int) -> Numbers:
    return numbers + (0,) * (count - len(numbers))


def _back(rules: Upgrade, old: str, new: str) -> Jump:
    allowed, source = rules.downgrade.allowed, rules.downgrade.source
    if allowed == "otherwise" and rules.otherwise:
        return Jump(rules.name, old, new, Verdict.FRESH, source)
    if allowed == "always":
        return Jump(rules.name, old, new, Verdict.FREE, source)
    return Jump(rules.name, old, new, Verdict.DOWNGRADE, source, allowed if allowed == "before-contract" else "")


def _fits(jump: Allowed, old: Numbers, new: Numbers) -> bool:
    return _begins(old, jump.old) and _begins(new, jump.new) and old >= _numbers(jump.at_least)


def _begins(version: Numbers, beginning: str) -> bool:
    numbers = () if beginning == ANY else _numbers(beginning)
    return _padded(version, len(numbers))[: len(numbers)] == numbers


def _numbers(text: str) -> Numbers:
    return tuple(int(number) for number in text.split(".")) if text else ()


def way_between(rules: Upgrade, old: Numbers, new: Numbers) -> tuple[str, ...]:
    """The fewest documented hops from a version to another: names or versions of releases, without the first.

    A hop that asks for a certain version to come from says it: ``3.11 (3.11.18 or newer)``. () when there is no way.
    """
    jumps = [j for j in rules.jumps if not j.tested and ANY not in (j.old, j.new)]
    start = sorted({j.old for j in jumps if _begins(old, j.old)}, key=_numbers)
    paths: list[tuple[Allowed, ...]] = [(j,) for name in start for j in jumps if j.old == name]
    seen: set[str] = set(start)
    while paths:
        for path in paths:
            if _begins(new, path[-1].new):
                return tuple(_words(rules, path, old))
        seen |= {path[-1].new for path in paths}
        paths = [(*path, j) for path in paths for j in jumps if j.old == path[-1].new and j.new not in seen]
    return ()


def _words(rules: Upgrade, path: tuple[Allowed, ...], old: Numbers) -> list[str]:
    names = {r.version: r.name for r in rules.releases}
    words = [path[0].at_least] if old < _numbers(path[0].at_least) else []
    for jump, after in zip(path, (*path[1:], None), strict=True):
        least = f" ({after.at_least} or newer)" if after and after.at_least else ""
        words.append(f"{names.get(jump.new, jump.new)}{least}")
    return words


def refusal(jump: Jump, node: str) -> Problem:
    """The error of a plan that would make a refused jump."""
    back = jump.verdict is Verdict.DOWNGRADE
    brief = f"{jump.component} cannot go {'back ' if back else ''}from {jump.old} to {jump.new} in place"
    if back:
        resolution = "Restore a backup that the older version made."
    elif jump.way:
        resolution = f"Go by {jump.way}, one rollout for each."
    else:
        resolution = "The rules of its formula know no way there: put a version on the way into the model."
    return Problem(brief, details=f"The rule: {jump.source}." if jump.source else "", resolution=resolution, node=node)
