"""Results: tables for people, JSON for programs. One function per verb, all on stdout."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from saltern.base.process import Completed
from saltern.cli.context import Caller
from saltern.cli.problems import print_problems
from saltern.formulas.metadata import Metadata
from saltern.formulas.sources import Formula
from saltern.phases import Assignment
from saltern.project.applying import Applied
from saltern.project.building import Imaged
from saltern.project.checking import Checked
from saltern.project.compiling import Compiled
from saltern.project.proving import Proof
from saltern.project.rendering import Rendered
from saltern.project.running import Down, Line, Status
from saltern.project.secrets import readable
from saltern.rollout.kubernetes.drift import Drift
from saltern.rollout.rollouts import Outcome, Past

LONGEST_VALUE = 40


def print_json(caller: Caller, value: Any) -> None:
    """The result for a program."""
    caller.stdout.file.write(strict_json(value, indent=2, sort_keys=True, default=str) + "\n")


def strict_json(value: Any, **style: Any) -> str:
    """As json.dumps, with infinities and NaN as text ("inf", "-inf", "nan"): JSON has no such numbers."""
    try:
        return json.dumps(value, allow_nan=False, **style)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **style)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def counted(number: int, what: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def print_table(caller: Caller, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table for a person; in a pipe it is not folded."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    caller.stdout.print(table)


def checked(caller: Caller, found: Checked) -> None:
    """The result of ``check``."""
    if caller.json:
        warnings = [problem.as_json() for problem in found.warnings]
        print_json(caller, {"nodes": found.nodes, "states": found.states, "warnings": warnings})
        return
    print_problems(caller.stderr, found.warnings, "warning", "yellow")
    compiled = "" if found.states is None else f" with {counted(found.states, 'state')}"
    caller.stdout.print(
        f"{counted(found.nodes, 'node')}{compiled}: no errors, {counted(len(found.warnings), 'warning')}"
    )


def shown(caller: Caller, one: Compiled) -> None:
    """The result of ``show``."""
    if caller.json:
        chunks = [_assignment(one, a) for a in one.split.assignments]
        print_json(caller, {"node": one.member.node.name, "chunks": chunks, "talks_to": _peers(one.metadata)})
        return
    ids = Counter((a.chunk.function, a.chunk.id) for a in one.split.assignments)
    rows = [
        (
            f"{a.phase}{' (after)' if a.after else ''}",
            a.chunk.function,
            a.chunk.id if ids[a.chunk.function, a.chunk.id] == 1 else f"{a.chunk.id}: {_told(one, a)}",
            a.chunk.place,
            a.reason,
        )
        for a in one.split.assignments
    ]
    print_table(caller, ("phase", "state", "id", "declared at", "because"), rows)
    if peers := _peers(one.metadata):
        caller.stdout.print()
        print_table(
            caller,
            ("talks to", "port", "waits for it"),
            [(p["host"], str(p["port"] or "any"), "yes" if p["waits"] else "no") for p in peers],
        )


def _peers(metadata: Metadata) -> list[dict[str, Any]]:
    """What the node's formulas say that it talks to; port 0 is any."""
    found = [(one, True) for one in metadata.connects] + [(one, False) for one in metadata.reaches]
    return [{"host": one.host, "port": one.port, "waits": waits} for one, waits in found]


def _told(one: Compiled, assignment: Assignment) -> Any:
    """The name of a chunk, which tells apart what `names` made of one id."""
    return readable(assignment.chunk.name, one.member.references)


def _assignment(one: Compiled, assignment: Assignment) -> dict[str, Any]:
    chunk = assignment.chunk
    return {
        "phase": str(assignment.phase),
        "after": assignment.after,
        "function": chunk.function,
        "id": chunk.id,
        "name": _told(one, assignment),
        "sls": chunk.sls,
        "place": chunk.place,
        "reason": assignment.reason,
    }


def built(caller: Caller, images: Sequence[Imaged]) -> None:
    """The result of ``build``."""
    if caller.json:
        print_json(caller, [_image(one) for one in images])
        return
    print_table(
        caller,
        ("node", "image", "was"),
        [(one.compiled.member.name, one.image.tag, _WAS[str(one.image.action)]) for one in images],
    )


_WAS = {"keep": "there", "tag": "there", "pull": "pulled", "build": "built"}


def _image(one: Imaged) -> dict[str, Any]:
    image = one.image
    return {
        "node": one.compiled.member.name,
        "tag": image.tag,
        "key": image.key,
        "id": image.id,
        "action": str(image.action),
    }


def pushed(caller: Caller, digests: Mapping[str, str]) -> None:
    """The result of ``push``."""
    if caller.json:
        print_json(caller, dict(digests))
        return
    print_table(caller, ("image", "digest"), sorted(digests.items()))


def rendered(caller: Caller, result: Rendered) -> None:
    """The result of ``render``."""
    if caller.json:
        print_json(caller, {"file": str(result.file), "compose": result.compose})
        return
    caller.stdout.print(str(result.file))


def brought_up(caller: Caller, result: Applied) -> None:
    """The result of ``up``, ``apply`` and ``rollback``."""
    steps = result.plan.steps.changes
    repaired = [drift for one in result.repaired for drift in one.drifts]
    if caller.json:
        said = {
            "plan": result.plan.id,
            "revision": result.plan.new,
            "rollout": result.number,
            "steps": [step.as_json() for step in steps],
            "processes": [asdict(line) for line in result.lines],
            "proofs": [asdict(proof) for proof in result.proofs],
            "endpoints": [one.as_json() for one in result.availability],
            "seconds": result.seconds,
        }
        if repaired:
            said["repaired"] = [one.as_json() for one in repaired]
        print_json(caller, said)
        return
    if repaired:
        caller.stdout.print("Taken back in the cluster:")
        _drifts(caller, repaired)
        caller.stdout.print()
    _lines(caller, result.lines)
    _proofs(caller, result.proofs)
    availability(caller, (one.as_json() for one in result.availability))
    if steps or repaired:
        caller.stdout.print(f"\nThe cloud is up: {counted(len(steps), 'step')} in {result.seconds:.1f} s.")
    else:
        caller.stdout.print(f"\nNothing to do: the cloud is as the model says ({result.seconds:.1f} s).")


