"""Neutron with Linux bridges in containers: its agents are alive, and wire what they are asked for. Debian 12 alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from .driver import CACHE, ROOT, Cloud, eventually, free_port, substitute
from .test_cloud import client

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # openstacksdk's own
    pytest.mark.skipif(not os.environ.get("SALTERN_TESTS_FULL"), reason="two more images: make test-full"),
]

NODES = ("keystone", "mariadb", "memcached", "neutron", "rabbitmq")
AGENTS = {"DHCP agent", "L3 agent", "Linux bridge agent", "Metadata agent"}
WAIT = 180.0
"""Seconds: an agent that starts before the server asks again after a minute or two."""
SERVER = """\
classes:
- service.neutron.server.single
parameters:
  neutron:
    server:
      backend:
        engine: linuxbridge
      nova:
        notify: false
"""
BRIDGE = """\
classes:
- service.neutron.agent.single
- cluster.compute
parameters:
  saltern:
    base: debian-12
"""


@pytest.fixture(scope="module")
def bridges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("linuxbridge")
    ports = {"identity": free_port(), "network": free_port()}
    cloud = Cloud("e2e-bridge", model(folder / "model", ports), folder / "state", podman(), ports)
    with cloud.brought_up():
        yield cloud


def podman() -> Any:
    return select_engine(LocalRunner(), CACHE / "saltern", "podman")


def model(folder: Path, ports: dict[str, int]) -> Path:
    """The part of examples/compute that Neutron needs, with bridges in the place of OVN, and a node of agents."""
    shutil.copytree(ROOT / "examples" / "compute", folder)
    for node in (folder / "nodes").iterdir():
        if node.stem not in NODES:
            node.unlink()
    (folder / "nodes" / "bridge.yml").write_text(BRIDGE)
    (folder / "classes/system/neutron/server/single.yml").write_text(SERVER)
    (folder / "saltern.yml").write_text("cloud: e2e-bridge\nengine: podman\n")
    for name, usual, node in (("identity", 5000, "keystone"), ("network", 9696, "neutron")):
        common = folder / "classes/cluster/compute/init.yml"
        substitute(common, f"${{_param:public_address}}:{usual}", f"${{_param:public_address}}:{ports[name]}")
        substitute(folder / f"nodes/{node}.yml", f"127.0.0.1:{usual}", f"127.0.0.1:{ports[name]}")
    return folder


def test_all_agents_are_alive(bridges: Cloud) -> None:
    network = client(bridges).network
    assert eventually(lambda: {one.agent_type for one in network.agents() if one.is_alive} == AGENTS, WAIT), [
        (one.agent_type, one.is_alive) for one in network.agents()
    ]


def test_a_network_gets_its_address_server_and_its_router(bridges: Cloud) -> None:
    network = client(bridges).network
    made = network.create_network(name="inside")
    subnet = network.create_subnet(network_id=made.id, ip_version=4, cidr="10.78.0.0/24")
    router = network.create_router(name="inside")
    network.add_interface_to_router(router, subnet_id=subnet.id)
    wanted = {"network:dhcp", "network:router_interface"}

    def active() -> set[str]:
        return {one.device_owner for one in network.ports(network_id=made.id) if one.status == "ACTIVE"}

    assert eventually(lambda: active() == wanted, WAIT), active()
    namespaces = bridges.call("exec", f"{bridges.name}-bridge-neutron-linuxbridge-agent", "brctl", "show")
    assert f"brq{made.id[:11]}" in namespaces
