"""The client of the Salt worker: typed requests over a pipe, answers as frozen values, errors as problems.

Whether the worker runs in a container or on this machine is the pipe's business (see
:mod:`saltern.images.toolchain` and ``saltern.project``).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NoReturn

from saltern.base.errors import FormulaError, Place, Problem
from saltern.base.process import Pipe
from saltern.formulas.lowstate import Chunk, LowState

CLOSE_SECONDS = 5.0
"""How long a request that is at work is waited for before its worker is ended."""
STDERR_SHOWN = 20
"""How many lines of a dead worker's stderr an error shows."""


@dataclass(frozen=True)
class Context:
    """What the worker must know of a node: its pillar, extra grains, and the formula roots as the worker sees them."""

    node: str
    pillar: Mapping[str, Any]
    grains: Mapping[str, Any] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    compat: tuple[str, ...] = ()
    """Those roots whose formulas need the Python 2 compatibility mode."""
    secrets: tuple[str, ...] = ()
    """Values of the pillar that no answer may show, whatever their keys are called."""

    def as_json(self) -> dict[str, Any]:
        """The context fields of a request."""
        return {
            "node": self.node,
            "pillar": self.pillar,
            "grains": self.grains,
            "roots": list(self.roots),
            "compat": list(self.compat),
            "secrets": list(self.secrets),
        }


@dataclass(frozen=True)
class Frozen:
    """Chunks that need no pillar and no template, and the files (relative path → SHA-256) that they still use."""

    chunks: tuple[Mapping[str, Any], ...]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What one chunk did. ``place`` is where the SLS declares it, "" where that is unknown."""

    id: str
    name: str
    function: str
    ok: bool
    changes: Mapping[str, Any]
    comment: str
    seconds: float
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file, symlink or directory that applying chunks made or changed."""

    path: str
    type: str
    mode: str
    uid: int
    gid: int
    sha256: str = ""
    target: str = ""


@dataclass(frozen=True)
class UnitFiles:
    """What starts a service, as raw text; "" where there is none."""

    unit: str = ""
    unit_path: str = ""
    dropins: tuple[str, ...] = ()
    init: str = ""
    environment_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplyResult:
    """The outcome of an ``apply``; ``files`` and ``removed`` only with ``collect``, the rest only with ``inspect``."""

    ok: bool
    results: tuple[ChunkResult, ...]
    files: tuple[ChangedFile, ...] = ()
    removed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders that were copied whole, because in them something changed that no mount of a file can show."""
    kept: tuple[ChangedFile, ...] = ()
    """What did not change in those folders."""
    units: Mapping[str, UnitFiles] = field(default_factory=dict)
    passwd: str = ""
    group: str = ""

    @property
    def failed(self) -> tuple[ChunkResult, ...]:
        """The chunks that failed."""
        return tuple(result for result in self.results if not result.ok)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> ApplyResult:
        """The worker's answer, e.g. the line that ``apply REQUEST.json`` prints."""
        return cls(
            ok=bool(answer["ok"]),
            results=tuple(map(_result, answer.get("results") or ())),
            files=tuple(ChangedFile(**entry) for entry in answer.get("files") or ()),
            removed=tuple(answer.get("removed") or ()),
            folders=tuple(answer.get("folders") or ()),
            kept=tuple(ChangedFile(**entry) for entry in answer.get("kept") or ()),
            units={name: _unit(raw) for name, raw in (answer.get("units") or {}).items()},
            passwd=str(answer.get("passwd") or ""),
            group=str(answer.get("group") or ""),
        )

    def problems(self, node: str) -> tuple[Problem, ...]:
        """One problem per failed chunk, for the caller's kind of error."""
        return tuple(
            Problem(
                f"state {result.id!r} failed: {_first_line(result.comment)}",
                places=(result.place,) if result.place else (),
                details=f"{result.function} {result.name}\n{result.comment}".strip(),
                node=node,
            )
            for result in self.failed
        )


def apply_request(
    context: Context, chunks: Sequence[Mapping[str, Any]], *, build: bool = False, inspect: Sequence[str] = ()
) -> str:
    """The text of a request file for ``worker apply``."""
    return json.dumps(
        {**context.as_json(), "chunks": list(chunks), "build": build, "collect": None, "inspect": list(inspect)},
        sort_keys=True,
    )


