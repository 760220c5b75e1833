"""What kind of change a plan is, and whether a policy lets it be carried out without a person. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from saltern.plan.plan import Effect, Plan, WayBack


class Kind(StrEnum):
    """What a policy must allow; a plan is of one or more kinds. All but the last can stand in a policy."""

    CONFIG = "config"
    """Files and jobs, with the same images."""
    IMAGE = "image"
    """Other images; data is as it was."""
    SCHEMA = "schema"
    """A release upgrade by stages: a schema grows."""
    WORKLOADS = "workloads"
    """Workloads come, go, or get fewer replicas."""
    RESTART = "restart"
    """A workload without another replica serves nobody for a while."""
    DATA_PLANE = "data-plane"
    """Guests' traffic is touched."""
    RESTORE = "restore"
    """It can only be taken back by a restore: always a person's decision."""


_BY_WAY_BACK = {
    WayBack.NOTHING: Kind.CONFIG,
    WayBack.CONFIG: Kind.CONFIG,
    WayBack.IMAGE: Kind.IMAGE,
    WayBack.EXPANDED: Kind.SCHEMA,
    WayBack.RESTORE: Kind.RESTORE,
}
_COMING_AND_GOING = {Effect.NEW, Effect.REMOVED, Effect.FEWER}


def kinds_of(plan: Plan) -> tuple[Kind, ...]:
    """How it can be taken back, and what else makes it more than a change of configuration; empty for an empty plan."""
    if plan.is_empty:
        return ()
    found = {
        _BY_WAY_BACK[plan.way_back]: True,
        Kind.WORKLOADS: any(impact.effect in _COMING_AND_GOING for impact in plan.impacts),
        Kind.RESTART: any(step.down for step in plan.steps.changes),
        Kind.DATA_PLANE: plan.touches_data_plane,
    }
    return tuple(kind for kind, is_so in found.items() if is_so)


def refusal(plan: Plan, automatic: Collection[str], approval: str, *, is_retry: bool = False) -> str:
    """Why a plan may not be carried out; "" where the policy allows it, or an approval, which names a plan's id.

    What failed once is not tried again by the policy alone (``is_retry``).
    """
    if approval == plan.id:
        return ""
    others = [str(kind) for kind in kinds_of(plan) if kind == Kind.RESTORE or kind not in automatic]
    if not others and not is_retry:
        return ""
    lacking = f"the policy does not allow {', '.join(others)}" if others else "it failed before"
    wrong = f"; {approval} was approved, which is another plan" if approval else ""
    return f"{lacking}{wrong}"
