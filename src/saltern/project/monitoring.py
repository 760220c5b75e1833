"""``saltern render --target prometheus``: what a Prometheus of the operator's watches, from what formulas tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from saltern.formulas.monitors import KIND, read_monitors
from saltern.ops.monitoring import HEADER, RULES, Watched, files
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Project
from saltern.project.outputs import write_ours
from saltern.project.telling import told
from saltern.project.workers import Bases


@dataclass(frozen=True)
class Monitored:
    """What was written: names of files below ``folder``."""

    folder: Path
    files: tuple[str, ...]
    removed: tuple[str, ...]
    """Files of an earlier time, of formulas that are gone."""


def monitor(project: Project, folder: Path, blackbox: str) -> Monitored:
    """Write Prometheus' files about all nodes with containers; ``blackbox`` is HOST:PORT of the exporter that probes.

    Nothing is built. Raises FormulaError with all problems of what formulas tell, UsageError where ``folder`` holds
    files of somebody else in the places of ours.
    """
    with Bases(project) as bases:
        watched = told(bases, compile_members(project, bases=bases), KIND, partial(_watched, project))
    texts = files(project.settings.cloud, watched, blackbox)
    there = sorted([*folder.glob("*.yml"), *folder.glob(f"{RULES}/*.yml")])
    removed = write_ours(folder, {name: (text, False) for name, text in texts.items()}, there, HEADER)
    return Monitored(folder, tuple(sorted(texts)), removed)


def _watched(project: Project, one: Compiled, raw: Mapping[str, Any]) -> Watched:
    name, replicas = one.member.name, one.member.settings.replicas
    if project.in_cluster:
        hosts = [f"{name}.{project.settings.kubernetes.namespace or project.settings.cloud}.svc"]
    else:
        hosts = [name] if replicas == 1 else [f"{name}-{number}" for number in range(1, replicas + 1)]
    return Watched(name, tuple(hosts), read_monitors(one.member.node.name, raw))
