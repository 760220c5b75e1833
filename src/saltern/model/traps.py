"""What YAML 1.1 reads otherwise than the author of a file meant, as warnings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from saltern.base.errors import Problem
from saltern.base.yamltraps import Trap, TrapKind, find_traps
from saltern.model.kinds import WarningKind


def trap_warnings(data: bytes, file: str) -> Iterator[Problem]:
    """The warnings of one file, in its order."""
    for trap in find_traps(data, file):
        yield _WARNINGS[trap.kind](trap)


def _tab(trap: Trap) -> Problem:
    return Problem(
        brief="a TAB stands where YAML wants spaces",
        places=(trap.place,),
        details="libyaml accepts it; PyYAML without libyaml refuses the whole file.",
        resolution="Replace it by spaces, or remove it.",
        kind=WarningKind.TAB,
    )


def _boolean(trap: Trap) -> Problem:
    return Problem(
        brief=f"{trap.text} is the boolean {str(trap.value).lower()} in YAML 1.1",
        places=(trap.place,),
        details=f"Where it becomes text, in a file or a key, it reads {trap.value}.",
        resolution=f'Quote it ("{trap.text}") where text is meant; else write {str(trap.value).lower()}.',
        kind=WarningKind.YAML_BOOLEAN,
    )


def _number(trap: Trap) -> Problem:
    base = "sexagesimal" if ":" in trap.text else "octal"
    return Problem(
        brief=f"{trap.text} is the number {trap.value} in YAML 1.1",
        places=(trap.place,),
        details=f"Without quotes it is {base}.",
        resolution=f'Quote it: "{trap.text}".',
        kind=WarningKind.YAML_NUMBER,
    )


def _key(trap: Trap) -> Problem:
    return Problem(
        brief=f"the key {trap.text} is no text",
        places=(trap.place,),
        details=f"Merged, it is the text {str(trap.value)!r}; in a dictionary inside a list it stays what it is.",
        resolution=f'Quote it: "{trap.text}".',
        kind=WarningKind.NON_STRING_KEY,
    )


_WARNINGS: Mapping[TrapKind, Callable[[Trap], Problem]] = {
    TrapKind.TAB: _tab,
    TrapKind.BOOLEAN: _boolean,
    TrapKind.NUMBER: _number,
    TrapKind.KEY: _key,
}
