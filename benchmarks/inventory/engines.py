"""One engine over one model in a process of its own: ``engines.py ENGINE MODEL [RESULT.json]`` prints figures as JSON.

The time is that of the work alone: from opening the model to the whole inventory as Python dictionaries, without the
start of Python and the imports. The memory is the greatest resident set less what was there after the imports.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Run = Callable[[], dict[str, Any]]
FIELDS = ("classes", "applications", "environment", "parameters", "exports")


def saltern(model: Path) -> Run:
    from saltern.model import open_inventory  # noqa: PLC0415

    def run() -> dict[str, Any]:
        found = {}
        for node in open_inventory(model).nodes.values():
            found[node.name] = {field: getattr(node, field) for field in FIELDS[1:]}
            found[node.name]["classes"] = list(node.flat.classes_as_written)
        return found

    return run


def saltern_bare(model: Path) -> Run:
    """Without provenance: no marks in files, terms and merged dictionaries, no record of who asked for a class."""
    from saltern.base import yamlmarks  # noqa: PLC0415
    from saltern.model import entity, flatten, merge, terms  # noqa: PLC0415

    nowhere = terms.Mark(terms.Source("", ""), 0, 0)

    class Builder(yamlmarks._Builder):
        def build(self, node: Any) -> yamlmarks.Marked:
            if node.tag == yamlmarks._STR and isinstance(node.value, str):
                return yamlmarks.MarkedScalar(node.value, 0, 0)
            if node.tag == yamlmarks._MAP and not any(key.tag == yamlmarks._MERGE for key, _ in node.value):
                pairs = {self._key(key): self.build(value) for key, value in node.value}
                entries = [yamlmarks.MarkedEntry(key, 0, 0, value) for key, value in pairs.items()]
                return yamlmarks.MarkedDict(tuple(entries), 0, 0)
            return super().build(node)

    replaced: list[tuple[Any, str, Any]] = [
        (yamlmarks, "_Builder", Builder),
        (entity._Compiler, "_mark", lambda _self, _node: nowhere),
        (merge, "_chained", lambda _below, above: above),
        (flatten, "Membership", lambda *_: None),
    ]
    for owner, name, value in replaced:
        if not hasattr(owner, name):
            sys.exit(f"{owner} has no {name} any more: this benchmark has to follow")
        setattr(owner, name, value)
    return saltern(model)


def saltern_node(model: Path) -> Run:
    """One node, in the middle of the names."""
    from saltern.model import open_inventory  # noqa: PLC0415

    names = sorted(path.stem for path in (model / "nodes").iterdir())

    def run() -> dict[str, Any]:
        node = open_inventory(model).node(names[len(names) // 2])
        return {node.name: {field: getattr(node, field) for field in FIELDS}}

    return run


def kapicorp(model: Path) -> Run:
    import collections  # noqa: PLC0415
    import collections.abc  # noqa: PLC0415

    for name in ("Iterable", "Mapping", "MutableMapping", "Sequence"):  # it was written for Python before 3.10
        setattr(collections, name, getattr(collections.abc, name))
    from reclass import get_storage  # noqa: PLC0415
    from reclass.core import Core  # noqa: PLC0415
    from reclass.settings import Settings  # noqa: PLC0415

    def run() -> dict[str, Any]:
        storage = get_storage("yaml_fs", str(model / "nodes"), str(model / "classes"), False)  # noqa: FBT003
        nodes: dict[str, Any] = Core(storage, None, Settings({})).inventory()["nodes"]
        return nodes

    return run


def reclass_rs(model: Path) -> Run:
    """As its users call it: one thread per core."""
    from reclass_rs import Config, Reclass  # noqa: PLC0415

    def run() -> dict[str, Any]:
        config = Config.from_dict(str(model), {"nodes_uri": "nodes", "classes_uri": "classes"})
        nodes: dict[str, Any] = Reclass.from_config(config).inventory().as_dict()["nodes"]
        return nodes

    return run


def reclass_rs_1(model: Path) -> Run:
    from reclass_rs import Reclass  # noqa: PLC0415

    Reclass.set_thread_count(1)
    return reclass_rs(model)


ENGINES = {
    "saltern": saltern,
    "saltern-bare": saltern_bare,
    "saltern-node": saltern_node,
    "kapicorp": kapicorp,
    "reclass-rs": reclass_rs,
    "reclass-rs-1": reclass_rs_1,
}


def leaves(value: Any) -> int:
    """Values that are neither dictionary nor list; an empty one counts as one."""
    if isinstance(value, Mapping):
        return sum(map(leaves, value.values())) or 1
    return (sum(map(leaves, value)) or 1) if isinstance(value, list) else 1


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()


def main(engine: str, model: str, result: str = "") -> None:
    run = ENGINES[engine](Path(model))
    gc.collect()
    before = resident()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    nodes = run()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    memory = peak() - before
    found = {"seconds": seconds, "cpu": cpu, "bytes": memory, "nodes": len(nodes)}
    if result:
        found["leaves"] = sum(leaves(node["parameters"]) + leaves(node["exports"]) for node in nodes.values())
        with Path(result).open("w") as out:
            for name in sorted(nodes):
                out.write(json.dumps([name, {field: nodes[name][field] for field in FIELDS}], default=str) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
