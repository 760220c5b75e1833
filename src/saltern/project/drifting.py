"""What somebody changed by hand in the cloud's cluster, behind the back of the model."""

from __future__ import annotations

from saltern.base.errors import Problem, UsageError
from saltern.plan.steps import Steps
from saltern.project import recording, snapshot
from saltern.project.context import Project
from saltern.project.rendering import Rendered, render_locked
from saltern.project.world import containers
from saltern.rollout.kubernetes.comparison import Drifted, drifted
from saltern.rollout.kubernetes.drift import Drift


def refuse_elsewhere(project: Project, option: str) -> None:
    """Raises UsageError for a cloud that is in no cluster: there is nothing to compare with."""
    if not project.in_cluster:
        raise UsageError(
            Problem(
                f"{option} is for clouds on Kubernetes",
                details="here containers are compared with what they were made from at each plan",
                resolution="see `saltern plan`; `saltern apply` makes containers anew that are not as the model says",
            )
        )


def drift(project: Project) -> tuple[Drift, ...]:
    """How the cluster differs from the revision that was reached last; empty where the cloud is down.

    Raises UsageError for a cloud that is in no cluster.
    """
    refuse_elsewhere(project, "--drift")
    with project.locked():
        project.sweep()
        if not containers(project):
            return ()
        revision = recording.last_good(project)
        if revision is None or not revision.snapshot:
            return _fields(_drifted(project, render_locked(project)))
        with snapshot.opened(project, revision.snapshot) as past:
            return _fields(_drifted(past, render_locked(past)))


def to_repair(project: Project, rendered: Rendered, steps: Steps) -> tuple[Drifted, ...]:
    """What drifted of the services that steps do not apply anyway; the caller holds the cloud's lock."""
    changed = frozenset(step.service for step in steps.changes)
    return _drifted(project, rendered, changed)


def _drifted(project: Project, rendered: Rendered, leave: frozenset[str] = frozenset()) -> tuple[Drifted, ...]:
    return () if rendered.units is None else drifted(project.cluster, rendered.units, leave)


def _fields(found: tuple[Drifted, ...]) -> tuple[Drift, ...]:
    return tuple(one for thing in found for one in thing.drifts)