def status(caller: Caller, found: Status, drifts: Sequence[Drift] | None = None) -> None:
    """The result of ``status``; ``drifts`` None: nobody asked for them."""
    newest = found.newest
    if caller.json:
        rollout = None
        if newest is not None:
            open_steps = list(newest.open_steps)
            rollout = {"number": newest.number, "kind": newest.kind, "revision": newest.target}
            rollout |= {"outcome": str(newest.outcome), "open_steps": open_steps}
        drift = {} if drifts is None else {"drift": [one.as_json() for one in drifts]}
        print_json(caller, {"processes": [asdict(line) for line in found.lines], "rollout": rollout, **drift})
        return
    if found.lines:
        _lines(caller, found.lines)
    else:
        caller.stdout.print("The cloud is down.")
    if newest is not None and newest.outcome is not Outcome.DONE:
        caller.stdout.print(Text(_unfinished(newest), style="yellow"))
    if drifts:
        caller.stdout.print("\nChanged in the cluster, and not by the model; `saltern apply --repair` takes it back:")
        _drifts(caller, drifts)
    elif drifts is not None and found.lines:
        caller.stdout.print("\nNobody changed anything in the cluster by hand.")


def _drifts(caller: Caller, drifts: Sequence[Drift]) -> None:
    rows = [(one.kind, one.name, one.path, short(one.wanted), short(one.found), one.manager) for one in drifts]
    print_table(caller, ("kind", "name", "field", "wanted", "found", "who"), rows)


def short(value: Any) -> str:
    """A value in a table; --json has all of it."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _unfinished(newest: Past) -> str:
    said = f"\nRollout {newest.number} ({newest.kind} to revision {newest.target})"
    if newest.outcome is Outcome.RUNNING:
        return f"{said} is at work: {', '.join(newest.open_steps) or 'between two steps'}."
    at = f" in {', '.join(newest.open_steps)}" if newest.open_steps else ""
    how = "failed" if newest.outcome is Outcome.FAILED else f"was interrupted{at}"
    return f"{said} {how}: `saltern apply` goes on to the model as it is, `saltern rollback` goes back."


def availability(caller: Caller, found: Iterable[Mapping[str, Any]]) -> None:
    """How available each endpoint was that ever answered."""
    rows = [
        (one["name"], one["base"], str(one["requests"]), str(one["failures"]), f"{one['longest_gap']:.2f} s")
        for one in found
        if one["answered"]
    ]
    if rows:
        caller.stdout.print("\nEndpoints, asked all the time:")
        print_table(caller, ("endpoint", "address", "requests", "failures", "longest gap"), rows)


def _lines(caller: Caller, lines: Sequence[Line]) -> None:
    rows = []
    for line in lines:
        state = Text("ready", style="green") if line.ready else Text(line.why, style="red")
        image = line.image.rpartition("/")[2]
        rows.append((line.service, state, ", ".join(line.addresses), image))
    print_table(caller, ("service", "state", "address", "image"), rows)


def verified(caller: Caller, proofs: Sequence[Proof]) -> None:
    """The result of ``verify``."""
    if caller.json:
        print_json(caller, [asdict(proof) for proof in proofs])
        return
    _proofs(caller, proofs)


def _proofs(caller: Caller, proofs: Sequence[Proof]) -> None:
    if proofs:
        caller.stdout.print("\nProven against the live cloud:")
    for proof in proofs:
        caller.stdout.print(Text.assemble(("✓ ", "green"), f"{proof.workload}: {proof.text} ({proof.seconds:.1f} s)"))


def taken_down(caller: Caller, result: Down) -> None:
    """The result of ``down``."""
    if caller.json:
        print_json(caller, asdict(result))
        return
    counts = f"{len(result.containers)} containers, {len(result.networks)} networks, {len(result.volumes)} volumes"
    caller.stdout.print(f"Removed {counts}.")


def logs(caller: Caller, text: str) -> None:
    """The result of ``logs``."""
    if caller.json:
        print_json(caller, text.splitlines())
        return
    caller.stdout.file.write(text + "\n")


def executed(caller: Caller, done: Completed) -> None:
    """The result of ``exec`` for a program; a person gets the command's own output."""
    print_json(caller, {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr})


def formulas(caller: Caller, found: Sequence[Formula]) -> None:
    """The result of ``formulas list``."""
    if caller.json:
        print_json(caller, [{**asdict(f), "root": str(f.root)} for f in found])
        return
    print_table(
        caller, ("formula", "origin", "compat", "folder"), [(f.name, f.origin, f.compat, str(f.root)) for f in found]
    )


def locked(caller: Caller, entries: Mapping[str, Mapping[str, str]]) -> None:
    """The result of ``formulas lock``."""
    if caller.json:
        print_json(caller, dict(entries))
        return
    print_table(
        caller, ("formula", "commit", "git"), [(n, e["commit"][:12], e["git"]) for n, e in sorted(entries.items())]
    )


def fetched(caller: Caller, names: Sequence[str]) -> None:
    """The result of ``formulas fetch``."""
    if caller.json:
        print_json(caller, list(names))
        return
    caller.stdout.print(f"Fetched: {', '.join(names)}" if names else "Nothing to fetch.")
