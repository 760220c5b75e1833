"""SLS → low state, by Salt's own compiler, with the file and line of each chunk, and the formulas' metadata."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from . import compat, metadata, node, places, rendering, requisites, warm
from .problem import Problems

KEPT = {"__id__", "__sls__", "__env__", "__file__", "__line__"}
"""Dunder fields that leave the worker; the others are Salt's notes while it runs."""


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a ``compile`` request."""
    target = node.of(request)
    with warm.loaders():
        return compile_node(target, [str(sls) for sls in request.get("sls") or ()], list(request.get("kinds") or ()))


def compile_node(target: node.Node, sls: list[str], kinds: list[str]) -> dict[str, Any]:
    """Low state and metadata of a node that applies these SLS."""
    import salt.state

    high_state = salt.state.HighState(target.options)
    with rendering.watch(target) as watcher:
        chunks = _low(high_state, sls, watcher)
        formulas = list(
            dict.fromkeys([*(name.split(".")[0] for name in sls), *(c["__sls__"].split(".")[0] for c in chunks)])
        )
        found = metadata.render(high_state.state, target, formulas, kinds, watcher)
        watcher.fail()
    sources = places.Sources(target.roots)
    for chunk in chunks:
        chunk["__file__"], chunk["__line__"] = sources.find(chunk["__sls__"], chunk["__id__"], _function(chunk))
    compat.accounts(chunks, target.roots.files)
    problems = requisites.unknown(chunks, high_state.state)
    if problems:
        raise Problems(problems)
    return {
        "low": [_plain(chunk) for chunk in chunks],
        "metadata": found,
        "warnings": [*target.warnings, *_unknown(chunks, high_state.state)],
    }


def _low(high_state: Any, sls: list[str], watcher: rendering.Watcher) -> list[dict[str, Any]]:
    """What ``HighState.compile_low_chunks`` does, but for named SLS and with all errors kept apart."""
    state = high_state.state
    state._reconcile_watch_req = lambda _low: None
    high, errors = high_state.render_highstate({"base": sls})
    watcher.fail(errors)
    high, more = state.reconcile_extend(high)
    errors = [*more, *state.verify_high(high)]
    watcher.fail(errors)
    high, more = state.requisite_in(high)
    watcher.fail(more)
    high = state.apply_exclude(high)
    chunks, errors = state.compile_high_data(high)
    requisites.resolve_listen_in(chunks)
    watcher.fail([error for error in errors if not error.startswith("Referenced state does not exist")])
    return list(chunks)


def _function(chunk: Mapping[str, Any]) -> str:
    return f"{chunk['state']}.{chunk['fun']}"


def _unknown(chunks: list[dict[str, Any]], state: Any) -> Iterator[str]:
    """State functions, and arguments of them, that this Salt does not have.

    Only a warning, because the chunk may never be applied.
    """
    known: dict[str, bool] = {}
    for chunk in chunks:
        function, place = _function(chunk), f"{chunk['__file__']}:{chunk['__line__']}"
        if function not in known:
            known[function] = _is_known(state.states, str(chunk["state"]), function)
        if not known[function]:
            yield f"{place}: Salt has no state function {function}"
        elif function in state.states._dict:
            for argument in _unknown_arguments(chunk, state.states[function]):
                yield f"{place}: Salt's {function} has no argument {argument!r}, and will fail"


def _unknown_arguments(chunk: Mapping[str, Any], function: Any) -> list[str]:
    """What Salt would refuse when it applies the chunk."""
    import salt.state

    signature = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in signature):
        return []
    taken = {parameter.name for parameter in signature} | salt.state.STATE_INTERNAL_KEYWORDS
    return sorted(key for key in chunk if key not in taken and not key.startswith("__"))


def _is_known(loader: Any, module: str, function: str) -> bool:
    """Whether the loader has the function, or could have it where what the module needs is installed.

    Asked for a missing function, Salt's loader loads all of its 200 modules (2 s); so only the one is loaded first.
    """
    if module in loader.file_mapping and module not in loader.loaded_modules and module not in loader.missing_modules:
        loader._load_module(module)
    return module in loader.missing_modules or function in loader._dict or function in loader


def _plain(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """A chunk as JSON types, without Salt's own notes."""
    result: dict[str, Any] = plain({k: v for k, v in chunk.items() if not k.startswith("__") or k in KEPT})
    return result


def plain(value: Any) -> Any:
    """JSON types only: mappings get string keys, other things their text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
