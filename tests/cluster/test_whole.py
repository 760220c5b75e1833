"""The control plane of examples/compute on the cluster: the same model, of which only target and addresses differ.

Guests boot in the tests of compose; what is tried here is all that an API can do without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from ..e2e.driver import CACHE
from ..e2e.test_cloud import client
from ..e2e.whole import BOOTS, part, publish
from .client import eventually
from .clouds import ClusterCloud
from .conftest import AnyCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own

SERVICES = [name for name in BOOTS if name != "compute"]
NODE_PORTS = 30000
RABBITMQ = "classes/cluster/compute/rabbitmq.yml"
NODENAME = "parameters:\n  rabbitmq:\n    server:\n      nodename: rabbit@rabbitmq-0.rabbitmq-pods\n"
"""What examples/kubernetes says as well: a pod's own name."""


@pytest.fixture(scope="module")
def whole(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCloud]:
    folder = tmp_path_factory.mktemp("whole")
    model = part(folder, SERVICES)
    ports = publish(model, node_port, cluster.node_address(1))
    settings = f"cloud: e2e-whole\ntarget: kubernetes\nregistry: {cluster.registry}\nkubernetes:\n  storage: 1Gi\n"
    (model / "saltern.yml").write_text(settings)
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


def test_a_server_goes_through_all_services_until_no_host_is_found(openstack: Any) -> None:
    """Keystone, Nova's API, conductor and scheduler, Placement, Glance and Neutron have to work for that answer."""
    compute = openstack.compute
    assert {one.binary for one in compute.services() if one.state == "up"} >= {"nova-conductor", "nova-scheduler"}
    image = openstack.image.create_image(
        name="empty", data=bytes(1 << 20), container_format="bare", disk_format="raw", wait=True
    )
    flavor = compute.create_flavor(name="tiny", ram=64, vcpus=1, disk=1)
    network = openstack.network.find_network("guests")
    server = compute.create_server(
        name="nowhere", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}]
    )
    assert eventually(lambda: compute.get_server(server.id).status == "ERROR", 60)
    assert "No valid host" in compute.get_server(server.id).fault["message"]
    compute.delete_server(server.id)
    compute.wait_for_delete(server, wait=60)


def test_nothing_is_to_be_done_after_it(whole: ClusterCloud) -> None:
    assert whole.saltern("plan", "--json").json["steps"] == []
    assert whole.is_well()
