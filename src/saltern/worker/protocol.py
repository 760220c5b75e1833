"""JSON lines: one request per line on stdin, one answer per line on stdout; everything else goes to stderr.

A request has ``op`` (see :data:`OPERATIONS`), any ``id`` that the answer repeats, and the context of a node (see
:mod:`.node`). An answer has ``ok``; when it is false because nothing could be done, ``errors`` says why.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import IO, Any

from . import beside, install
from .problem import Problems

OPERATIONS = {"compile": "compile", "freeze": "freeze", "apply": "apply"}
"""Operation → module; the module has a function ``run(request)`` that returns the answer's fields."""


def main(argv: Sequence[str]) -> int:
    """Serve requests until stdin ends, or apply one request of a file."""
    if len(argv) > 3 and argv[0] == "beside":
        beside.forward(argv[1], map(int, argv[2].split(",")))
        argv = argv[3:]
    answers = _claim_stdout()
    if list(argv) == ["serve"]:
        return serve(sys.stdin, answers)
    if len(argv) == 2 and argv[0] == "apply":
        with open(argv[1], encoding="utf-8") as file:
            request = json.load(file)
        answer = perform({**request, "op": "apply", "progress": True})
        _write(answers, answer)
        return 0 if answer["ok"] else 1
    if len(argv) == 2 and argv[0] == "install":
        install.install(argv[1])
        return 0
    sys.stderr.write("usage: worker serve | worker [beside HOST PORT,…] apply REQUEST.json | worker install FOLDER\n")
    return 2


def serve(requests: IO[str], answers: IO[str]) -> int:
    """Answer each line until the end of input."""
    from . import node

    node.prepare()  # the first request should not pay for Salt's imports: they run while the caller works
    for line in requests:
        if line.strip():
            _write(answers, _answer(line))
    return 0


def _answer(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        return {"id": None, "ok": False, "errors": [{"brief": "not a JSON line", "details": str(error)}]}
    return perform(request)


def perform(request: dict[str, Any]) -> dict[str, Any]:
    """Do what the request asks; never raises."""
    answer: dict[str, Any] = {"id": request.get("id")}
    name = str(request.get("op"))
    if name not in OPERATIONS:
        return {**answer, "ok": False, "errors": [{"brief": f"no operation {name!r}", "details": ""}]}
    try:
        run: Callable[[dict[str, Any]], dict[str, Any]] = importlib.import_module(
            f".{OPERATIONS[name]}", __package__
        ).run
        return {**answer, "ok": True, **run(request)}
    except Problems as problems:
        return {**answer, "ok": False, "errors": problems.as_json()}
    except Exception as error:
        brief = f"{type(error).__name__}: {error}"
        return {**answer, "ok": False, "errors": [{"brief": brief, "details": traceback.format_exc()}]}


def _write(stream: IO[str], answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer, default=str) + "\n")
    stream.flush()


def _claim_stdout() -> IO[str]:
    """Keep the real stdout for answers; prints of formulas and output of their commands go to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    os.set_inheritable(answers.fileno(), False)  # noqa: FBT003
    return answers
