"""What a rollout would do: the rendered cloud against what runs. Builds images; touches nothing that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from saltern.base.errors import PlanError, SalternError
from saltern.plan.changes import (
    Changes,
    FileChange,
    FormulaChange,
    ImageChange,
    ValueChange,
    causes_of_diff,
    file_kinds,
    package_changes,
    unified,
)
from saltern.plan.plan import Plan, impacts_of
from saltern.plan.revision import Revision, WorkloadRecord
from saltern.plan.steps import Running, Wants, plan_up
from saltern.project import recording, snapshot
from saltern.project.configuring import shown_text
from saltern.project.context import Project
from saltern.project.differing import values_between
from saltern.project.generations import Seen
from saltern.project.proving import Prover
from saltern.project.pruning import left_note, left_over
from saltern.project.rendering import Rendered, ledger_of, render_locked, renewed
from saltern.project.upgrading import Upgrades, upgrades_of
from saltern.project.world import fingerprint, journal_of, lost_data, running_now
from saltern.rollout.ledger import Ledger, Upgrading
from saltern.rollout.rollouts import unproven
from saltern.targets.compose import LABEL_WORKLOAD
from saltern.targets.workload import Cloud

ACTIONS = {"keep": "there", "tag": "there", "pull": "pulled", "build": "built"}


@dataclass(frozen=True)
class Asked:
    """What the caller wants besides the model's state."""

    verify: bool = True
    contract: bool = False
    """Pass the points of no return of upgrades that are through."""


@dataclass(frozen=True)
class Planned:
    """A plan with all that carrying it out needs."""

    plan: Plan
    rendered: Rendered
    revision: Revision
    running: Running
    prover: Prover
    upgrades: Upgrades
    ledger: Ledger
    back: Mapping[str, int]
    """Workloads whose instance before the newest counts again, and its number."""


def plan(project: Project, asked: Asked = Asked()) -> Plan:
    """From what runs to the model as it is. Raises any SalternError."""
    with project.locked():
        project.sweep()
        return plan_locked(project, asked).plan


def plan_between(project: Project, old: Revision, new: Revision | None, asked: Asked = Asked()) -> Plan:
    """From one revision to another (default: the model as it is), as if ``old`` ran in full and nothing else.

    Of an upgrade that ``old`` has and that was begun here, it is known how far it came. Raises any SalternError, as a
    plan of what runs does.
    """
    with project.locked():
        project.sweep()
        _render_again(project, old)
        if new is None:
            return _between(project, old, render_locked(project), asked)
        with snapshot.opened(project, new.snapshot) as later:
            return _between(later, old, render_locked(later), asked)


def plan_locked(project: Project, asked: Asked = Asked()) -> Planned:
    """As :func:`plan`, for a caller that holds the cloud's lock."""
    rendered = render_locked(project)
    ledger = ledger_of(project)
    known = recording.known(project)
    running = running_now(project, rendered, journal_of(project))
    seen = Seen(project, running, known)
    back = seen.ways_back(rendered)
    if back:
        rendered = renewed(project, rendered, back)
        running = running_now(project, rendered, journal_of(project))
    records = seen.records(rendered.cloud)
    rendered, upgrades = _staged(project, rendered, records, ledger, ledger.upgrades, asked)
    if upgrades.fresh:
        running = running_now(project, rendered, journal_of(project))
    revision = recording.revision_of(project, rendered)
    prover = Prover(project, rendered)
    owed = unproven(recording.rollouts(project))
    steps = plan_up(rendered.cloud, rendered.compose, running, _wants(prover, upgrades, asked, owed))
    base = _base(known, records)
    changes = changes_between(project, base, records, revision, rendered)
    there = {c.labels.get(LABEL_WORKLOAD, "") for c in running.containers}
    wanted = {w.name: rendered.data_of(w).values() for w in rendered.cloud.workloads}
    left = left_over(project, rendered, ledger, running.containers)
    made = Plan(
        cloud=project.cloud,
        old=base.id if base and there else "",
        new=revision.id,
        changes=changes if there else Changes(images=changes.images),
        impacts=impacts_of(revision, steps, there, changes),
        steps=steps,
        world=fingerprint(running),
        notes=(
            *_lost_notes(lost_data(recording.last_good(project), wanted, running)),
            *(_back_note(name, rendered.cloud) for name in back),
            *upgrades.notes,
            *([left_note(left)] if left else []),
        ),
    )
    return Planned(made, rendered, revision, running, prover, upgrades, ledger, back)


