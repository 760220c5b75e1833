"""The plan: what changes, what that means for each workload, and the steps; one value for all who read it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from saltern.base.store import canonical, digest
from saltern.plan.changes import Changes
from saltern.plan.revision import Revision
from saltern.plan.steps import Act, Step, Steps, Undo


class Effect(StrEnum):
    """What happens to a workload."""

    NEW = "new"
    ROLLED = "rolled"
    """Its replicas are replaced one at a time; it serves all the time."""
    RESTARTED = "restarted"
    """It has one replica, and serves nobody while that is replaced."""
    RELOADED = "reloaded"
    """Its processes take over changed configuration; they serve all the time."""
    STARTED = "started"
    FEWER = "fewer"
    """Some of its containers go, the others stay."""
    JOBS = "jobs"
    """Only jobs or commands run; its containers stay."""
    REMOVED = "removed"
    UNTOUCHED = "untouched"


class WayBack(StrEnum):
    """How a rollout of the plan can be taken back."""

    NOTHING = "nothing to take back"
    CONFIG = "config-only"
    """The previous configuration, with the same images."""
    IMAGE = "image-only"
    """The previous images and configuration; data is as it was."""
    EXPANDED = "schema expanded"
    """A schema grew; the previous code works with it."""
    RESTORE = "only by restore"
    """A step changes data so that the previous version cannot go on with it."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What the plan does to one workload, and why."""

    workload: str
    effect: Effect
    reasons: tuple[str, ...]
    data_plane: bool = False
    """Guests' traffic goes through it, and it is touched."""


@dataclass(frozen=True)
class Plan:
    """From what is now, or an old revision, to a new one."""

    cloud: str
    old: str
    """Id of the revision that is compared with; "" where there is none."""
    new: str
    changes: Changes
    impacts: tuple[Impact, ...]
    steps: Steps
    world: str
    """Hash of what ran when the plan was made."""
    notes: tuple[str, ...] = ()
    """What the reader should know: steps that are left for later, rules that only tests vouch for."""

    @property
    def id(self) -> str:
        """Two plans with the same id do the same to the same world."""
        steps = [step.as_json() for step in self.steps.changes]
        return digest(self.new, self.world, canonical(steps), canonical(self.notes))[:12]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps.changes

    @property
    def touches_data_plane(self) -> bool:
        """Whether guests' traffic is touched."""
        return any(impact.data_plane for impact in self.impacts)

    @property
    def way_back(self) -> WayBack:
        """The hardest of its steps decides."""
        steps = self.steps.changes
        if not any(step.undo is not Undo.NOTHING for step in steps):
            return WayBack.NOTHING
        if any(step.undo is Undo.RESTORE for step in steps):
            return WayBack.RESTORE
        if any(step.stage for step in steps if step.undo is Undo.STAYS):
            return WayBack.EXPANDED
        return WayBack.IMAGE if self.changes.images else WayBack.CONFIG

    def as_json(self) -> dict[str, Any]:
        """JSON types; equal plans give equal JSON."""
        return {
            "id": self.id,
            "cloud": self.cloud,
            "old": self.old,
            "new": self.new,
            "values": [asdict(one) for one in self.changes.values],
            "formulas": [asdict(one) for one in self.changes.formulas],
            "files": [asdict(one) for one in self.changes.files],
            "images": [asdict(one) for one in self.changes.images],
            "impacts": [{**asdict(one), "effect": str(one.effect)} for one in self.impacts],
            "steps": [step.as_json() for step in self.steps.changes],
            "data_plane": self.touches_data_plane,
            "way_back": str(self.way_back),
            "world": self.world,
            "notes": list(self.notes),
        }


def impacts_of(revision: Revision, steps: Steps, known: Collection[str], changes: Changes) -> tuple[Impact, ...]:
    """What the steps mean for each workload, by name. ``known`` are the workloads that have containers now."""
    by_workload: dict[str, list[Step]] = {name: [] for name in revision.workloads}
    for step in steps.changes:
        by_workload.setdefault(step.workload, []).append(step)
    found = []
    for name in sorted(by_workload):
        own = by_workload[name]
        effect = _effect(own, is_known=name in known, is_wanted=name in revision.workloads)
        record = revision.workloads.get(name)
        touched = effect not in (Effect.UNTOUCHED, Effect.JOBS)
        reasons = _reasons(name, own, changes)
        found.append(Impact(name, effect, reasons, record is not None and record.data_plane and touched))
    return tuple(found)


def _effect(steps: Sequence[Step], *, is_known: bool, is_wanted: bool) -> Effect:
    acts = {step.act for step in steps}
    if not is_wanted:
        return Effect.REMOVED
    if any(step.down for step in steps):
        return Effect.RESTARTED
    by_act = {
        Act.ROLL: Effect.ROLLED,
        Act.START: Effect.STARTED if is_known else Effect.NEW,
        Act.RELOAD: Effect.RELOADED,
    }
    if found := [effect for act, effect in by_act.items() if act in acts]:
        return found[0]
    if any(step.act is Act.REMOVE and step.undo is not Undo.NOTHING for step in steps):
        return Effect.FEWER
    return Effect.JOBS if acts & {Act.JOB, Act.COMMAND, Act.BACKUP} else Effect.UNTOUCHED


def _reasons(name: str, steps: Sequence[Step], changes: Changes) -> tuple[str, ...]:
    """What of it changed, else what its own steps say."""
    reasons = [f"image {image.name}" for image in changes.images if name in image.workloads]
    files = [file.path for file in changes.files if file.workload == name]
    reasons += [", ".join(files[:3]) + (f" and {len(files) - 3} more files" if len(files) > 3 else "")] if files else []
    if reasons and any(step.act in (Act.START, Act.ROLL, Act.RELOAD) for step in steps):
        return tuple(reasons)
    return tuple(dict.fromkeys(step.reason for step in steps if step.act is not Act.VERIFY))