class Worker:
    """A warm worker process; started at the first request, and again after it died. Safe to share between threads.

    ``start`` opens the pipe. Use it as a context manager, or call :meth:`close`.
    """

    def __init__(self, start: Callable[[], Pipe]) -> None:
        self._start = start
        self._pipe: Pipe | None = None
        self._count = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def compile(self, context: Context, sls: Sequence[str], kinds: Sequence[str] = ()) -> LowState:
        """The low state of a node that applies ``sls``, with the ``meta/<kind>.yml`` of its formulas.

        Raises:
            FormulaError: with a problem for each thing that is wrong.
        """
        answer = self._ask(context, {"op": "compile", "sls": list(sls), "kinds": list(kinds)})
        return LowState.of(context.node, answer["low"], answer["metadata"], *answer.get("warnings", ()))

    def freeze(self, context: Context, chunks: Sequence[Chunk]) -> Frozen:
        """The chunks with their templates rendered.

        Raises:
            FormulaError: when a template fails or a source is missing.
        """
        answer = self._ask(context, {"op": "freeze", "chunks": [chunk.raw for chunk in chunks]})
        return Frozen(tuple(answer["chunks"]), answer["files"])

    def apply(
        self,
        context: Context,
        chunks: Sequence[Mapping[str, Any]],
        *,
        build: bool = False,
        out: str = "",
        whole: Sequence[str] = (),
        inspect: Sequence[str] = (),
    ) -> ApplyResult:
        """Apply chunks where the worker runs; changed files are copied below ``out`` (a path there) when it is given.

        Of the folders ``whole`` that exist all is copied, unless that is too much.

        A failed chunk is no exception: see :attr:`ApplyResult.ok`.

        Raises:
            FormulaError: when nothing could be applied.
        """
        request = {"op": "apply", "chunks": list(chunks), "build": build, "inspect": list(inspect)}
        return ApplyResult.of(self._ask(context, {**request, "collect": {"out": out, "whole": list(whole)} if out else None}))

    def close(self) -> None:
        """End the process, one that hangs in another thread's request too."""
        is_idle = self._lock.acquire(timeout=CLOSE_SECONDS)
        pipe, self._pipe = self._pipe, None
        if is_idle:
            self._lock.release()
        if pipe:
            pipe.close()

    def _ask(self, context: Context, fields: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._count += 1
            line = json.dumps({"id": self._count, **context.as_json(), **fields})
            answer = self._exchange(line, context.node)
        if "errors" in answer:
            raise FormulaError(_problem(raw, context.node) for raw in answer["errors"])
        return answer

    def _exchange(self, line: str, node: str) -> dict[str, Any]:
        pipe = self._pipe = self._pipe or self._start()
        received = None
        with contextlib.suppress(BrokenPipeError):
            pipe.send(line)
            received = pipe.receive()
        if received is None:
            self._died(pipe, node)
        try:
            answer: dict[str, Any] = json.loads(received)
        except ValueError:
            self._died(pipe, node, f"It answered: {received[:500]}")
        return answer

    def _died(self, pipe: Pipe, node: str, said: str = "") -> NoReturn:
        self._pipe = None
        completed = pipe.close()
        raise FormulaError(
            Problem(
                f"the Salt worker ended (status {completed.returncode})",
                details="\n".join(part for part in (said, completed.tail(STDERR_SHOWN)) if part),
                resolution="A formula's code may have ended it; run again with --debug to see its output.",
                node=node,
            )
        )


def _problem(raw: Mapping[str, Any], node: str) -> Problem:
    place = Place(str(raw["file"]), int(raw.get("line") or 0)) if raw.get("file") else None
    return Problem(str(raw["brief"]), (place,) if place else (), str(raw.get("details") or ""), node=node)


def _result(raw: Mapping[str, Any]) -> ChunkResult:
    return ChunkResult(
        id=str(raw["id"]),
        name=str(raw.get("name", "")),
        function=str(raw["function"]),
        ok=bool(raw["ok"]),
        changes=raw.get("changes") or {},
        comment=str(raw.get("comment") or ""),
        seconds=float(raw.get("seconds") or 0),
        place=Place(str(raw["file"]), int(raw.get("line") or 0)) if raw.get("file") else None,
    )


def _unit(raw: Mapping[str, Any]) -> UnitFiles:
    return UnitFiles(**{**raw, "dropins": tuple(raw.get("dropins") or ())})


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
