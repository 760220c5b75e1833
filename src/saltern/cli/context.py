"""What all verbs share: the common options, and the project that they open."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import click

from saltern.base.errors import ExitCode
from saltern.base.events import Emit
from saltern.base.process import LocalRunner
from saltern.cli.problems import print_problems
from saltern.cli.terminal import choose, stderr_console, stdout_console
from saltern.project.context import Options, Project, open_project
from saltern.rollout.kubernetes.engine import PODS
from saltern.secrets.identity import VARIABLE, default_identity, refuse_to_ask

ALL_TARGETS = ("compose", "kubernetes")


def examples(*lines: str) -> str:
    """An epilog with examples, one per line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Caller:
    """One invocation: its options, its project, and where results and progress go."""

    def __init__(self, stack: ExitStack, options: dict[str, Any]) -> None:
        self._stack = stack
        self._options = options
        self.json: bool = options["json"]
        self.strict: bool = options.get("strict", False)
        self.stdout = stdout_console()
        self.stderr = stderr_console()

    def project(self, *, tells_warnings: bool = False, targets: tuple[str, ...] = ("compose",)) -> Project:
        """Open the model; from here on events are shown. ``tells_warnings``: the verb shows the warnings itself.

        ``targets``: of nodes of which targets it is about.
        """
        project = self.opener(targets)(self.model)
        if not tells_warnings:
            self._stack.callback(self._warn, project)
        return project

    def opener(self, targets: tuple[str, ...] = ("compose",)) -> Callable[[Path | None], Project]:
        """Opens the model in a folder, any number of times; from here on events are shown."""
        given = self._options
        emit = self.progress()
        options = Options(
            engine=given.get("engine") or "",
            worker=given.get("worker", "container"),
            targets=targets,
            strict=self.strict,
            identity=Path(given.get("identity") or default_identity(os.environ)),
            ask=_ask if sys.stdin.isatty() else refuse_to_ask,
        )
        return lambda model: open_project(model, options, emit, self.runner)

    @property
    def model(self) -> Path | None:
        """The folder that was given as the model."""
        given = self._options["model"]
        return Path(given) if given else None

    def progress(self) -> Emit:
        """Shows events from here on."""
        emit = choose(self.stderr, self._options.get("progress", "auto"))
        self._stack.enter_context(emit)
        return emit

    def _warn(self, project: Project) -> None:
        """Warnings come last, where they are seen; only those of a model that was really loaded."""
        inventory = project.__dict__.get("opened")
        if inventory is not None and not self.json:
            print_problems(self.stderr, inventory.warnings, "warning", "yellow")

    @cached_property
    def runner(self) -> LocalRunner:
        """Starts the processes; with ``--debug`` it shows them."""
        return LocalRunner(log=self._log if self._options["debug"] else None)

    def _log(self, argv: Sequence[str]) -> None:
        self.stderr.print(f"+ {' '.join(argv)}", style="dim", markup=False)

    @property
    def cache(self) -> Path:
        """Where things are kept that may be deleted at any time."""
        return Options().cache

    def exit(self, code: ExitCode) -> NoReturn:
        """End with a code; the result was printed."""
        raise click.exceptions.Exit(int(code))


def _ask(what: str) -> str:
    answer: str = click.prompt(what, hide_input=True, err=True)
    return answer


def common_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every verb that works on a cloud; the function gets a :class:`Caller`."""
    return _with_options(function, {**MODEL_OPTIONS, **CLOUD_OPTIONS})


def model_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of verbs that only read the model: no engine, no worker, no progress."""
    return _with_options(function, MODEL_OPTIONS)


def rollout_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of verbs that render configuration: they need the values of secrets."""
    return _with_options(function, {**MODEL_OPTIONS, **CLOUD_OPTIONS, **SECRET_OPTIONS})


def progress_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of verbs that take their time, and read no more of a model than its settings."""
    return _with_options(function, {**MODEL_OPTIONS, "progress": CLOUD_OPTIONS["progress"]})


def branch_options(function: Callable[..., None]) -> Callable[..., None]:
    """As :func:`rollout_options`, of a verb that gets its model from a repository."""
    own = {name: option for name, option in MODEL_OPTIONS.items() if name != "model"}
    return _with_options(function, {**own, **CLOUD_OPTIONS, **SECRET_OPTIONS, "engine": FOLLOWING_ENGINE})


def secret_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of verbs that read or write secrets of the model."""
    return _with_options(function, {**MODEL_OPTIONS, **SECRET_OPTIONS})


Decorator = Callable[[Callable[..., None]], Callable[..., None]]

MODEL_OPTIONS: Mapping[str, Decorator] = {
    "model": click.option(
        "--model",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="The model. Default: the nearest folder upwards that is one.",
    ),
    "strict": click.option("--strict", is_flag=True, help="Warnings of the model are errors."),
    "json": click.option("--json", "json", is_flag=True, help="Print the result, or the error, as JSON."),
    "debug": click.option("--debug", is_flag=True, help="Show every command that is run, and tracebacks."),
}

CLOUD_OPTIONS: Mapping[str, Decorator] = {
    "engine": click.option(
        "--engine",
        type=click.Choice(["podman", "docker"]),
        help="Container engine. Default: as saltern.yml says, else podman, or docker where podman does not work.",
    ),
    "worker": click.option(
        "--worker",
        type=click.Choice(["container", "local"]),
        default="container",
        show_default=True,
        help="Where formulas are compiled. local is for linting: the machine's own Python, no isolation.",
    ),
    "progress": click.option(
        "--progress",
        type=click.Choice(["auto", "live", "plain", "json"]),
        default="auto",
        show_default=True,
        help="How progress is shown on stderr.",
    ),
}

FOLLOWING_ENGINE: Decorator = click.option(
    "--engine",
    type=click.Choice(["podman", "docker", PODS]),
    help="As elsewhere; pods: none, in a cluster whose registry has all images.",
)

SECRET_OPTIONS: Mapping[str, Decorator] = {
    "identity": click.option(
        "--identity",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help=f"The key that opens secrets. Default: {VARIABLE}, else ~/.config/saltern/identity.txt.",
    ),
}

ORDER = ("model", "identity", "engine", "worker", "strict", "json", "progress", "debug")
"""How ``--help`` lists them."""


def _with_options(function: Callable[..., None], options: Mapping[str, Decorator]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapped(**values: Any) -> None:
        own = {name: values.pop(name) for name in options}
        with ExitStack() as stack:
            function(Caller(stack, own), **values)

    result: Callable[..., None] = wrapped
    for name in reversed(ORDER):
        if name in options:
            result = options[name](result)
    return result