def _back_note(name: str, cloud: Cloud) -> str:
    workload = cloud.workload(name)
    return (
        f"{name}: the instance before the newest is still there, and serves again "
        f"({', '.join(one.service for one in workload.instances())}); the newest goes, its volume stays"
    )


def _lost_notes(lost: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name, volumes in lost.items():
        yield (
            f"{name}: its data is gone: there is no volume {', '.join(volumes)}; its jobs make what they can anew, "
            "`saltern restore` brings back what a backup holds"
        )


def _render_again(project: Project, old: Revision) -> None:
    """So that its files can be shown, which are not kept; where that cannot be done they are not shown."""
    with suppress(SalternError), snapshot.opened(project, old.snapshot) as past:
        render_locked(past)


def _between(project: Project, old: Revision, rendered: Rendered, asked: Asked) -> Plan:
    """The plan of a world in which all of the old revision runs."""
    rendered = renewed(project, rendered, {name: one.generation for name, one in old.workloads.items()})
    ledger = ledger_of(project)
    begun = {key: one for key, one in ledger.upgrades.items() if _has(old.workloads.get(key.partition("/")[0]), one)}
    rendered, upgrades = _staged(project, rendered, old.workloads, ledger, begun, asked)
    revision = recording.revision_of(project, rendered)
    running = recording.as_if_running(project.cloud, old, revision)
    prover = Prover(project, rendered)
    steps = plan_up(rendered.cloud, rendered.compose, running, _wants(prover, upgrades, asked))
    changes = changes_between(project, old, old.workloads, revision, rendered)
    impacts = impacts_of(revision, steps, list(old.workloads), changes)
    return Plan(project.cloud, old.id, revision.id, changes, impacts, steps, old.id, upgrades.notes)


def _has(record: WorkloadRecord | None, upgrading: Upgrading) -> bool:
    """Whether a workload is past an upgrade that was begun; else, as if it ran in full, nothing of that was done."""
    return record is not None and upgrading.new in record.packages.values()


def _staged(
    project: Project,
    rendered: Rendered,
    records: Mapping[str, WorkloadRecord],
    ledger: Ledger,
    begun: Mapping[str, Upgrading],
    asked: Asked,
) -> tuple[Rendered, Upgrades]:
    """What the upgrade rules add, and the cloud with the fresh instances that they ask for. Raises PlanError."""
    upgrades = upgrades_of(project, rendered, records, begun, contract=asked.contract)
    if upgrades.problems:
        raise PlanError(upgrades.problems)
    if not upgrades.fresh:
        return rendered, upgrades
    fresh = {name: ledger.next(name) for name in upgrades.fresh}
    return renewed(project, rendered, fresh), upgrades


def _wants(prover: Prover, upgrades: Upgrades, asked: Asked, owed: Collection[str] = ()) -> Wants:
    verified = prover.verified if asked.verify else ()
    return Wants(verified, upgrades.first, upgrades.last, upgrades.around, owed)


def _base(known: Sequence[Revision], records: Mapping[str, WorkloadRecord]) -> Revision | None:
    """The oldest revision that something runs of, so that all that changed since is told; else the newest."""
    there = {id(record) for record in records.values()}
    found = [one for one in known if any(id(record) in there for record in one.workloads.values())]
    return next(reversed(found), known[0] if known else None)


def changes_between(
    project: Project,
    base: Revision | None,
    old: Mapping[str, WorkloadRecord],
    new: Revision,
    rendered: Rendered,
) -> Changes:
    """All that differs between what workloads were made from and a revision; ``base`` is where values come from."""
    changes = Changes()
    is_same = base is not None and base.snapshot == new.snapshot and base.snapshot != ""
    if base is not None and not is_same:
        changes = replace(changes, values=_values(project, base), formulas=tuple(_formulas(project, base, new)))
    files = tuple(_files(project, old, new, rendered, changes))
    return replace(changes, files=files, images=tuple(_images(old, new, rendered, changes)))


def _values(project: Project, base: Revision) -> tuple[ValueChange, ...]:
    if not base.snapshot:
        return ()
    with snapshot.opened(project, base.snapshot) as past:
        return values_between(past, project)


def _formulas(project: Project, base: Revision, new: Revision) -> Iterator[FormulaChange]:
    changed = [
        name for name in sorted({*base.formulas, *new.formulas}) if base.formulas.get(name) != new.formulas.get(name)
    ]
    if not changed:
        return
    before = snapshot.files_of(project, base.snapshot)
    after = snapshot.formula_files(project.formulas)
    for name in changed:
        paths = sorted(p for p in {*before, *after} if p.startswith(f"{name}/") and before.get(p) != after.get(p))
        yield FormulaChange(name, tuple(path.removeprefix(f"{name}/") for path in paths))


def _files(
    project: Project, old: Mapping[str, WorkloadRecord], new: Revision, rendered: Rendered, changes: Changes
) -> Iterator[FileChange]:
    applications = {one.member.name: _formula_names(one.member.node.applications) for one in rendered.compiled}
    for name in sorted({*old, *new.workloads}):
        before, after = old.get(name), new.workloads.get(name)
        if before is None or after is None:
            continue
        folder = project.state / "config" / name
        for path, kind in file_kinds(before, after):
            texts = (shown_text(folder, before.tree, path), shown_text(folder, after.tree, path))
            modes = tuple(
                f"{record.files[path].mode} {record.files[path].owner}" if path in record.files else ""
                for record in (before, after)
            )
            is_text = (kind == "added" or texts[0] is not None) and (kind == "removed" or texts[1] is not None)
            diff = unified(path, texts[0] or "", texts[1] or "", (modes[0], modes[1])) if is_text else ""
            own = [change for change in changes.values if after.node in change.nodes]
            causes = causes_of_diff(diff, own) or changes.causes(after.node, applications[name])
            shown = kind if diff or not is_text or kind != "changed" else "secret"
            yield FileChange(name, path, shown, diff, causes)


def _images(
    old: Mapping[str, WorkloadRecord], new: Revision, rendered: Rendered, changes: Changes
) -> Iterator[ImageChange]:
    actions = {one.imaged.image.tag: ACTIONS[str(one.imaged.image.action)] for one in rendered.configured}
    applications = {one.member.name: _formula_names(one.member.node.applications) for one in rendered.compiled}
    grouped: dict[tuple[str, str], list[WorkloadRecord]] = {}
    for name, record in sorted(new.workloads.items()):
        before = old[name].image if name in old else ""
        if before != record.image and (before or actions[record.image] != "there"):
            grouped.setdefault((before, record.image), []).append(record)
    for (before, after), records in grouped.items():
        first = records[0]
        past = old.get(first.name)
        yield ImageChange(
            name=first.image_name,
            workloads=tuple(record.name for record in records),
            old=before,
            new=after,
            action=actions[after],
            base=(past.base if past else "", first.base),
            packages=package_changes(past.packages, first.packages) if past else (),
            causes=tuple(_unique(changes.causes(r.node, applications[r.name]) for r in records)) if past else (),
        )


def _unique(several: Iterable[tuple[str, ...]]) -> dict[str, None]:
    return dict.fromkeys(one for each in several for one in each)


def _formula_names(applications: Iterable[str]) -> tuple[str, ...]:
    """The formulas of a node: the first part of what it applies (``keystone.server``)."""
    return tuple(dict.fromkeys(name.partition(".")[0] for name in applications))
