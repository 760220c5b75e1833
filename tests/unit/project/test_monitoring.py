"""Under which names a node, and each of its replicas, is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from saltern.formulas.metadata import Metadata
from saltern.project.context import Options, Project, open_project
from saltern.project.monitoring import hosts_of
from tests.trees import write_tree

MEMBERS = ("web-0.web-pods", "web-1.web-pods")


def opened(tmp_path: Path, target: str, replicas: int, own: str | None = None) -> Project:
    saltern = {"replicas": replicas} | ({"target": own} if own else {})
    write_tree(
        tmp_path,
        {
            "saltern.yml": yaml.safe_dump({"cloud": "lab", "target": target}),
            "nodes/web.example.yml": yaml.safe_dump({"applications": ["web"], "parameters": {"saltern": saltern}}),
            "classes/a.yml": "{}\n",
        },
    )
    options = Options(targets=("compose", "kubernetes"), cache=tmp_path / "cache", state=tmp_path / "state")
    return open_project(tmp_path, options)


@pytest.mark.parametrize(
    ("target", "replicas", "named", "members", "expected"),
    [
        ("compose", 1, set(), (), ["web"]),
        ("compose", 2, set(), (), ["web-1", "web-2"]),
        ("compose", 1, set(), ("web", "web2"), ["web"]),
        ("kubernetes", 1, set(), (), ["web.lab.svc"]),
        ("kubernetes", 1, set(), ("web", "web2"), ["web.lab.svc"]),
        ("kubernetes", 2, {"web", "db"}, (), ["web.lab.svc"]),
        ("kubernetes", 2, {"web-2"}, (), ["web-1.lab.svc", "web-2.lab.svc"]),
        ("kubernetes", 2, set(), MEMBERS, ["web-0.web-pods.lab.svc", "web-1.web-pods.lab.svc"]),
    ],
)
def test_hosts(
    tmp_path: Path, target: str, replicas: int, named: set[str], members: tuple[str, ...], expected: list[str]
) -> None:
    project = opened(tmp_path, target, replicas)
    assert [*hosts_of(project, project.member("web"), Metadata(members=members), named)] == expected


def test_a_node_that_is_for_kubernetes_alone(tmp_path: Path) -> None:
    project = opened(tmp_path, "compose", 1, "kubernetes")
    assert hosts_of(project, project.member("web"), Metadata(), set()) == ("web.lab.svc",)
