"""What reclass gives its users, as values: what its command prints, and Salt's pillar and top data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from saltern.model import Node
from saltern.model.inventory import refuse_problems
from saltern.model.secret_references import fill, uses_of
from saltern.project.context import Project
from saltern.project.secrets import stores
from saltern.secrets.resolve import resolve


def nodeinfo(project: Project, name: str, timestamp: str = "") -> dict[str, Any]:
    """One node; other nodes are rendered only when it asks for them in a query. Raises ModelError."""
    return _described(_node(project, name), timestamp)


def inventory(project: Project, timestamp: str = "") -> dict[str, Any]:
    """All nodes by name, and the names of the nodes by class and by application. Raises ModelError."""
    nodes = tuple(project.inventory.nodes.values())
    return {
        "__reclass__": _when(timestamp),
        "nodes": {node.name: _described(node, timestamp) for node in nodes},
        "classes": _members(nodes, lambda node: node.flat.classes_as_written),
        "applications": _members(nodes, lambda node: node.applications),
    }


def pillar(project: Project, name: str) -> dict[str, Any]:
    """The pillar of one node, as reclass's own ext_pillar makes it. Raises ModelError and SecretError.

    Secrets have their values in it: it goes to a minion.
    """
    node = _node(project, name)
    about = {
        "nodename": name,
        "applications": list(node.applications),
        "classes": list(node.flat.classes_as_written),
        "environment": node.environment,
    }
    uses = tuple(uses_of(node))
    values = resolve(uses, stores(project)) if uses else {}
    return {**fill(node.native_parameters, values.__getitem__), "__reclass__": about}


def top(project: Project, name: str) -> dict[str, list[str]]:
    """What one node applies, by its environment, as reclass's own master_tops makes it. Raises ModelError."""
    node = _node(project, name)
    return {node.environment: list(node.applications)}


def tops(project: Project) -> dict[str, dict[str, list[str]]]:
    """What every node applies, by environment and node. Raises ModelError."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in project.inventory.nodes.values():
        found.setdefault(node.environment, {})[node.name] = list(node.applications)
    return found


def salt_modules() -> Path:
    """The folder that Salt's ``pillar_dirs`` and ``top_dirs`` shall name."""
    return Path(str(resources.files("saltern.salt")))


def _node(project: Project, name: str) -> Node:
    """One node without problems."""
    refuse_problems(project.opened, (name,), strict=project.options.strict)
    return project.opened.node(name)


def _described(node: Node, timestamp: str) -> dict[str, Any]:
    about = {"node": node.name, "name": node.name, "uri": node.uri, "environment": node.environment}
    return {
        "__reclass__": {**about, **_when(timestamp)},
        "classes": list(node.flat.classes_as_written),
        "applications": list(node.applications),
        "parameters": node.native_parameters,
        "exports": node.native_exports,
        "environment": node.environment,
    }


def _when(timestamp: str) -> dict[str, str]:
    return {"timestamp": timestamp} if timestamp else {}


def _members(nodes: Iterable[Node], names: Callable[[Node], Iterable[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        for name in names(node):
            found.setdefault(name, []).append(node.name)
    return found
