"""``saltern monitoring``: what an operator's own Prometheus takes, from the model and what formulas say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.formulas.metadata import Metadata, hosts_named
from saltern.formulas.monitoring import KIND, read_monitored
from saltern.ops.monitoring import HEADER, MAIN, RULES, Monitoring, Watched, monitoring
from saltern.project.compiling import Compiled, compile_members
from saltern.project.context import Member, Project
from saltern.project.outputs import write_ours
from saltern.project.telling import told
from saltern.project.workers import Bases


@dataclass(frozen=True)
class Written:
    """What was written below ``folder``."""

    folder: Path
    made: Monitoring
    removed: tuple[str, ...]
    """Files of an earlier time that are made no more."""


def watch(project: Project, folder: Path, blackbox: str = "") -> Written:
    """Write ``prometheus.yml`` and the rules. Nothing is built or started, and no file has a secret in it.

    ``blackbox``: HOST:PORT of a blackbox exporter, "" where there is none. Raises UsageError where ``folder`` holds
    files of somebody else in the places of ours, FormulaError where formulas say what cannot be.
    """
    with Bases(project) as bases:
        compiled = compile_members(project, bases=bases)
        named: set[str] = set()
        for one in compiled:
            named |= hosts_named((*one.metadata.connects, *one.metadata.reaches), one.metadata.balancer)

        def watched(one: Compiled, raw: Mapping[str, Any]) -> Watched:
            hosts = hosts_of(project, one.member, one.metadata, named)
            return Watched(one.member.name, hosts, read_monitored(one.member.node.name, raw))

        nodes = told(bases, compiled, KIND, watched)
    made = monitoring(project.cloud, nodes, blackbox)
    rules = folder / RULES
    there = [*sorted(folder.glob(MAIN)), *sorted(rules.glob("*.yml"))]
    removed = write_ours(folder, {name: (text, False) for name, text in made.files.items()}, there, HEADER)
    if rules.is_dir() and not any(rules.iterdir()):
        rules.rmdir()
    return Written(folder, made, removed)


def hosts_of(project: Project, member: Member, metadata: Metadata, named: set[str]) -> tuple[str, ...]:
    """The names at which a node, or each of its replicas, answers inside of the cloud's network.

    On Kubernetes a replica has one where it is the member of a cluster, or where somebody ``named`` it; the others are
    behind the node's own Service.
    """
    count = member.settings.replicas
    numbered = tuple(f"{member.name}-{number}" for number in range(1, count + 1)) if count > 1 else (member.name,)
    if not (project.in_cluster or member.settings.target == "kubernetes"):
        return numbered
    found = numbered if named & {*numbered} else (member.name,)
    if count > 1 and metadata.members:
        found = metadata.members[:count]
    return tuple(f"{host}.{project.namespace}.svc" for host in found)
