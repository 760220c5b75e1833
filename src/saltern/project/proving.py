"""Proofs that services work: the checks of formulas, made against the live cloud with the images that it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from saltern.base.errors import Problem, RolloutError
from saltern.base.events import Event, State
from saltern.formulas.metadata import Check, Metadata
from saltern.images.engine import RunSpec
from saltern.project.context import Project
from saltern.project.rendering import Rendered
from saltern.project.secrets import hidden, without_values
from saltern.project.workers import Bases
from saltern.targets.compose import network_name
from saltern.targets.workload import Workload

STAGE = "verify"


@dataclass(frozen=True)
class Proof:
    """A check that was made against the live cloud, and the last line that it said."""

    workload: str
    check: str
    text: str
    seconds: float


class Prover:
    """Makes the checks of one rendered cloud; asks for the values of secrets when the first is made."""

    def __init__(self, project: Project, rendered: Rendered) -> None:
        self._project = project
        self._rendered = rendered
        self._metadata: dict[str, Metadata] = {}

    @property
    def verified(self) -> frozenset[str]:
        """The workloads that have checks."""
        return frozenset(w.name for w in self._rendered.cloud.workloads if w.checks)

    def prove(self, workload: Workload) -> tuple[tuple[Proof, ...], tuple[Problem, ...]]:
        """All checks of a workload: what they proved, and those that failed."""
        proofs: list[Proof] = []
        problems: list[Problem] = []
        for check in self.metadata(workload.name).checks:
            begun = time.monotonic()
            self._project.emit(Event(STAGE, workload.name, State.STARTED, check.name))
            found = self._make(workload, check)
            seconds = time.monotonic() - begun
            state = State.FAILED if isinstance(found, Problem) else State.DONE
            self._project.emit(Event(STAGE, workload.name, state, check.name, seconds))
            if isinstance(found, Problem):
                problems.append(found)
            else:
                proofs.append(Proof(workload.name, check.name, found, seconds))
        return tuple(proofs), tuple(problems)

    def metadata(self, name: str) -> Metadata:
        """The metadata of a workload's formulas, with the values of its secrets."""
        if not self._metadata:
            with hidden(self._rendered.revealer.values), Bases(self._project) as bases:
                for one in self._rendered.compiled:
                    speaks = one.metadata.checks or any(kinds.get("upgrade") for kinds in one.metadata.raw.values())
                    known = self._rendered.revealer.compiled(bases, one).metadata if speaks else one.metadata
                    self._metadata[one.member.name] = known
        return self._metadata[name]

    def _make(self, workload: Workload, check: Check) -> str | Problem:
        """What a check said last, or what is wrong."""
        secrets = self._rendered.revealer.values
        with hidden(secrets):
            done = self._project.runtime.run(_spec(self._project, workload, check), timeout=check.timeout)
        if done.ok:
            return without_values((done.stdout.strip().splitlines() or [""])[-1], secrets)
        return Problem(
            f"{workload.name} does not pass the check {check.name!r}",
            details=without_values(done.tail(), secrets),
            resolution=f"see `saltern logs {next((one.service for one in workload.instances()), workload.name)}`",
            node=workload.node,
        )


def prove_all(prover: Prover, workloads: Sequence[Workload]) -> tuple[Proof, ...]:
    """The checks of all these workloads; raises RolloutError with every one that failed."""
    found = [prover.prove(workload) for workload in workloads]
    if problems := [problem for _, failed in found for problem in failed]:
        raise RolloutError(problems)
    return tuple(proof for proofs, _ in found for proof in proofs)


def _spec(project: Project, workload: Workload, check: Check) -> RunSpec:
    process = workload.process(check.process)
    return RunSpec(
        workload.image,
        check.command,
        network=network_name(project.cloud),
        user=(process.user if process else "") or "0:0",
        environment=check.environment,
        tmpfs=("/tmp",),  # noqa: S108 - the container's own
        capabilities=(),
    )
