"""Plans, rollouts and their history as tables, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from saltern.cli.context import Caller
from saltern.cli.report import availability, counted, print_json, print_table
from saltern.plan.changes import ImageChange, ValueChange
from saltern.plan.plan import Effect, Plan
from saltern.plan.steps import Step, Undo
from saltern.rollout.rollouts import Outcome, Past

COLOURS = {
    Effect.RESTARTED: "red",
    Effect.REMOVED: "red",
    Effect.ROLLED: "yellow",
    Effect.FEWER: "yellow",
    Effect.UNTOUCHED: "dim",
}
OUTCOMES = {Outcome.DONE: "green", Outcome.FAILED: "red", Outcome.INTERRUPTED: "yellow", Outcome.RUNNING: "cyan"}


def planned(caller: Caller, plan: Plan) -> None:
    """The result of ``plan``."""
    if caller.json:
        print_json(caller, plan.as_json())
        return
    if plan.is_empty:
        caller.stdout.print(f"Nothing to do: what runs is revision {plan.new}.")
        _notes(caller, plan)
        return
    _values(caller, plan.changes.values)
    for formula in plan.changes.formulas:
        caller.stdout.print(Text.assemble("formula ", (formula.formula, "bold"), ": ", ", ".join(formula.files)))
    _images(caller, plan.changes.images)
    _files(caller, plan)
    _impacts(caller, plan)
    _steps(caller, plan)
    touched = "touched" if plan.touches_data_plane else "not touched"
    caller.stdout.print(f"\nPlan {plan.id}: {counted(len(plan.steps.changes), 'step')}; the data plane is {touched}.")
    caller.stdout.print(f"Way back: {plan.way_back}.")
    _notes(caller, plan)


def _notes(caller: Caller, plan: Plan) -> None:
    for note in plan.notes:
        caller.stdout.print(Text.assemble(("note: ", "yellow"), note))


def _values(caller: Caller, values: Sequence[ValueChange]) -> None:
    if not values:
        return
    rows = [(v.path, _short(v.old), _short(v.new), _where(v), ", ".join(v.nodes)) for v in values]
    caller.stdout.print("Values of the model:")
    print_table(caller, ("path", "old", "new", "because of", "nodes"), rows)


def _where(value: ValueChange) -> str:
    return f"{value.place} (gone)" if value.gone else value.place


def _short(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _images(caller: Caller, images: Sequence[ImageChange]) -> None:
    if not images:
        return
    caller.stdout.print("\nImages:")
    rows = [(i.name, ", ".join(i.workloads), i.action, _packages(i), ", ".join(i.causes)) for i in images]
    print_table(caller, ("image", "of", "is", "changes", "because of"), rows)


def _packages(image: ImageChange) -> str:
    old, new = image.base
    said = [f"base {old} → {new}"] if old and old != new else []
    changed = [f"{p.name} {p.old or 'none'} → {p.new or 'none'}" for p in image.packages]
    more = [f"and {len(changed) - 8} more packages"] if len(changed) > 8 else []
    return "\n".join([*said, *changed[:8], *more]) or ("new" if not image.old else "built anew")


def _files(caller: Caller, plan: Plan) -> None:
    for file in plan.changes.files:
        said = (
            ""
            if file.kind == "changed"
            else f" ({'only secret values differ' if file.kind == 'secret' else file.kind})"
        )
        because = f"  because of {', '.join(file.causes)}" if file.causes else ""
        caller.stdout.print(Text.assemble(f"\n{file.workload} ", (file.path, "bold"), said, (because, "dim")))
        for line in file.diff.splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            caller.stdout.print(Text(line, style=style))


def _impacts(caller: Caller, plan: Plan) -> None:
    caller.stdout.print("\nImpact:")
    rows = [
        (i.workload, Text(str(i.effect), style=COLOURS.get(i.effect, "")), "; ".join(i.reasons)) for i in plan.impacts
    ]
    print_table(caller, ("workload", "is", "because of"), rows)


def _steps(caller: Caller, plan: Plan) -> None:
    caller.stdout.print("\nSteps:")
    rows = [
        (
            str(number),
            _act(step),
            step.service or step.container or step.workload,
            step.reason,
            _undo(step.undo),
        )
        for number, step in enumerate(plan.steps.changes, 1)
    ]
    print_table(caller, ("", "act", "on", "because", "can be undone"), rows)


def _act(step: Step) -> str:
    return f"{step.act} {step.stage.partition(':')[2]}" if step.stage else str(step.act)


def _undo(undo: Undo) -> str:
    return {Undo.YES: "yes", Undo.STAYS: "stays, disturbs nothing", Undo.RESTORE: "only by restore"}.get(undo, "")


def history(caller: Caller, found: Sequence[Past]) -> None:
    """The result of ``history``."""
    if caller.json:
        print_json(caller, [_as_json(past) for past in found])
        return
    if not found:
        caller.stdout.print("No rollout yet.")
        return
    rows = [
        (
            f"#{past.number}",
            past.begun.replace("T", " ").removesuffix("+00:00"),
            past.kind,
            past.target,
            Text(str(past.outcome), style=OUTCOMES[past.outcome]),
            f"{past.done_steps}/{len(past.plan.get('steps', ()))}",
            f"{past.seconds:.1f} s" if past.seconds else "",
            _endpoints(past),
        )
        for past in found
    ]
    print_table(caller, ("", "begun (UTC)", "kind", "revision", "outcome", "steps", "took", "endpoints"), rows)


def _endpoints(past: Past) -> str:
    found = [one for one in past.availability.get("endpoints", ()) if one["answered"]]
    return "\n".join(
        f"{one['name']}: {one['failures']} of {one['requests']} failed, gap {one['longest_gap']:.2f} s" for one in found
    )


def past(caller: Caller, one: Past) -> None:
    """The result of ``history NUMBER``."""
    if caller.json:
        print_json(caller, {**_as_json(one), "plan": one.plan, "lines": list(one.lines)})
        return
    caller.stdout.print(f"Rollout {one.number}: {one.kind} to revision {one.target}, {one.outcome}, begun {one.begun}.")
    rows = [(str(line["at"])[11:19], line["event"], str(line.get("step", "")), _told(line)) for line in one.lines]
    print_table(caller, ("at", "event", "step", ""), rows)
    availability(caller, one.availability.get("endpoints", ()))


def _told(line: Mapping[str, Any]) -> str:
    if "problem" in line:
        return str(line["problem"])
    if "seconds" in line:
        return f"{line['seconds']:.1f} s"
    return str(line.get("reason", ""))


def _as_json(one: Past) -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": one.kind,
        "outcome": str(one.outcome),
        "begun": one.begun,
        "seconds": one.seconds,
        "revision": one.target,
        "old": one.plan.get("old", ""),
        "way_back": one.plan.get("way_back", ""),
        "done_steps": one.done_steps,
        "steps": len(one.plan.get("steps", ())),
        "open_steps": list(one.open_steps),
        "problems": list(one.problems),
        "endpoints": list(one.availability.get("endpoints", ())),
    }
