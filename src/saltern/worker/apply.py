"""Applies low chunks with Salt's own state machinery, and tells what each did."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import collect, explain, image, node, prune, unit, upgrade
from .compile import plain
from .freeze import EXACT

ALWAYS = {"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true", "LC_ALL": "C.UTF-8"}


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer an ``apply`` request."""
    target = node.of(request)
    chunks = [dict(chunk) for chunk in request.get("chunks") or ()]
    wanted = request.get("collect")
    # formulas are the operator's own files, who may edit them meanwhile
    apart = [wanted["out"], *(request.get("roots") or ())] if wanted else []
    before = collect.snapshot(wanted.get("root", "/"), exclude=apart) if wanted else {}
    with _environment(), image.building(chunks) if request.get("build") else contextlib.nullcontext():
        results = _apply(target, chunks, progress=bool(request.get("progress")))
        if request.get("upgrade") and all(result["ok"] for result in results):
            results += upgrade.run(request["upgrade"])
    answer: dict[str, Any] = {"ok": all(result["ok"] for result in results), "results": results}
    if wanted:
        after = collect.snapshot(wanted.get("root", "/"), exclude=apart)
        answer |= collect.changes(before, after, wanted["out"], wanted.get("whole") or ())
    if "inspect" in request:
        answer["units"] = {name: unit.inspect(name) for name in request["inspect"] or ()}
        answer |= {name: unit.text(f"/etc/{name}") for name in ("passwd", "group")}
    return answer


def _apply(target: node.Node, chunks: Sequence[dict[str, Any]], *, progress: bool) -> list[dict[str, Any]]:
    import salt.state

    if not chunks:
        return []
    state = salt.state.State(target.options)
    declared = {_tag(chunk): chunk for chunk in chunks}
    pruned = [_ready(chunk, target, number) for number, chunk in enumerate(prune.prune(chunks))]
    _guard(state)
    if progress:
        _report(state, len(pruned))
    ordered, errors = state.order_chunks(pruned)
    if errors:
        return [
            {"id": "", "function": "", "ok": False, "changes": {}, "comment": str(error), "seconds": 0.0}
            for error in errors
        ]
    running = state.call_chunks(ordered)
    running = state.call_listen(ordered, running)
    results = [_result(tag, outcome, declared) for tag, outcome in sorted(running.items(), key=_run_number)]
    secrets = target.hidden(*chunks)
    return [_hidden(result, secrets) for result in results]


def _ready(chunk: dict[str, Any], target: node.Node, number: int) -> dict[str, Any]:
    """What Salt gets: exact contents as a file, and no diffs, which could show a secret."""
    ready = {key: value for key, value in chunk.items() if key not in ("__file__", "__line__", EXACT)}
    if chunk.get(EXACT):
        folder = os.path.join(target.options["cachedir"], "exact")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        ready["source"] = os.path.join(folder, str(number))
        with open(ready["source"], "w", encoding="utf-8", newline="") as file:
            file.write(ready.pop("contents"))
    if (ready["state"], ready["fun"]) in (("file", "managed"), ("file", "serialize"), ("file", "blockreplace")):
        ready["show_changes"] = False
    ready.setdefault("__env__", "base")
    return ready


def _tag(chunk: Mapping[str, Any]) -> str:
    return f"{chunk['state']}_|-{chunk['__id__']}_|-{chunk['name']}"


def _run_number(item: tuple[str, Mapping[str, Any]]) -> int:
    return int(item[1].get("__run_num__", 0))


def _result(tag: str, outcome: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    state, identifier, name, function = ([*tag.split("_|-"), "", "", "", ""])[:4]
    chunk = declared.get(f"{state}_|-{identifier}_|-{name}", {})
    result = {
        "id": identifier,
        "name": name,
        "function": f"{state}.{function}",
        "ok": outcome.get("result") is not False,
        "changes": _without_diffs(plain(outcome.get("changes") or {})),
        "comment": _comment(outcome.get("comment")),
        "seconds": round(float(outcome.get("duration") or 0) / 1000, 3),
    }
    if chunk.get("__file__"):
        result |= {"file": chunk["__file__"], "line": chunk.get("__line__", 0)}
    return result


def _comment(value: Any) -> str:
    text = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or "")
    if "Traceback" in text:
        return f"{text.strip().splitlines()[-1]}\n{text.strip()}"
    return text.strip()


def _without_diffs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "changed" if key == "diff" else _without_diffs(item) for key, item in value.items()}
    return value


def _hidden(value: Any, secrets: Sequence[str]) -> Any:
    """A value without the texts of secrets: a command's output, or its error, may repeat what it was given."""
    if isinstance(value, str):
        return explain.hide(value, secrets)
    if isinstance(value, dict):
        return {key: _hidden(item, secrets) for key, item in value.items()}
    return [_hidden(item, secrets) for item in value] if isinstance(value, list) else value


def _guard(state: Any) -> None:
    """Make a state that Salt cannot even call (an argument that it has no more) one that failed, with its name."""
    call = state.call

    def guarded(low: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call(low, *args, **kwargs)
        except Exception as error:
            return {"name": low["name"], "result": False, "changes": {}, "comment": str(error), "__id__": low["__id__"]}

    state.call = guarded


def _report(state: Any, total: int) -> None:
    """Say one line per chunk, when it starts, on stderr."""
    call = state.call
    started = time.monotonic()
    count = 0

    def reporting(low: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        sys.stderr.write(f"[{count}/{total}] {low['state']}.{low['fun']} {low['__id__']}\n")
        sys.stderr.flush()
        result = call(low, *args, **kwargs)
        if result.get("result") is False:
            sys.stderr.write(f"[{count}/{total}] failed after {time.monotonic() - started:.1f} s\n")
        return result

    state.call = reporting


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Commands of states ask no questions and speak English."""
    before = {key: os.environ.get(key) for key in ALWAYS}
    os.environ.update(ALWAYS)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
