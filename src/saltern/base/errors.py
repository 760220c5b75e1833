"""User errors as data, and the one table of exit codes.

A :class:`Problem` says what is wrong, where, why and what to do; a :class:`SalternError` carries all problems that one
operation found. Only ``saltern.cli`` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns; the numbers are part of the interface."""

    OK = 0
    BUG = 1
    """An exception that Saltern should have explained: a defect of Saltern."""
    USAGE = 2
    """Wrong options or arguments (also click's own)."""
    MODEL = 3
    """The model cannot be loaded, merged or interpolated, or a setting in it is invalid."""
    FORMULA = 4
    """A formula cannot be found, fetched, rendered or compiled."""
    PHASE = 5
    """The chunks of a node cannot be split into phases."""
    IMAGE = 6
    """A base, toolchain or service image cannot be made, or a state failed while building."""
    ENGINE = 7
    """The container engine is missing, not permitted or refused a request."""
    REGISTRY = 8
    """The registry cannot be reached or refused a request."""
    CONFIG = 9
    """A configuration chunk failed, or rendered something that cannot be delivered."""
    ROLLOUT = 10
    """A job failed, a port is taken, a service did not become ready, or a disk is full."""
    LOCKED = 11
    """Another saltern works on the same cloud."""
    SECRET = 12
    """A secret cannot be read or written: no identity, the wrong one, no such secret, a store that refuses."""
    DIFFERENT = 13
    """Something differs, and `--exit-code` asked for it."""
    PLAN = 14
    """An upgrade rule forbids the plan, or it is no more the plan that was shown."""
    BACKUP = 15
    """A backup could not be taken or proven, is damaged, or could not be put back."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the next run goes on."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file; ``line`` and ``column`` count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        text = self.file
        if self.line:
            text += f":{self.line}"
            if self.column:
                text += f":{self.column}"
        return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: ``brief`` (what), ``places`` (where), ``details`` (why), ``resolution`` (what to do)."""

    brief: str
    places: tuple[Place, ...] = ()
    details: str = ""
    resolution: str = ""
    node: str = ""
    chain: tuple[str, ...] = field(default=())
    """The classes that led here, outermost first."""
    kind: str = ""
    """Of warnings: what an allow list calls it; "" for errors."""

    def as_json(self) -> dict[str, object]:
        """The problem as JSON types."""
        return {
            "brief": self.brief,
            "places": [{"file": p.file, "line": p.line, "column": p.column} for p in self.places],
            "details": self.details,
            "resolution": self.resolution,
            "node": self.node,
            "chain": list(self.chain),
            "kind": self.kind,
        }


class SalternError(Exception):
    """Base of all user errors: one or more problems and the exit code of their kind."""

    code = ExitCode.BUG

    def __init__(self, problems: Problem | Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        """``warnings`` were found as well and are no reason for the error."""
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("; ".join(p.brief for p in self.problems))


class UsageError(SalternError):
    """Wrong options or arguments."""

    code = ExitCode.USAGE


class ModelError(SalternError):
    """See :attr:`ExitCode.MODEL`."""

    code = ExitCode.MODEL


class FormulaError(SalternError):
    """See :attr:`ExitCode.FORMULA`."""

    code = ExitCode.FORMULA


class PhaseError(SalternError):
    """See :attr:`ExitCode.PHASE`."""

    code = ExitCode.PHASE


class ImageError(SalternError):
    """See :attr:`ExitCode.IMAGE`."""

    code = ExitCode.IMAGE


class UnbuiltError(ImageError):
    """Images are missing, and nothing can be built where this was asked."""

    images: tuple[str, ...] = ()
    """Their tags."""

    @classmethod
    def of(cls, images: Sequence[str]) -> UnbuiltError:
        """The error about these tags."""
        problem = Problem(
            f"the registry does not have {', '.join(images)}, and here no image can be built",
            details="an engine made of pods takes all images from the registry",
            resolution="build and push where podman or docker is, or in a pipeline: `saltern push`",
        )
        error = cls(problem)
        error.images = tuple(images)
        return error


class EngineError(SalternError):
    """See :attr:`ExitCode.ENGINE`."""

    code = ExitCode.ENGINE


class UnreachableError(EngineError):
    """Nobody answers: nothing can be done, or taken back, until somebody does."""


class RegistryError(SalternError):
    """See :attr:`ExitCode.REGISTRY`."""

    code = ExitCode.REGISTRY


class ConfigError(SalternError):
    """See :attr:`ExitCode.CONFIG`."""

    code = ExitCode.CONFIG


class RolloutError(SalternError):
    """See :attr:`ExitCode.ROLLOUT`."""

    code = ExitCode.ROLLOUT


class LockedError(SalternError):
    """See :attr:`ExitCode.LOCKED`."""

    code = ExitCode.LOCKED


class SecretError(SalternError):
    """See :attr:`ExitCode.SECRET`."""

    code = ExitCode.SECRET


class BackupError(SalternError):
    """See :attr:`ExitCode.BACKUP`."""

    code = ExitCode.BACKUP


class PlanError(SalternError):
    """See :attr:`ExitCode.PLAN`."""

    code = ExitCode.PLAN
