"""kapicorp-reclass 2.0.0 in a process of its own, which may hang or die without harm."""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import io
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from .outcome import Failure, Outcome, Result

SECONDS = 20.0
"""How long it may take for one model; references that never end take for ever."""
OF_THE_STORAGE = ("compose_node_name", "class_mappings")


class Reference:
    """Answers for one model after the other; a context manager."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> Reference:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def nodes(self, root: Path, options: Mapping[str, Any]) -> dict[str, Outcome]:
        """``reclass --nodeinfo`` of every node of the model; "" is the model itself when it cannot be read at all."""
        self._connection.send((root, dict(options)))
        if not self._connection.poll(SECONDS):
            self._stop()
            self._start()
            return {"": Failure("it never ends", crashed=True)}
        try:
            found: dict[str, Outcome] = self._connection.recv()
        except EOFError:
            self._start()
            return {"": Failure("it died", crashed=True)}
        return found

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection) -> None:
    engine = _Engine()
    while True:
        try:
            root, options = connection.recv()
        except EOFError:
            return
        with contextlib.redirect_stderr(io.StringIO()):
            found = engine.nodes(root, options)
        connection.send(found)


class _Engine:
    """The reference in this process."""

    def __init__(self) -> None:
        for name in ("Iterable", "Mapping", "MutableMapping", "Sequence"):  # Python before 3.10 had them there
            setattr(collections, name, getattr(collections.abc, name))
        _sort_folders()
        self._get_storage = import_module("reclass").get_storage
        self._core = import_module("reclass.core").Core
        self._reported = import_module("reclass.errors").ReclassException
        self._settings = import_module("reclass.settings").Settings
        self._parsers = (import_module("reclass.values.value").Value._parser, self._core._parser)

    def nodes(self, root: Path, options: Mapping[str, Any]) -> dict[str, Outcome]:
        for parser in self._parsers:  # they keep half of the options of the model before
            parser.__init__()
        try:
            names = list(self._storage(root, options).enumerate_nodes())
        except Exception as error:
            return {"": self._failure(error)}
        return {name: self._outcome(root, options, name) for name in names}

    def _storage(self, root: Path, options: Mapping[str, Any]) -> Any:
        composed = options.get("compose_node_name", False)
        return self._get_storage("yaml_fs", str(root / "nodes"), str(root / "classes"), composed)

    def _outcome(self, root: Path, options: Mapping[str, Any], name: str) -> Outcome:
        mappings = list(options.get("class_mappings", ()))
        settings = {option: value for option, value in options.items() if option not in OF_THE_STORAGE}
        try:
            info = self._core(self._storage(root, options), mappings, self._settings(settings)).nodeinfo(name)
        except Exception as error:
            return self._failure(error)
        return Result(
            classes=tuple(info["classes"]),
            applications=tuple(info["applications"]),
            environment=info["environment"],
            parameters=_plain(info["parameters"]),
            exports=_plain(info["exports"]),
        )

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, self._reported):
            return Failure(type(error).__name__, str(error.message))
        if isinstance(error, yaml.YAMLError):
            return Failure(type(error).__name__, str(error))
        return Failure(type(error).__name__, str(error), crashed=True)


def _sort_folders() -> None:
    """Lists of nodes come in the order in which the disk lists files: let it be one that can be compared."""
    walk = os.walk

    def sorted_walk(*arguments: Any, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for folder, folders, files in walk(*arguments, **options):
            folders.sort()
            files.sort()
            yield folder, folders, files

    os.walk = sorted_walk  # type: ignore[assignment]


def _plain(value: Any) -> Any:
    """Its own dictionaries, lists and unrendered values without its types."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if type(value).__module__.startswith("reclass"):
        return f"<{value!r}>"
    return value
