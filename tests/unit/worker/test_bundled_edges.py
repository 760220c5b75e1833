"""Who talks to whom in examples/compute and examples/ha, as formulas say it: what policies of a network would allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.formulas.metadata import Metadata, read_metadata
from saltern.formulas.worker import Worker
from saltern.project.context import Options, open_project
from saltern.targets.kubernetes.policies import Topology
from saltern.targets.workload import Cloud, Workload

from .conftest import Formula

ROOT = Path(__file__).parents[3]
GRAINS = {"os_family": "Debian", "os": "Debian", "osmajorrelease": 12}
CONTROL = {"nova": 8774, "neutron": 9696, "cinder": 8776, "glance": 9292}


@pytest.fixture(scope="module")
def said(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metadata]:
    return said_in(worker, tmp_path_factory.mktemp("edges"), "compute")


def said_in(worker: Worker, folder: Path, example: str) -> dict[str, Metadata]:
    project = open_project(ROOT / "examples" / example, Options(cache=folder / "cache", state=folder / "state"))
    found = {}
    for member in project.members:
        own, *others = (ROOT / "formulas" / name for name in member.node.applications)
        formula = Formula(worker, own, dict(member.pillar), {**GRAINS, "host": member.name}, more_roots=(*others,))
        low = formula.compile(*member.node.applications, kinds=("container",))
        found[member.name] = read_metadata(member.name, low.metadata)
    return found


@pytest.fixture(scope="module")
def edges(said: dict[str, Metadata]) -> set[tuple[str, str, int]]:
    workloads = tuple(
        Workload(name=name, node=name, image="image", processes=(), connects=one.connects, reaches=one.reaches)
        for name, one in said.items()
    )
    return {(edge.source, edge.target, edge.port) for edge in Topology(Cloud("compute", workloads)).edges}


@pytest.mark.parametrize(
    ("source", "targets"),
    [
        ("nova", {"neutron": 9696, "cinder": 8776, "glance": 9292, "placement": 8778, "compute": 0}),
        ("neutron", {"nova": 8774, "placement": 8778, "ovn": 6641}),
        ("cinder", {"nova": 8774, "glance": 9292}),
        ("compute", {"cinder": 8776, "glance": 9292, "neutron": 9696, "nova": 8775, "placement": 8778, "ovn": 6642}),
        ("heat", CONTROL),
        ("barbican", {"mariadb": 3306, "keystone": 5000, "rabbitmq": 5672, "memcached": 11211}),
        ("horizon", {**CONTROL, "heat": 8004}),
        ("keystone", {"keystone": 0}),
    ],
)
def test_a_service_may_call_those_that_it_calls(
    edges: set[tuple[str, str, int]], source: str, targets: dict[str, int]
) -> None:
    assert {(source, target, port) for target, port in targets.items()} <= edges


def test_every_host_is_a_node(said: dict[str, Metadata]) -> None:
    named = {peer.host for one in said.values() for peer in (*one.connects, *one.reaches)}
    assert named <= set(said)


def test_in_ha_all_go_through_the_balancer_and_wait_for_who_goes_first(worker: Worker, tmp_path: Path) -> None:
    found = said_in(worker, tmp_path, "ha")
    peers = {name: {(peer.host, peer.port) for peer in (*one.connects, *one.reaches)} for name, one in found.items()}
    replicated = {"keystone", "glance", "placement", "nova", "neutron", "cinder", "heat", "horizon"}
    assert {host for hosts in peers.values() for host, _ in hosts} <= set(found) - replicated
    first = {name: {(peer.host, peer.port) for peer in found[name].connects} for name in ("nova", "cinder-volume")}
    assert ("nova-conductor", 0) in first["nova"]
    assert ("haproxy", 8776) in first["cinder-volume"]
    balancer = found["haproxy"].balancer
    assert balancer is not None
    assert balancer.members["nova-2"] == ("nova_api/nova-2", "nova_metadata/nova-2", "nova_novncproxy/nova-2")
    assert balancer.listens[8775] == ("nova-1", "nova-2")
