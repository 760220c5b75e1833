"""Where an inventory is and how it is merged: ``inventory`` of ``saltern.yml``, and ``reclass-config.yml``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from saltern.base import yamlmarks
from saltern.base.errors import ModelError, Place, Problem
from saltern.base.schema import check, load_schema
from saltern.model.kinds import WarningKind
from saltern.model.options import Options

CONFIGS = ("reclass-config.yml", "kapicorp-reclass-config.yml")
"""Names of the file; the second one is that of the reference's current version."""
SYSTEM = (Path("/etc/reclass"), Path("/etc/kapicorp-reclass"))
"""Where the reference looks for it besides this folder and the user's home, and where the inventory is by default."""

STYLE = ("output", "pretty_print", "no_refs")
WITHOUT_EFFECT = ("group_errors",)
IGNORED = "ignore_class_notfound_regexp"
ENVIRONMENT = "__env__"
"""As a branch: the one that is called as the node's environment."""


class Given(NamedTuple):
    """A setting and where it stands."""

    value: Any
    place: Place


@dataclass(frozen=True)
class GitSource:
    """A folder of a branch of a git repository. Empty ``cache_dir`` and ``lock_dir`` mean the defaults."""

    repo: str
    branch: str
    root: str = ""
    cache_dir: str = ""
    lock_dir: str = ""
    privkey: str = ""


TreeSource = Path | GitSource


@dataclass(frozen=True)
class Location:
    """Where the trees of an inventory are; a node finds its classes by its environment."""

    root: Path
    """The model's folder."""
    nodes: TreeSource
    classes: TreeSource
    environments: Mapping[str, TreeSource] = field(default_factory=dict)
    """The classes of environments that have their own."""
    options: Options = field(default_factory=Options)
    style: Mapping[str, Any] = field(default_factory=dict)
    """How the ``reclass`` command shall print: ``output``, ``pretty_print``, ``no_refs``."""
    warnings: tuple[Problem, ...] = ()


def config_file(folder: Path) -> Path | None:
    """The ``reclass-config.yml`` of a folder."""
    return next((path for name in CONFIGS if (path := folder / name).is_file()), None)


def read_location(root: Path, own: Mapping[str, Given] | None = None) -> Location:
    """The location of the model in ``root``; its ``saltern.yml`` (``own``) wins key by key. Raises ModelError."""
    root = root.absolute()
    path = config_file(root)
    config, style, warnings = ({}, {}, ()) if path is None else _read_config(path)
    given = {**config, **(own or {})}
    reading = _Reading(root, given)
    nodes, classes, environments = reading.trees()
    problems = reading.problems or [*_overlaps(nodes, classes, given)]
    problems += _wrong_regexps(given)
    if problems:
        raise ModelError(problems)
    return Location(root, nodes, classes, environments, _options(given), style, warnings)


