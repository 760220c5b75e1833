"""What only our engine promises: growth, one node of many, what an edit costs, and what provenance costs.

``ours.py [--nodes 1000 5000] [--runs 5]``. Times are on the processor: the engine has one thread, so on an idle machine
they are those on the wall, and on a busy one they stay near them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from clouds import cloud
from compare import median, run

from saltern.model import Inventory, open_inventory

EDITED = {"of one role": "system/gerrit/server/single", "of all nodes": "system/linux/server/single"}


def medians(engine: str, model: Path, runs: int) -> tuple[float, float]:
    """Seconds and bytes."""
    found = [run(engine, model) for _ in range(runs)]
    return median(found, "cpu"), median(found, "bytes")


def growth(models: dict[int, Path], title: str, runs: int) -> None:
    print(f"\n{title}")
    for count, model in models.items():
        seconds, memory = medians("saltern", model, runs)
        print(
            f"{count:6} nodes {seconds:8.3f}s {1000 * seconds / count:8.3f} ms/node {memory / 2**20:7.0f} MiB",
            flush=True,
        )


def one_node(models: dict[int, Path], runs: int) -> None:
    print("\none node of so many, from opening the model")
    for count, model in models.items():
        print(f"{count:6} nodes {1000 * medians('saltern-node', model, runs)[0]:8.1f} ms", flush=True)


def provenance(model: Path, runs: int) -> None:
    """In turns, so that what disturbs the machine disturbs both."""
    pairs = [(run("saltern", model), run("saltern-bare", model)) for _ in range(runs)]
    ratios = [ours["cpu"] / bare["cpu"] - 1 for ours, bare in pairs]
    memory = [ours["bytes"] / bare["bytes"] - 1 for ours, bare in pairs]
    print(f"\nprovenance: {_percent(ratios)} of the time, {_percent(memory)} of the memory")


def edit(model: Path, runs: int) -> None:
    """A class file changes; the time is that of finding it and of all nodes' values, as before."""
    inventory = open_inventory(model)
    print(f"\nafter an edit, {render(inventory)} nodes")
    for title, name in EDITED.items():
        path = model / "classes" / f"{name}.yml"
        seconds, touched = [], 0
        for number in range(runs):
            path.write_text(path.read_text().replace("info", f"info{number}"))
            before = {node.name: node.flat for node in inventory.nodes.values()}
            begun = time.process_time()
            inventory = inventory.refreshed()
            render(inventory)
            seconds.append(time.process_time() - begun)
            touched = sum(node.flat is not before[node.name] for node in inventory.nodes.values())
        print(f"class {title:14} {statistics.median(seconds):8.3f}s  {touched} nodes made again", flush=True)


def render(inventory: Inventory) -> int:
    return sum(1 for node in inventory.nodes.values() if (node.parameters, node.exports))


def _percent(values: Sequence[float]) -> str:
    return f"{100 * statistics.median(values):.0f} % ({100 * min(values):.0f} to {100 * max(values):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plain = {count: Path(folder, f"plain{count}") for count in options.nodes}
        asking = {count: Path(folder, f"asking{count}") for count in options.nodes}
        for count in options.nodes:
            cloud(plain[count], count)
            cloud(asking[count], count, query_everywhere=True)
        growth(plain, "the whole inventory", options.runs)
        growth(asking, "the same, and each node asks for its rack's nodes", options.runs)
        one_node(plain, options.runs)
        provenance(plain[min(plain)], options.runs)
        edit(plain[min(plain)], options.runs)


main()
