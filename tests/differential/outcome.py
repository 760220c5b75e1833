"""What an engine says about one node, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import ModelError, Problem
from saltern.model import Node, Options, open_inventory


@dataclass(frozen=True)
class Failure:
    """The node has no value. ``problems`` are Saltern's; ``crashed`` says that an error of Python came out, not one
    that the engine knows: what the model means to it is undefined then.
    """

    kind: str
    text: str = ""
    problems: tuple[Problem, ...] = ()
    crashed: bool = False


@dataclass(frozen=True)
class Result:
    """The node's value."""

    classes: tuple[str, ...]
    applications: tuple[str, ...]
    environment: Any
    parameters: dict[Any, Any]
    exports: dict[Any, Any]


Outcome = Result | Failure


def saltern(root: Path, options: Options) -> dict[str, Outcome]:
    """What Saltern says of every node; "" is the model itself when it cannot be read at all."""
    try:
        inventory = open_inventory(root, options=options)
        return {name: _outcome(node) for name, node in inventory.nodes.items()}
    except ModelError as error:
        return {"": Failure("ModelError", str(error), tuple(error.problems))}


def _outcome(node: Node) -> Outcome:
    if node.problems:
        return Failure("problems", "\n".join(problem.brief for problem in node.problems), node.problems)
    return Result(
        classes=node.flat.classes_as_written,
        applications=node.applications,
        environment=node.environment,
        parameters=node.native_parameters,
        exports=node.native_exports,
    )


def differences(theirs: Outcome, ours: Outcome) -> list[str]:
    """Where two outcomes differ, one line each; failures are equal whatever they say, if Saltern's
    say where, and a crash equals anything.
    """
    if isinstance(theirs, Failure) and theirs.crashed:
        return []
    if isinstance(theirs, Failure) or isinstance(ours, Failure):
        if isinstance(ours, Failure) and isinstance(theirs, Failure):
            return [f"no place: {problem.brief}" for problem in ours.problems if not _has_place(problem)]
        return [f"the reference: {_short(theirs)}", f"Saltern:       {_short(ours)}"]
    found: list[str] = []
    for name in ("classes", "applications", "environment", "parameters", "exports"):
        found += _compare(getattr(theirs, name), getattr(ours, name), name)
    return found


def _has_place(problem: Problem) -> bool:
    """A problem names a line, or the files that it is about as a whole."""
    return any(place.line for place in problem.places) or "two files" in problem.brief


def _compare(theirs: Any, ours: Any, at: str) -> list[str]:
    if type(theirs) is type(ours) and isinstance(theirs, dict):
        keys = {(type(key), repr(key)): key for key in (*theirs, *ours)}
        found = []
        for typed, key in keys.items():
            sides = [{(type(k), repr(k)): v for k, v in side.items()} for side in (theirs, ours)]
            if typed not in sides[0] or typed not in sides[1]:
                found.append(f"{at}: only {'Saltern' if typed in sides[1] else 'the reference'} has the key {key!r}")
            else:
                found += _compare(sides[0][typed], sides[1][typed], f"{at}:{key}")
        return found
    if type(theirs) is type(ours) and isinstance(theirs, list) and len(theirs) == len(ours):
        return [line for n, pair in enumerate(zip(theirs, ours, strict=True)) for line in _compare(*pair, f"{at}:{n}")]
    same = type(theirs) is type(ours) and repr(theirs) == repr(ours)
    return [] if same else [f"{at}: {theirs!r} in the reference, {ours!r} in Saltern"]


def _short(outcome: Outcome) -> str:
    return f"{outcome.kind}: {outcome.text}" if isinstance(outcome, Failure) else repr(outcome)


def assert_equal(theirs: Mapping[str, Outcome], ours: Mapping[str, Outcome], model: str) -> None:
    """Fails with the model and every difference."""
    if isinstance(whole := theirs.get(""), Failure) and whole.crashed:
        return
    lines = []
    for name in sorted({*theirs, *ours}):
        if name in theirs and name in ours:
            lines += [f"{name or 'the model'}: {line}" for line in differences(theirs[name], ours[name])]
        else:
            outcome = theirs.get(name) or ours[name]
            lines.append(f"{name or 'the model'}: only {'the reference' if name in theirs else 'Saltern'}: {outcome}")
    assert not lines, "\n".join([model, *lines])