def check_location(raw: Mapping[str, Any], document: yamlmarks.Document, at: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with settings that stand in a document at ``at``."""
    what = document.place(at).file
    yield from check(raw, load_schema("saltern.model", "inventory"), what, lambda path: (document.place((*at, *path)),))


def _read_config(path: Path) -> tuple[dict[str, Given], dict[str, Any], tuple[Problem, ...]]:
    """The settings, the style of printing, and warnings of keys that mean nothing."""
    try:
        document = yamlmarks.read(path, path.name)
    except yamlmarks.WrongYamlError as error:
        raise ModelError(error.problem) from error
    except OSError as error:
        raise ModelError(Problem(f"the file cannot be read: {error.strerror}", (Place(str(path)),))) from error
    raw = document.data if document.data is not None else {}
    if not isinstance(raw, Mapping):
        raise ModelError(Problem(f"{path.name} holds no mapping", (Place(path.name, 1),)))
    known = load_schema("saltern.model", "inventory")["properties"]
    mine = {key: value for key, value in raw.items() if key in known}
    if problems := [*check_location(mine, document, ())]:
        raise ModelError(problems)
    style = {key: raw[key] for key in STYLE if key in raw}
    warnings = [
        Problem(
            brief=f"unknown option {key!r}",
            places=(document.place((key,)),),
            details="It has no effect, neither here nor in reclass.",
            resolution="See docs/reference/inventory.md for the options.",
            kind=WarningKind.UNKNOWN_KEY,
        )
        for key in raw
        if key not in known and key not in STYLE and key not in WITHOUT_EFFECT
    ]
    given = {key: Given(value, document.place((key,))) for key, value in mine.items()}
    return given, style, tuple(warnings)


def _options(given: Mapping[str, Given]) -> Options:
    values: dict[str, Any] = {f.name: given[f.name].value for f in fields(Options) if f.name in given}
    if IGNORED in values:
        values[IGNORED] = _patterns(values[IGNORED])
    if "class_mappings" in given:
        values["class_mappings_place"] = given["class_mappings"].place
    frozen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Options(**frozen)


def _patterns(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _wrong_regexps(given: Mapping[str, Given]) -> Iterator[Problem]:
    if IGNORED not in given:
        return
    patterns = _patterns(given[IGNORED].value)
    for pattern in dict.fromkeys([*patterns, "|".join(patterns)]):  # they are used as one
        try:
            re.compile(pattern)
        except re.error as error:
            yield Problem(
                brief=f"{IGNORED} holds a wrong regular expression: {error}",
                places=(given[IGNORED].place,),
                details=pattern,
                resolution="Regular expressions are Python's: .*foo, not *foo.",
            )
            return


class _Reading:
    """From ``storage_type``, ``inventory_base_uri``, ``nodes_uri`` and ``classes_uri`` to trees."""

    def __init__(self, root: Path, given: Mapping[str, Given]) -> None:
        self.problems: list[Problem] = []
        self._given = given
        self._kind: str = given["storage_type"].value if "storage_type" in given else "yaml_fs"
        self._base = _below(root, self._value("inventory_base_uri", _default_base(root)))

    def trees(self) -> tuple[TreeSource, TreeSource, dict[str, TreeSource]]:
        """Nodes, classes, and the classes of environments."""
        nodes = self._spec("nodes_uri", "nodes", branch="master")
        classes = self._spec("classes_uri", "classes", branch=ENVIRONMENT)
        found = {}
        for override in classes.pop("env_overrides", None) or ():
            for environment, changes in override.items():
                branch = {"branch": environment} if self._kind == "yaml_git" else {}
                found[str(environment)] = self._tree("classes_uri", {**classes, **branch, **changes})
        return self._tree("nodes_uri", nodes), self._tree("classes_uri", classes), found

    def _value(self, key: str, default: Any) -> Any:
        return self._given[key].value if key in self._given else default

    def _spec(self, key: str, default: str, branch: str) -> dict[str, Any]:
        """A tree in the words of ``mixed``, whatever the storage type is."""
        value = self._value(key, None)
        if self._kind == "yaml_fs":
            if isinstance(value, Mapping):
                self._wrong(key, f"{key} is a mapping", "Write a path, or set storage_type to yaml_git or mixed.")
                value = None
            return {"storage_type": "yaml_fs", "uri": value or default}
        if not isinstance(value, Mapping):
            self._wrong(key, f"{key} is no mapping", f"storage_type {self._kind} needs a mapping here.")
            return {"storage_type": "yaml_fs", "uri": default}
        own = {"storage_type": "yaml_git"} if self._kind == "yaml_git" else {}
        return {"branch": branch, **value, **own}

    def _tree(self, key: str, spec: Mapping[str, Any]) -> TreeSource:
        kind = spec.get("storage_type")
        needed = {"yaml_fs": "uri", "yaml_git": "repo"}.get(str(kind))
        if needed is None:
            self._wrong(key, f"{key} has no storage_type", "Write storage_type: yaml_fs or yaml_git.")
            return self._base
        if not spec.get(needed):
            self._wrong(key, f"{key} has no {needed}", f"A tree of the type {kind} needs it.")
            return self._base
        if kind == "yaml_fs":
            return _below(self._base, spec["uri"])
        names = ("cache_dir", "lock_dir", "privkey")
        more = {name: str(Path(spec[name]).expanduser()) for name in names if spec.get(name)}
        root = str(spec.get("root") or "").strip("/")
        return GitSource(self._repository(spec["repo"]), str(spec.get("branch") or "master"), root, **more)

    def _repository(self, written: str) -> str:
        """Relative paths begin at the base; what is no folder there is an address."""
        here = _below(self._base, written)
        return str(here) if here.is_dir() else written

    def _wrong(self, key: str, brief: str, resolution: str) -> None:
        places = (self._given[key].place,) if key in self._given else ()
        self.problems.append(Problem(brief, places, resolution=resolution))


def _below(folder: Path, written: str | Path) -> Path:
    """A path that begins at a folder when it is relative; without ``..``, and without following links."""
    return Path(os.path.normpath(folder / Path(written).expanduser()))


def _default_base(root: Path) -> Path:
    """The model's folder; for a file in the user's home, where the reference looks by default."""
    return SYSTEM[0] if root == Path.home() and not (root / "nodes").is_dir() else root


def _overlaps(nodes: TreeSource, classes: TreeSource, given: Mapping[str, Given]) -> Iterator[Problem]:
    if not (isinstance(nodes, Path) and isinstance(classes, Path)):
        return
    first, second = nodes.resolve(), classes.resolve()
    if first.is_relative_to(second) or second.is_relative_to(first):
        places = tuple(given[key].place for key in ("nodes_uri", "classes_uri") if key in given)
        yield Problem(
            "the folders of nodes and classes overlap",
            places,
            details=f"{nodes} and {classes}",
            resolution="Give each a folder of its own.",
        )
