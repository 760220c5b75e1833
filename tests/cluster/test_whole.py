"""examples/compute on the cluster, as far as a guest needs it: the same model, of which target and addresses differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from ..e2e.driver import CACHE
from ..e2e.test_cloud import client
from ..e2e.test_compute import BOOT, WAIT, prepared
from ..e2e.whole import BOOTS, part, publish
from .clouds import ClusterCloud
from .conftest import AnyCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

NODE_PORTS = 30000
RABBITMQ = "classes/cluster/compute/rabbitmq.yml"
NODENAME = "parameters:\n  rabbitmq:\n    server:\n      nodename: rabbit@rabbitmq-0.rabbitmq-pods\n"
"""What examples/kubernetes says as well: a pod's own name."""


@pytest.fixture(scope="module")
def whole(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCloud]:
    folder = tmp_path_factory.mktemp("whole")
    model = part(folder, BOOTS)
    ports = publish(model, node_port, cluster.node_address(1))
    settings = f"cloud: e2e-whole\ntarget: kubernetes\nregistry: {cluster.registry}\nkubernetes:\n  storage: 1Gi\n"
    (model / "saltern.yml").write_text(settings)
    with (model / "nodes/compute.yml").open("a") as file:
        file.write("    kubernetes: {host_network: true}\n")
    with (model / RABBITMQ).open("a") as file:
        file.write(NODENAME)
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    found = ClusterCloud("e2e-whole", model, folder / "state", engine, ports, kubeconfig=cluster.kubeconfig)
    try:
        found.saltern("push")  # for itself: each command has its time
        found.saltern("up")
        yield found
    finally:
        found.remove()


def node_port(usual: int) -> int:
    """Of a service with that port elsewhere; no other cloud of the tests publishes at it."""
    return NODE_PORTS + usual % 2767


@pytest.fixture(scope="module")
def openstack(whole: ClusterCloud) -> Any:
    keystone = open_project(whole.model, Options()).member("keystone").settings
    return client(whole, keystone.publish[0].address)


def test_a_network_and_its_ports(openstack: Any) -> None:
    network = openstack.network.create_network(name="guests")
    subnet = openstack.network.create_subnet(name="guests", network_id=network.id, ip_version=4, cidr="10.77.0.0/24")
    port = openstack.network.create_port(name="one", network_id=network.id)
    assert [one["subnet_id"] for one in port.fixed_ips] == [subnet.id]
    openstack.network.delete_port(port)


def test_a_guest_boots_and_leaves_nothing(openstack: Any) -> None:
    site = prepared(openstack)
    guest = site.boot("first", ["default"], value="seen")
    assert guest.says(f"address {guest.address}", BOOT), guest.console()
    assert guest.says(f"metadata {guest.id} seen", BOOT), guest.console()
    openstack.compute.delete_server(guest.id)
    openstack.compute.wait_for_delete(openstack.compute.get_server(guest.id), wait=WAIT)
    assert list(openstack.network.ports(device_id=guest.id)) == []


def test_nothing_is_to_be_done_after_it(whole: ClusterCloud) -> None:
    assert whole.saltern("plan", "--json").json["steps"] == []
    assert whole.is_well()
