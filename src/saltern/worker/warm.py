"""Keeps what Salt finds out anew for each node, although it is the same for all: its module files, loaded and listed.

Each node still gets loaders of its own, with its own options, pillar, grains and context, as Salt makes them. Only what
is in them is handed on: the list of files, and the functions of Salt's own modules that the loader of an earlier node
loaded. Salt's modules find pillar, grains and the like by the loader that is at work; their ``__opts__``, which they
have themselves, are made anew. What a formula brings is never handed on: its modules may remember a node.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

TAGS = frozenset(("utils", "module", "serializers", "states", "render", "matchers", "fileserver"))
"""The kinds of loaders whose functions are handed on."""
NAMES = frozenset(("id", "nodename", "host", "domain", "fqdn", "fqdns", "localhost", "dns"))
"""Grains that follow from a node's name: on these no module of Salt decides whether it can be used."""
MOST_FILES = 100
"""A loader that read more than that looked for a function that is nowhere, and tried every module in another order."""

MOST_KEPT = 64
"""Nodes with other grains have other loaders; from here on those of the past are forgotten."""

MOST_TEXTS = 2000
"""YAML texts whose values are kept."""

_listed: dict[tuple[Any, ...], tuple[Any, ...]] = {}
"""The files that loaders found in their folders."""
_kept: dict[tuple[Any, ...], Any] = {}
"""The last loaders that can be handed on."""
_made: dict[tuple[Any, ...], Any] | None = None
"""The loaders of the node at work; None outside of a request."""


def install() -> None:
    """Make Salt's loaders and options faster."""
    from salt.loader.lazy import LazyLoader
    from salt.utils.optsdict import OptsDict

    OptsDict.__bool__ = lambda self: any(key in self for key in self._get_all_keys())  # by len() it asks for every key
    refresh, init = LazyLoader._refresh_file_mapping, LazyLoader.__init__

    def listed(self: Any) -> None:
        key = _files_key(self)
        if key not in _listed:
            refresh(self)
            _listed[key] = (dict(self.file_mapping), dict(self.suffix_map), list(self.suffix_order))
        files, suffixes, order = _listed[key]
        self.file_mapping, self.suffix_map, self.suffix_order = dict(files), dict(suffixes), list(order)

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if _made is not None and self.tag in TAGS:
            same = _loader_key(self)
            key = (*same, sum(1 for key in _made if key[:-1] == same))
            _made[key] = self
            _adopt(self, _kept.get(key))

    LazyLoader._refresh_file_mapping, LazyLoader.__init__ = listed, made
    _keep_entry_points()
    keep_yaml()


@contextlib.contextmanager
def loaders() -> Iterator[None]:
    """Within the block, new loaders get what those of earlier blocks had loaded."""
    global _made  # noqa: PLW0603 - one request at a time; Salt makes its loaders without asking anybody
    _made = {}
    try:
        yield
    finally:
        if len(_kept) > MOST_KEPT:
            _kept.clear()
        _kept.update({key: loader for key, loader in _made.items() if _is_fit(loader)})
        _made = None


def _files_key(loader: Any) -> tuple[Any, ...]:
    times = tuple((folder, _changed(folder)) for folder in loader.module_dirs)
    order = tuple(loader.opts.get("optimization_order") or ())
    return times, frozenset(loader.disabled), order, tuple(loader.static_modules)


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _loader_key(loader: Any) -> tuple[Any, ...]:
    """All that decides which functions a loader has."""
    return (
        loader.tag,
        tuple(loader.module_dirs),
        tuple(loader.whitelist or ()),
        tuple(loader.extra_module_dirs),
        loader.loaded_base_name,
        loader.virtual_enable,
        frozenset(loader.pack),
        _grains_key(loader.pack.get("__grains__") or {}),
    )


def _grains_key(grains: Mapping[str, Any]) -> str:
    return json.dumps({k: v for k, v in grains.items() if k not in NAMES}, sort_keys=True, default=str)


def _is_fit(loader: Any) -> bool:
    """Whether a loader loaded nothing but modules of Salt's own, those that were asked for."""
    from salt.loader.lazy import _mod_type

    if loader.loaded or len(loader.loaded_files) > MOST_FILES:
        return False
    return all(_mod_type(loader.file_mapping[name][0]) == "int" for name in loader.loaded_files)


def _adopt(loader: Any, before: Any) -> None:
    """Give a loader what the one before loaded."""
    from salt.utils.optsdict import safe_opts_copy

    if before is None:
        return
    loader._dict.update(before._dict)
    loader.loaded_files |= before.loaded_files
    loader.loaded_modules |= before.loaded_modules
    loader.missing_modules.update(before.missing_modules)
    spaces = {id(space): space for space in (getattr(f, "__globals__", {}) for f in before._dict.values())}
    for space in spaces.values():
        if "__orig_opts__" in space:
            space["__opts__"] = safe_opts_copy(loader.opts, name=f"module:{space['__name__']}")
            if space["__orig_opts__"]:
                space["__opts__"].update(space["__orig_opts__"])


def _keep_entry_points() -> None:
    """Salt asks all installed packages twice a second whether they bring modules; they stay what they are."""
    from salt.utils import entrypoints

    entrypoints.iter_entry_points = cache(entrypoints.iter_entry_points)


def keep_yaml() -> None:
    """Let Salt's YAML renderer parse each text once: the states of nodes of one role are often the same text."""
    from salt.utils import yamlloader

    load, parsed = yamlloader.load, dict[tuple[str, str], bytes]()

    def loaded(stream: Any, Loader: Any = yamlloader.SaltYamlSafeLoader) -> Any:  # noqa: N803 - Salt's name
        if not isinstance(stream, str) or getattr(Loader, "__name__", "") != "yaml_loader":  # the renderer's own
            return load(stream, Loader=Loader)
        key = (Loader.__module__, stream)
        if key not in parsed:
            value = load(stream, Loader=Loader)
            if len(parsed) >= MOST_TEXTS:
                parsed.clear()
            parsed[key] = pickle.dumps(value)
            return value
        return pickle.loads(parsed[key])

    yamlloader.load = loaded
