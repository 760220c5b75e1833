"""Compiled nodes without a worker: low state is given, everything after it is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saltern.base.process import Runner
from saltern.formulas.lowstate import LowState
from saltern.formulas.metadata import Metadata, read_metadata
from saltern.formulas.worker import Frozen
from saltern.images.base import Base
from saltern.images.toolchain import Toolchain
from saltern.phases import Phase, split
from saltern.project.compiling import Compiled
from saltern.project.context import Options, Project, open_project
from saltern.project.workers import BaseSite

BASE = Base("debian-12", "localhost/saltern/base-debian-12:b1", "sha256:0", {})
TOOLCHAIN = Toolchain("localhost/toolchain", "t1", "t1", "localhost/saltern/base-debian-12:b1")


def chunk(function: str, id_: str, **more: Any) -> dict[str, Any]:
    state, fun = function.split(".")
    return {
        "state": state,
        "fun": fun,
        "__id__": id_,
        "name": id_,
        "__sls__": "web",
        "__file__": "web/init.sls",
        **more,
    }


@dataclass
class Nodes:
    """A model in a folder; ``compiled`` makes its nodes."""

    root: Path
    chunks: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, **nodes: str) -> Nodes:
        (self.root / "classes").mkdir(parents=True, exist_ok=True)
        (self.root / "nodes").mkdir(exist_ok=True)
        for name, text in nodes.items():
            path = self.root / "nodes" / f"{name.replace('__', '.')}.yml"
            path.write_text(text or "applications: [web]\n")
        return self

    def project(self, runner: Runner | None = None) -> Project:
        options = Options(cache=self.root.parent / "cache", state=self.root.parent / "state")
        return open_project(self.root, options, runner=runner)

    def compiled(self, project: Project) -> list[Compiled]:
        return [self._one(project, member) for member in project.members]

    def _one(self, project: Project, member: Any) -> Compiled:
        low = LowState.of(member.node.name, self.chunks.get(member.name, ()), {})
        metadata = read_metadata(member.node.name, {"web": {"container": dict(self.metadata.get(member.name, {}))}})
        found = split(low)
        build = Frozen(tuple(c.raw for c in found.of(Phase.BUILD)), {})
        empty = Frozen((), {})
        site = BaseSite(project, "debian-12", (BASE, TOOLCHAIN))
        return Compiled(member, site, low, metadata, found, build, empty, empty, "key")


__all__ = ["BASE", "TOOLCHAIN", "Metadata", "Nodes", "chunk"]
