"""Events on a person's terminal: a live view, or plain lines where stderr is no terminal."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from saltern.base.events import Event, State

MARKS = {State.DONE: ("✓", "green"), State.CACHED: ("·", "dim"), State.FAILED: ("✗", "red")}
STALE = 10.0
"""Seconds after which a line without a terminal is repeated, so that a log shows that work goes on."""


class Renderer(Protocol):
    """Shows events; used as a context manager around the work."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


class Lines(AbstractContextManager["Lines"]):
    """One line per started, finished or failed task."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._begun = time.monotonic()
        self._last: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Print the event, but progress only now and then."""
        key = (event.stage, event.subject)
        now = time.monotonic()
        with self._lock:
            if event.state is State.PROGRESS and not self._verbose and now - self._last.get(key, 0) < STALE:
                return
            self._last[key] = now
        took = f" ({event.seconds:.1f} s)" if event.seconds else ""
        text = Text(f"[{now - self._begun:6.1f} s] {event.stage:8} {event.subject}: {event.text or event.state}{took}")
        self._console.print(text, soft_wrap=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class View(AbstractContextManager["View"]):
    """What runs at this moment with its last word and its time, below the list of what is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._active: dict[tuple[str, str], tuple[float, str, Spinner]] = {}
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> View:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Take the event into the view."""
        key = (event.stage, event.subject)
        with self._lock:
            if event.state in (State.STARTED, State.PROGRESS):
                begun, _, spinner = self._active.get(key, (time.monotonic(), "", Spinner("dots")))
                self._active[key] = (begun, event.text, spinner)
                return
            begun, _, _ = self._active.pop(key, (time.monotonic(), "", None))
        mark, style = MARKS[event.state]
        took = f"{event.seconds or time.monotonic() - begun:6.1f} s" if event.state is not State.CACHED else ""
        self._console.print(Text.assemble((mark, style), f" {event.stage:8} {event.subject:28} {event.text} {took}"))

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        with self._lock:
            for (stage, subject), (begun, text, spinner) in sorted(self._active.items()):
                short = text if len(text) <= 60 else text[:59] + "…"
                table.add_row(spinner, stage, subject, f"{time.monotonic() - begun:5.0f} s", Text(short, style="dim"))
        return table


class JsonLines(Lines):
    """One JSON object per event, for programs that follow the work."""

    def __call__(self, event: Event) -> None:
        """Print the event."""
        self._console.file.write(json.dumps(asdict(event)) + "\n")
        self._console.file.flush()


def choose(console: Console, progress: str) -> Lines | View:
    """The renderer for ``progress``: ``auto``, ``plain``, ``live`` or ``json``."""
    if progress == "json":
        return JsonLines(console)
    if progress == "live" or (progress == "auto" and console.is_terminal and not console.is_dumb_terminal):
        return View(console)
    return Lines(console)


def stderr_console() -> Console:
    """Where progress and errors go. Texts are shown as they are: ``[x]`` and ``:key:`` are no markup."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=not sys.stderr.isatty())


def stdout_console() -> Console:
    """Where results go; a pipe has no width, so tables are not folded there."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 1000)
