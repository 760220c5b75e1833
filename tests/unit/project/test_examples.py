"""The examples as models: what one value decides in ``ha``, who is in a cluster in ``kubernetes-ha``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from saltern.project.context import Options, Project, open_project

EXAMPLES = Path(__file__).parents[3] / "examples"
INIT = "classes/cluster/ha/init.yml"
REPLICATED = {"keystone", "glance", "placement", "nova-conductor", "nova", "neutron", "cinder", "heat", "horizon"}
CONTROL = {*REPLICATED, "cinder-volume"}
"""Nodes that go with the release of the control plane."""


def opened(model: Path, tmp_path: Path) -> Project:
    return open_project(model, Options(cache=tmp_path / "cache", state=tmp_path / "state"))


def changed(tmp_path: Path, old: str, new: str) -> Project:
    """``examples/ha`` with one line of its ``init.yml`` changed."""
    model = shutil.copytree(EXAMPLES / "ha", tmp_path / "model")
    text = (model / INIT).read_text()
    assert text.count(old) == 1
    (model / INIT).write_text(text.replace(old, new))
    return opened(model, tmp_path)


def bases(project: Project) -> dict[str, str]:
    return {member.name: member.settings.base for member in project.members}


@pytest.mark.parametrize("release", ["'2025.1'", "2025.1"])
def test_one_value_is_the_release(tmp_path: Path, release: str) -> None:
    before = bases(opened(EXAMPLES / "ha", tmp_path))
    assert set(before.values()) == {"debian-12"}
    project = changed(tmp_path, "openstack_version: zed", f"openstack_version: {release}")
    assert bases(project) == before | dict.fromkeys(CONTROL, "debian-13")
    assert {str(project.member(name).pillar[name]["server"]["version"]) for name in ("keystone", "heat")} == {"2025.1"}
    compute = project.member("compute").pillar
    assert compute["nova"]["compute"]["version"] == "zed"
    assert project.member("nova").pillar["nova"]["controller"]["upgrade"] == {"old_computes": False}


def test_replicas_are_the_balancers_servers(tmp_path: Path) -> None:
    project = changed(tmp_path, "keystone_replicas: 2", "keystone_replicas: 3")
    assert project.member("keystone").settings.replicas == 3
    listens = project.member("haproxy").pillar["haproxy"]["proxy"]["listen"]
    assert listens["keystone_api"]["replicas"] == {"host": "keystone", "count": 3, "port": 5000}
    assert listens["glance_api"]["replicas"]["count"] == project.member("glance").settings.replicas == 2


def test_what_has_replicas_is_behind_the_balancer(tmp_path: Path) -> None:
    project = opened(EXAMPLES / "ha", tmp_path)
    counts = {member.name: member.settings.replicas for member in project.members}
    assert {name for name, count in counts.items() if count == 2} == REPLICATED
    listens = project.member("haproxy").pillar["haproxy"]["proxy"]["listen"]
    # a conductor is reached over the message queue
    assert {one["replicas"]["host"] for one in listens.values()} == REPLICATED - {"nova-conductor"}
    assert all(one["health_check"]["uri"] for one in listens.values())


def test_only_the_balancer_is_published(tmp_path: Path) -> None:
    published = {m.name: len(m.settings.publish) for m in opened(EXAMPLES / "ha", tmp_path).members}
    assert {name for name, count in published.items() if count} == {"haproxy"}


@pytest.mark.parametrize("name", ["mariadb", "rabbitmq"])
def test_members_of_a_cluster_are_its_pods(tmp_path: Path, name: str) -> None:
    member = opened(EXAMPLES / "kubernetes-ha", tmp_path).member(name)
    pods = [f"{name}-{number}.{name}-pods" for number in range(member.settings.replicas)]
    assert member.pillar[name]["server"]["cluster"]["members"] == pods
    assert len(pods) == 3


def test_who_uses_a_cluster_of_queues_asks_for_quorum_queues(tmp_path: Path) -> None:
    project = opened(EXAMPLES / "kubernetes-ha", tmp_path)
    for name in ("keystone", "glance"):
        assert project.member(name).pillar[name]["server"]["message_queue"]["quorum_queues"] is True
