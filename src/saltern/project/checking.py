"""``saltern check``: everything that can be wrong before anything is built, told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saltern.base.errors import FormulaError, ModelError, Problem, SalternError, SecretError
from saltern.formulas.schemas import load_schemas, violations
from saltern.model import Node
from saltern.model.allow import without_allowed
from saltern.model.inventory import merged_problems
from saltern.model.kinds import WarningKind
from saltern.model.review import review
from saltern.project import secrets
from saltern.project.compiling import Compiled, try_members, warnings
from saltern.project.context import Member, Project, clashes
from saltern.project.lending import unlent
from saltern.project.replicas import misnamed, unshared
from saltern.project.workers import Bases


@dataclass(frozen=True)
class Checked:
    """What a good model has: how many nodes and states, and what to look at all the same."""

    nodes: int
    states: int | None
    """None when nothing was compiled."""
    warnings: tuple[Problem, ...]


def check(project: Project, *, model_only: bool = False) -> Checked:
    """Load the model, and unless it is ``model_only``, compile and split all nodes that are healthy.

    Raises one error with everything that is wrong: of the first kind that was found, with the warnings.
    """
    inventory = project.opened
    nodes = tuple(inventory.nodes.values())
    healthy = [node for node in nodes if not node.problems]
    members, unsettled = project.members_of(healthy)
    reviewed = review(inventory)
    errors = [
        ModelError(
            merged_problems(
                (
                    *(problem for node in nodes for problem in node.problems),
                    *inventory.definition_problems,
                    *reviewed.problems,
                    *unsettled,
                )
            )
        ),
        *_check_schemas(project, healthy),
        SecretError(secrets.check(project, members)),
    ]
    found = [*inventory.warnings, *reviewed.warnings]
    compiled: tuple[Compiled, ...] = ()
    if not model_only:
        errors.append(ModelError(clashes(members)))
        compiled, failed = _compile(project, members)
        errors += failed
        errors.append(ModelError([p for one in compiled for p in unshared(one, one.metadata.volumes, project.targets)]))
        errors.append(ModelError([p for one in compiled for p in misnamed(one, project.targets)]))
        errors.append(ModelError([*unlent(compiled)]))
        found += [Problem(text, kind=WarningKind.SALT) for text in warnings(compiled)]
    told = _in_order(without_allowed(merged_problems(found), project.settings.allowed))
    if project.options.strict:
        errors.append(ModelError(told))
    _refuse(errors, () if project.options.strict else told)
    if model_only:
        return Checked(len(nodes), None, told)
    return Checked(len(compiled), sum(len(one.low.chunks) for one in compiled), told)


def _check_schemas(project: Project, nodes: Sequence[Node]) -> list[SalternError]:
    schemas, wrong = load_schemas(project.formulas)
    broken = merged_problems(problem for node in nodes for problem in violations(node, schemas))
    return [FormulaError(wrong), ModelError(broken)]


def _compile(project: Project, members: Sequence[Member]) -> tuple[tuple[Compiled, ...], list[SalternError]]:
    """What cannot even be begun, for want of an engine for instance, must not hide what was found before."""
    if not members:
        return (), []
    try:
        with Bases(project) as bases:
            compiled, error = try_members(project, members, bases)
    except SalternError as error_:
        return (), [error_]
    return compiled, [error] if error else []


def _in_order(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """As the files have it; what has no place comes last."""
    return tuple(sorted(found, key=lambda problem: (not problem.places, problem.places, problem.kind, problem.brief)))


def _refuse(errors: Sequence[SalternError], told: tuple[Problem, ...]) -> None:
    real = [error for error in errors if error.problems]
    if real:
        raise type(real[0])([problem for error in real for problem in error.problems], told)
