"""Which node needs which; what is mounted; which files make a job another one."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import ConfigError, ModelError
from saltern.formulas.lowstate import LowState
from saltern.formulas.worker import ApplyResult, ChangedFile
from saltern.phases import Phase, split
from saltern.project.configuring import mount_points
from saltern.project.jobs import triggers
from saltern.project.lending import unlent
from saltern.project.rendering import needs_of
from saltern.project.replicas import misnamed, unshared
from tests.unit.project.compiled import Nodes, chunk


def needs(nodes: Nodes, **hosts: list[str]) -> dict[str, tuple[str, ...]]:
    nodes.write(**dict.fromkeys(hosts, ""))
    nodes.metadata = {
        name.partition("__")[0]: {"connects": [{"host": host} for host in wanted]} for name, wanted in hosts.items()
    }
    return needs_of(nodes.compiled(nodes.project()))


def test_hosts_are_nodes_by_short_and_full_name(nodes: Nodes) -> None:
    found = needs(nodes, web=["db.example.com", "db", "mq", "elsewhere.example.com", "web"], db__example__com=[], mq=[])
    assert found == {"db": (), "mq": (), "web": ("db", "mq")}


@pytest.mark.parametrize(
    ("hosts", "loop"),
    [
        ({"a": ["b"], "b": ["a"]}, "a → b → a"),
        ({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}, "b → c → b"),
        ({"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"], "z": ["a"]}, "b → c → d → b"),
    ],
)
def test_a_loop_is_an_error_that_shows_it(nodes: Nodes, hosts: dict[str, list[str]], loop: str) -> None:
    with pytest.raises(ModelError) as caught:
        needs(nodes, **hosts)
    (problem,) = caught.value.problems
    assert problem.brief.endswith(f": {loop}")
    assert "connects" in problem.details


def test_what_is_only_reached_is_not_waited_for(nodes: Nodes) -> None:
    nodes.write(a="", b="", c="")
    nodes.metadata = {
        "a": {"connects": [{"host": "c"}], "reaches": [{"host": "b"}]},
        "b": {"reaches": [{"host": "a", "port": 80}]},
        "c": {"reaches": [{"host": "a"}]},
    }
    assert needs_of(nodes.compiled(nodes.project())) == {"a": ("c",), "b": (), "c": ()}


def test_no_loop(nodes: Nodes) -> None:
    assert needs(nodes, a=["b", "c"], b=["d"], c=["d"], d=["d"])["a"] == ("b", "c")


def test_a_balancer_stands_for_what_is_behind_its_port(nodes: Nodes) -> None:
    nodes.write(lb="", web="applications: [web]\nparameters: {saltern: {replicas: 2}}", db="", app="", other="")
    commands = {name: ["x", "{member}"] for name in ("drain", "idle", "enable", "ready")}
    balancer = {"members": {"web-1": ["in/1"]}, "listens": {"80": ["web-1", "web-2", "gone"], "81": ["db"]}, **commands}
    nodes.metadata = {
        "lb": {"balancer": balancer},
        "app": {"connects": [{"host": "lb", "port": 80}]},
        "other": {"connects": [{"host": "lb", "port": 82}]},
        "web": {"connects": [{"host": "lb", "port": 80}, {"host": "db"}]},
    }
    found = needs_of(nodes.compiled(nodes.project()))
    assert found == {"app": ("lb", "web"), "db": (), "lb": (), "other": ("lb",), "web": ("db", "lb")}


# ---- volumes of other nodes


@pytest.mark.parametrize(
    ("lent", "wrong"),
    [
        ({"name": "nfs", "path": "/a", "shared": True}, []),
        ({"name": "nfs", "path": "/a"}, ["b cannot borrow the volume 'nfs' of a"]),
        ({"name": "other", "path": "/a", "shared": True}, ["b cannot borrow the volume 'nfs' of a"]),
        ({"name": "nfs", "path": "/a", "kind": "runtime"}, ["b cannot borrow the volume 'nfs' of a"]),
    ],
)
def test_a_borrowed_volume_is_another_nodes_that_shares_it(nodes: Nodes, lent: Any, wrong: list[str]) -> None:
    nodes.write(a="", b="")
    borrowed = {"name": "nfs", "path": "/b", "kind": "borrowed", "of": "a"}
    nodes.metadata = {"a": {"volumes": [lent]}, "b": {"volumes": [borrowed]}}
    compiled = nodes.compiled(nodes.project())
    assert [problem.brief for problem in unlent(compiled)] == wrong
    assert needs_of(compiled) == {"a": (), "b": ("a",)}


# ---- replicas


@pytest.mark.parametrize(
    ("replicas", "volume", "targets", "wrong"),
    [
        (2, {"name": "d", "path": "/d"}, ["compose", "kubernetes"], "a can have no replicas: each would need /d"),
        (2, {"name": "d", "path": "/d", "shared": True}, ["compose"], ""),
        (2, {"name": "d", "path": "/d", "kind": "runtime"}, ["compose"], ""),
        (1, {"name": "d", "path": "/d"}, ["compose"], ""),
        (3, {"name": "d", "path": "/d", "each": True}, ["kubernetes"], ""),
        (3, {"name": "d", "path": "/d", "each": True}, ["compose"], "a is a cluster of replicas with /d for each"),
        (1, {"name": "d", "path": "/d", "each": True}, ["compose"], ""),
    ],
)
def test_replicas_need_shared_data_or_some_for_each(
    nodes: Nodes, replicas: int, volume: dict[str, Any], targets: list[str], wrong: str
) -> None:
    nodes.write(a=f"applications: [web]\nparameters:\n  saltern:\n    replicas: {replicas}\n")
    nodes.metadata = {"a": {"volumes": [volume]}}
    (one,) = nodes.compiled(nodes.project())
    found = list(unshared(one, one.metadata.volumes, targets))
    assert bool(found) is bool(wrong)
    for problem in found:
        assert problem.brief.startswith(wrong)
        assert [str(place) for place in problem.places] == ["nodes/a.yml:4:15"]
        assert ("target: kubernetes" if "each" in volume else "shared: true") in problem.resolution


@pytest.mark.parametrize(
    ("replicas", "members", "targets", "good"),
    [
        (3, ["a-0.a-pods", "a-1.a-pods", "a-2.a-pods"], ["kubernetes"], True),
        (3, ["a-1.a-pods", "a-0.a-pods", "a-2.a-pods"], ["kubernetes"], False),
        (3, ["a-0.a-pods", "a-1.a-pods"], ["kubernetes"], False),
        # fewer for a while
        (2, ["a-0.a-pods", "a-1.a-pods", "a-2.a-pods"], ["kubernetes"], True),
        (2, ["a-1", "a-2"], ["kubernetes"], False),
        (2, [], ["kubernetes"], True),
        # each member is a node of its own
        (1, ["b", "a", "c"], ["kubernetes"], True),
        (3, ["b", "a", "c"], ["compose"], True),
    ],
)
def test_members_of_a_cluster_are_the_pods_in_their_order(
    nodes: Nodes, replicas: int, members: list[str], targets: list[str], good: bool
) -> None:
    nodes.write(a=f"applications: [web]\nparameters:\n  saltern:\n    replicas: {replicas}\n")
    nodes.metadata = {"a": {"members": members}}
    (one,) = nodes.compiled(nodes.project())
    found = list(misnamed(one, targets))
    assert bool(found) is not good
    for problem in found:
        assert [str(place) for place in problem.places] == ["nodes/a.yml:4:15"]
        assert "a-0, a-1" in (problem.details or "")
        assert "name the members a-0.a-pods, a-1.a-pods" in (problem.resolution or "")


# ---- mounts


def result(*paths: str, removed: tuple[str, ...] = (), folders: tuple[str, ...] = ()) -> ApplyResult:
    kinds = {"/": "directory", "@": "symlink"}
    files = tuple(ChangedFile(p.rstrip("/@"), kinds.get(p[-1], "file"), "0644", 0, 0) for p in paths)
    return ApplyResult(ok=True, results=(), files=files, removed=removed, folders=folders)


@pytest.mark.parametrize(
    ("given", "mounted"),
    [
        (result("/etc/b", "/etc/a"), ["/etc/a", "/etc/b"]),
        (result("/etc/web/a", "/etc/web/sub/b", folders=("/etc/web",)), ["/etc/web"]),
        (result("/etc/web/", "/etc/web/link@", removed=("/etc/web/old",), folders=("/etc/web",)), ["/etc/web"]),
        (result("/etc/webs/a", folders=("/etc/web",)), ["/etc/web", "/etc/webs/a"]),
        (result(), []),
    ],
)
def test_mount_points(given: ApplyResult, mounted: list[str]) -> None:
    assert mount_points(given) == mounted


def test_links_and_removals_that_no_mount_can_show(nodes: Nodes) -> None:
    with pytest.raises(ConfigError) as caught:
        mount_points(result("/etc/web/link@", "/etc/a", removed=("/etc/old",)))
    assert [p.brief.split()[0] for p in caught.value.problems] == ["/etc/web/link", "/etc/old"]
    assert "phase build" in caught.value.problems[0].resolution


# ---- triggers


def trigger(job: dict[str, Any], files: dict[str, str]) -> dict[str, str]:
    raw = [
        chunk("file.managed", "conf", name="/etc/web.conf"),
        chunk("file.managed", "other", name="/etc/other.conf"),
        chunk("service.running", "web"),
        chunk("cmd.run", "sync", **job),
    ]
    found = split(LowState.of("n", raw, {}))
    return triggers(found, found.of(Phase.BOOTSTRAP), files)


FILES = {"/etc/web.conf": "a1", "/etc/other.conf": "b2"}


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"watch": [{"file": "conf"}]}, {"/etc/web.conf": "a1"}),
        ({"onchanges": [{"file": "/etc/web.conf"}]}, {"/etc/web.conf": "a1"}),
        ({"onchanges_any": [{"file": "conf"}, {"file": "other"}]}, FILES),
        ({"watch": [{"sls": "web"}]}, FILES),
        ({"require": [{"file": "conf"}]}, {}),
        ({}, {}),
    ],
)
def test_triggers(job: dict[str, Any], expected: dict[str, str]) -> None:
    assert trigger({**job, "require": [*job.get("require", ()), {"service": "web"}]}, FILES) == expected


def test_a_file_that_was_not_rendered_triggers_nothing() -> None:
    assert trigger({"watch": [{"file": "conf"}], "require": [{"service": "web"}]}, {}) == {}
