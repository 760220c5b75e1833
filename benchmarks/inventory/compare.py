"""All engines on the same models in one run: results are compared first, then times and memory.

``compare.py [--nodes 100 1000] [--runs 5] [--slow-runs 1] [--model FOLDER]``; the slow engines need minutes for 1,000
nodes. Every run is a process of its own. What reclass-rs leaves out or names differently than the reference
(kapicorp-reclass) is taken out before the comparison and said; any other difference ends the benchmark. Times are on
the wall and on the processors (cpu); what else runs on the machine disturbs the latter less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clouds import cloud, deep

HERE = Path(__file__).parent
REFERENCE = "kapicorp"
SLOW = (REFERENCE, "reclass-rs", "reclass-rs-1")
Nodes = dict[str, dict[str, Any]]


def run(engine: str, model: Path, result: Path | None = None) -> dict[str, float]:
    """The figures of one run; an engine that fails ends the benchmark."""
    words = [sys.executable, str(HERE / "engines.py"), engine, str(model), *([str(result)] if result else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{engine} on {model}\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def median(figures: list[dict[str, float]], kind: str) -> float:
    return statistics.median(one[kind] for one in figures)


def read(result: Path) -> Nodes:
    with result.open() as lines:
        return dict(json.loads(line) for line in lines)


def differences(ours: Any, theirs: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), (*path, key))
    elif ours != theirs:
        yield path, ours, theirs


def judge(ours: Nodes, theirs: Nodes, engine: str) -> str:
    """What the comparison says; a difference that nothing explains ends the benchmark."""
    literal = exports = 0
    for path, own, other in differences(ours, theirs):
        if engine != REFERENCE and path[1] == "exports":
            exports += 1
        elif engine != REFERENCE and isinstance(other, str) and "$[" in other:
            literal += 1
        elif engine == REFERENCE or path[1:3] != ("parameters", "_reclass_"):  # names of nodes with dots
            sys.exit(f"{engine} differs at {':'.join(path)}:\n  {str(own)[:300]}\n  {str(other)[:300]}")
    if not literal and not exports:
        return "equal"
    return f"equal but for {literal} queries left as text and {exports} exports that it does not give"


def measure(title: str, model: Path, runs: int, slow_runs: int, scratch: Path) -> None:
    print(f"\n{title}", flush=True)
    found: dict[str, list[dict[str, float]]] = {}
    results: dict[str, Nodes] = {}
    said: dict[str, str] = {}
    for engine in ("saltern", *(SLOW if slow_runs else ())):
        result = scratch / f"{engine}.json"
        found[engine] = [run(engine, model, result)]
        results[engine] = read(result)
        if engine != "saltern":
            said[engine] = judge(results["saltern"], results.pop(engine), engine)
        times = runs if engine == "saltern" else slow_runs
        found[engine] += [run(engine, model) for _ in range(times - 1)]
    leaves = found["saltern"][0]["leaves"]
    print(f"{leaves / found['saltern'][0]['nodes']:.0f} leaves per node")
    columns = ("median", "least", "greatest", "ratio", "cpu", "ratio", "MiB", "B/leaf")
    print(f"{'':14} " + " ".join(f"{name:>9}" for name in columns) + "  result")
    base = {kind: median(found["saltern"], kind) for kind in ("seconds", "cpu")}
    for engine, figures in found.items():
        wall, cpu, memory = (median(figures, kind) for kind in ("seconds", "cpu", "bytes"))
        times_ = [one["seconds"] for one in figures]
        row = f"{engine:14} {wall:8.3f}s {min(times_):8.3f}s {max(times_):8.3f}s {wall / base['seconds']:8.1f}x"
        row += f" {cpu:8.3f}s {cpu / base['cpu']:8.1f}x {memory / 2**20:9.0f} {memory / leaves:9.0f}"
        print(f"{row}  {said.get(engine, '')}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow-runs", type=int, default=1, help="of the other engines; 0 leaves them out")
    parser.add_argument("--model", type=Path, nargs="*", default=[], help="folders with nodes/ and classes/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for count in options.nodes:
            cloud(scratch / f"cloud{count}", count)
            measure(f"cloud of {count} nodes", scratch / f"cloud{count}", options.runs, options.slow_runs, scratch)
        deep(scratch / "deep")
        measure("few nodes, deep chains", scratch / "deep", options.runs, options.slow_runs, scratch)
        for model in options.model:
            measure(str(model), model, options.runs, options.slow_runs, scratch)


if __name__ == "__main__":
    main()
