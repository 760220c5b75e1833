"""Opening a model, its members, its lock."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from saltern.base.errors import LockedError, ModelError, Problem, UsageError
from saltern.project.context import Options, open_project
from tests.unit.project.compiled import Nodes


def clashes(nodes: Nodes) -> list[Problem]:
    with pytest.raises(ModelError) as caught:
        _ = nodes.project().members
    return list(caught.value.problems)


def test_members(nodes: Nodes) -> None:
    nodes.write(
        b__example__com="applications: [web.server, Db]\n",
        a="applications: [x]\nparameters: {saltern: {image: mine}}\n",
        c="parameters: {saltern: {target: none}}\n",
    )
    found = nodes.project().members
    assert [(m.name, m.node.name, m.image_name) for m in found] == [
        ("a", "a", "mine"),
        ("b", "b.example.com", "web-server-db"),
    ]
    project = nodes.project()
    assert project.member("b").node.name == project.member("b.example.com").node.name == "b.example.com"


def test_the_pillar_is_as_reclass_gives_it(nodes: Nodes) -> None:
    (member,) = nodes.write(a="applications: [x]\nparameters: {k: 1}\n").project().members
    assert member.pillar["k"] == 1
    assert member.pillar["__reclass__"] == {
        "nodename": "a",
        "applications": ["x"],
        "classes": [],
        "environment": member.node.environment,
    }


def test_clashes(nodes: Nodes) -> None:
    nodes.write(a__x="", a__y="", idle="parameters: {}\n", none="parameters: {saltern: {target: none}}\n")
    assert sorted(p.brief for p in clashes(nodes)) == [
        "node idle applies nothing",
        "nodes a.x and a.y have the same host name 'a'",
    ]
    assert all(p.resolution for p in clashes(nodes))


def test_a_replica_clashes_with_a_node_of_its_name(nodes: Nodes) -> None:
    nodes.write(
        web="applications: [x]\nparameters:\n  saltern:\n    replicas: 2\n", web_1="", **{"web-2": "", "web-3": ""}
    )
    (problem,) = clashes(nodes)
    assert problem.brief == "node web-2 has the host name of a replica of web"
    assert [str(place) for place in problem.places] == ["nodes/web.yml:4:15"]


def test_what_is_wrong_with_replicas_says_where(nodes: Nodes) -> None:
    saltern = "replicas: 2\n    publish: [{port: 1, address: '127.0.0.1:1'}]\n"
    nodes.write(a=f"applications: [x]\nparameters:\n  saltern:\n    {saltern}")
    (problem,) = clashes(nodes)
    assert [place.line for place in problem.places] == [5, 4]


def test_two_nodes_at_one_address_of_the_machine(nodes: Nodes) -> None:
    def node(*addresses: str) -> str:
        publish = "".join(f"    - {{port: 1, address: '{address}'}}\n" for address in addresses)
        return f"applications: [x]\nparameters:\n  saltern:\n    publish:\n{publish}"

    nodes.write(
        a=node("127.0.0.1:80", "127.0.0.1:81"), b=node("127.0.0.2:80"), c=node("0.0.0.0:81"), d=node("1.2.3.4:82")
    )
    (problem,) = clashes(nodes)
    assert problem.brief == "a and c are both published at port 81 of 0.0.0.0"
    assert [str(place) for place in problem.places] == ["nodes/a.yml:6:26", "nodes/c.yml:5:26"]


def test_a_problem_of_a_node_says_where_it_was_set(nodes: Nodes) -> None:
    nodes.write(a="applications: [x]\nparameters:\n  saltern:\n    memory: lots\n")
    (problem,) = clashes(nodes)
    assert problem.node == "a"
    assert [str(place) for place in problem.places] == ["nodes/a.yml:4:13"]


def test_an_unknown_key_is_shown_at_the_whole(nodes: Nodes) -> None:
    nodes.write(a="applications: [x]\nparameters:\n  saltern:\n    memroy: 1g\n")
    (problem,) = clashes(nodes)
    assert [place.line for place in problem.places] == [3]
    assert "memory" in problem.resolution


def test_folders_that_are_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (None, tmp_path):
        with pytest.raises(UsageError):
            open_project(folder, Options())
    (tmp_path / "nodes").mkdir()
    with pytest.raises(UsageError) as caught:
        open_project(tmp_path, Options())
    assert caught.value.problems[0].brief == f"{tmp_path} is no model: it has no classes/"


def test_only_one_saltern_works_on_a_cloud(nodes: Nodes) -> None:
    project = nodes.write(a="").project()
    with project.locked(), pytest.raises(LockedError) as caught, nodes.project().locked():
        pass
    assert "process" in caught.value.problems[0].brief
    with nodes.project().locked():
        assert (project.state.stat().st_mode & 0o777) == 0o700


def test_a_killed_saltern_leaves_no_lock(nodes: Nodes) -> None:
    project = nodes.write(a="").project()
    project.state.mkdir(parents=True)
    script = "import fcntl, os, sys; f = open(sys.argv[1], 'a+'); fcntl.flock(f, 2); os.kill(os.getpid(), 9)"
    subprocess.run((sys.executable, "-c", script, str(project.state / "lock")), check=False)
    with project.locked():
        pass


def test_who_only_asks_whether_it_is_locked_keeps_nobody_out(nodes: Nodes) -> None:
    project = nodes.write(a="").project()
    with project.locked():
        pass
    with (project.state / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        timer = threading.Timer(0.05, lambda: fcntl.flock(asking, fcntl.LOCK_UN))
        timer.start()
        with project.locked():
            assert project.is_locked()
        timer.join()
