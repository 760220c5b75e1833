"""examples/compute as its users see it: guests boot, know who they are, reach one another, and are kept apart.

One cloud for the whole file. What a guest finds out stands in its console log, see :mod:`.guest`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openstack.exceptions import ResourceFailure

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from .browser import browser, log_in
from .driver import CACHE, Cloud, eventually, free_port, substitute
from .guest.image import COMMAND_LINE, MEMORY, guest
from .test_cloud import client
from .test_horizon import PICTURES
from .whole import BOOTS, COMMON, part, publish

FULL = bool(os.environ.get("SALTERN_TESTS_FULL"))
"""All of the example, else only what a guest needs to boot."""
pytestmark = pytest.mark.filterwarnings("ignore")  # openstacksdk's own
full = pytest.mark.skipif(not FULL, reason="a second guest, Cinder, Heat and Horizon: make test-full")

BOOT = 300.0
"""Seconds until an emulated guest on a busy machine says something."""
WAIT = 120.0
"""Seconds until a guest that runs has seen a change."""


@dataclass(frozen=True)
class Site:
    """What the tests made in the cloud before the first guest."""

    connection: Any
    image: str
    flavor: str
    network: str

    def boot(self, name: str, groups: list[str], host: str = "", **metadata: str) -> Server:
        """A guest that is ACTIVE, on a certain host if it is named."""
        compute = self.connection.compute
        where = {"availability_zone": f"nova:{host}"} if host else {}
        made = compute.create_server(
            name=name,
            image_id=self.image,
            flavor_id=self.flavor,
            networks=[{"uuid": self.network}],
            security_groups=[{"name": group} for group in groups],
            metadata=metadata,
            **where,
        )
        try:
            compute.wait_for_server(made, wait=BOOT)
        except ResourceFailure:
            pytest.fail(f"{name}: {compute.get_server(made).fault}")
        return Server(self.connection, made.id)


@dataclass(frozen=True)
class Server:
    """A guest, and what it says."""

    connection: Any
    id: str

    @property
    def address(self) -> str:
        """The one that Neutron gave it."""
        [port] = self.connection.network.ports(device_id=self.id)
        found: str = port.fixed_ips[0]["ip_address"]
        return found

    def tell(self, **metadata: str) -> None:
        """Change what it shall do."""
        self.connection.compute.set_server_metadata(self.id, **metadata)

    def console(self) -> str:
        found: str = self.connection.compute.get_server_console_output(self.id)["output"]
        return found

    def said(self) -> list[str]:
        return re.findall(r"^guest: (.*?)\r?$", self.console(), re.MULTILINE)

    def says(self, text: str, seconds: float = WAIT) -> bool:
        """Whether it says a line from now on, or said it before when ``seconds`` are those of a boot."""
        return self.says_since(0 if seconds == BOOT else self.uptime(), text, seconds)

    def says_since(self, uptime: int, text: str, seconds: float = WAIT) -> bool:
        """Whether a line comes after it said that it is up for so long, or came since."""
        return eventually(lambda: text in self.since(uptime), seconds)

    def since(self, uptime: int) -> list[str]:
        """What it said after it said that it is up for so long."""
        said = self.said()
        mark = f"up {uptime} s"
        return said[said.index(mark) :] if mark in said else said

    def uptime(self) -> int:
        """Seconds, as it said last; 0 before that."""
        found = re.findall(r"^guest: up ([0-9]+) s", self.console(), re.MULTILINE)
        return int(found[-1]) if found else 0


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """examples/compute on ports of its own, up."""
    folder = tmp_path_factory.mktemp("compute")
    model = part(folder, () if FULL else BOOTS)
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-compute\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-compute", model, folder / "state", engine, ports)
    with cloud.brought_up() as done:
        print(f"up took {done.seconds:.0f} s")  # noqa: T201 - shown with -rP
        yield cloud


@pytest.fixture(scope="module")
def site(compute: Cloud) -> Site:
    return prepared(client(compute))


def prepared(connection: Any) -> Site:
    """Makes the image of the guest, a flavor, a network, and a security group "closed" that lets nothing in."""
    # a machine for guests reports itself some seconds after it is ready, and is found by the scheduler then
    assert eventually(lambda: _has_compute(connection), WAIT)
    network = connection.network.create_network(name="guests")
    connection.network.create_subnet(name="guests", network_id=network.id, ip_version=4, cidr="10.77.0.0/24")
    connection.network.create_security_group(name="closed")
    flavor = connection.compute.create_flavor(name="tiny", ram=MEMORY, vcpus=1, disk=1)
    return Site(connection, upload(connection), flavor.id, network.id)


def _has_compute(connection: Any) -> bool:
    return any(one.binary == "nova-compute" and one.state == "up" for one in connection.compute.services())


def upload(connection: Any) -> str:
    """Upload the guest; the id of the image that is booted."""
    files = guest()
    ids = {
        f"{kind}_id": connection.image.create_image(
            name=f"guest-{kind}", data=path.read_bytes(), container_format=form, disk_format=form, wait=True
        ).id
        for kind, form, path in (("kernel", "aki", files.kernel), ("ramdisk", "ari", files.initramfs))
    }
    made = connection.image.create_image(
        name="guest",
        data=bytes(1 << 20),
        container_format="bare",
        disk_format="raw",
        os_command_line=COMMAND_LINE,
        wait=True,
        **ids,
    )
    found: str = made.id
    return found


@pytest.fixture(scope="module")
def first(site: Site) -> Server:
    begun = time.monotonic()
    server = site.boot("first", ["default"], value="seen")
    print(f"the first server was ACTIVE after {time.monotonic() - begun:.0f} s")  # noqa: T201 - shown with -rP
    return server


@pytest.fixture(scope="module")
def second(site: Site, first: Server) -> Server:
    return site.boot("second", ["closed"], value="another")


def test_a_guest_gets_its_address_and_its_metadata(first: Server) -> None:
    assert first.says(f"address {first.address}", BOOT), first.console()
    assert first.says(f"metadata {first.id} seen", BOOT), first.console()


def test_a_guest_sees_what_its_metadata_becomes(first: Server) -> None:
    first.tell(value="changed")
    assert first.says(f"metadata {first.id} changed"), first.console()


@full
def test_a_security_group_decides_who_reaches_a_guest(site: Site, first: Server, second: Server) -> None:
    assert second.says(f"metadata {second.id} another", BOOT), second.console()
    there = second.address
    first.tell(ping=there, connect=there)
    assert first.says(f"ping {there} lost"), first.console()
    assert first.says(f"connect {there} lost"), first.console()

    network = site.connection.network
    group = network.find_security_group("closed")
    network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="icmp")
    assert first.says(f"ping {there} answered"), first.console()
    assert first.says(f"connect {there} lost"), first.console()

    network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=7777, port_range_max=7777
    )
    assert first.says(f"connect {there} answered"), first.console()


@full
def test_a_volume_is_written_in_one_guest_and_read_in_another(site: Site, first: Server, second: Server) -> None:
    connection = site.connection
    volume = connection.block_storage.create_volume(name="kept", size=1)
    connection.block_storage.wait_for_status(volume, "available", failures=["error"], wait=WAIT)
    first.tell(write="marker-of-the-first")
    for server in (first, second):
        before = server.uptime()
        attachment = connection.compute.create_volume_attachment(server.id, volume_id=volume.id)
        connection.block_storage.wait_for_status(volume, "in-use", failures=["error"], wait=WAIT)
        assert server.says_since(before, "volume 2097152 sectors, has marker-of-the-first"), server.console()
        connection.compute.delete_volume_attachment(attachment, server.id)
        connection.block_storage.wait_for_status(volume, "available", failures=["error"], wait=WAIT)


@full
def test_a_heat_stack_makes_all_of_it_at_once(site: Site) -> None:
    heat, compute = site.connection.orchestration, site.connection.compute
    stack = heat.create_stack(name="whole", template=stack_of(site))
    heat.wait_for_status(stack, "CREATE_COMPLETE", failures=["CREATE_FAILED"], wait=BOOT)
    server = Server(site.connection, compute.find_server("of-heat").id)
    assert server.says(f"metadata {server.id} stacked", BOOT), server.console()
    assert server.says_since(0, "volume 2097152 sectors, has "), server.console()
    heat.delete_stack(stack)
    assert eventually(lambda: heat.find_stack("whole") is None, WAIT)
    assert compute.find_server("of-heat") is None


def stack_of(site: Site) -> dict[str, Any]:
    """A network with a guest in it that has a volume."""
    network, volume, server = ({"get_resource": name} for name in ("network", "volume", "server"))
    subnet = {"subnet": {"get_resource": "subnet"}}
    port = {"port": {"get_resource": "port"}}
    guest_of = {"image": site.image, "flavor": site.flavor, "networks": [port], "metadata": {"value": "stacked"}}
    resources: dict[str, tuple[str, dict[str, Any]]] = {
        "network": ("OS::Neutron::Net", {"name": "of-heat"}),
        "subnet": ("OS::Neutron::Subnet", {"network": network, "cidr": "10.78.0.0/24"}),
        "port": ("OS::Neutron::Port", {"network": network, "fixed_ips": [subnet]}),
        "volume": ("OS::Cinder::Volume", {"size": 1}),
        "server": ("OS::Nova::Server", {"name": "of-heat", **guest_of}),
        "attachment": ("OS::Cinder::VolumeAttachment", {"instance_uuid": server, "volume_id": volume}),
    }
    made = {name: {"type": kind, "properties": properties} for name, (kind, properties) in resources.items()}
    return {"heat_template_version": "2018-08-31", "resources": made}


@full
def test_the_dashboard_shows_a_guest(compute: Cloud, first: Server, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{compute.ports['dashboard']}"
    with browser(compute.engine, CACHE, tmp_path / "chromium.log") as page:
        log_in(page, url, "admin", "example-keystone-admin")
        page.visit(f"{url}/project/instances/")
        page.wait("document.body.innerText.includes('first')")
        assert first.address in page.text()
        page.screenshot(PICTURES / "horizon-instances.png")


@full
def test_a_changed_value_of_nova_leaves_guests_alone(compute: Cloud, first: Server) -> None:
    before, uptime = compute.processes(), first.uptime()
    with (compute.model / "classes/cluster/compute/compute.yml").open("a") as file:
        file.write("  nova:\n    compute:\n      parameters: {DEFAULT: {resize_confirm_window: 60}}\n")
    compute.saltern("apply", "--yes")
    after = compute.processes()
    assert {name for name in before if before[name] != after[name]} == {"compute-nova-compute"}
    assert eventually(lambda: first.uptime() > uptime, WAIT)
    assert "begun" not in first.since(uptime)


@full
def test_a_drained_host_runs_no_guests_until_it_returns(compute: Cloud, site: Site, first: Server) -> None:
    api = site.connection.compute

    def service() -> tuple[str, str | None]:
        [found] = [one for one in api.services() if one.binary == "nova-compute"]
        return found.status, found.disabled_reason

    alone = compute.saltern("host", "drain", "compute", "--json", code=10)
    assert "no other machine" in alone.stderr
    assert service()[0] == "enabled"

    ran = {server.id for server in api.servers() if server.status == "ACTIVE"}
    done = compute.saltern("host", "drain", "compute", "--guests", "stop", "--reason", "a test", "--json").json
    assert (done["complete"], done["host"]["running"]) == (True, 0)
    assert {one["id"] for one in done["guests"] if one["did"] == "stopped"} == ran
    assert api.get_server(first.id).status == "SHUTOFF"
    assert service() == ("disabled", "a test")

    wanted = {"image_id": site.image, "flavor_id": site.flavor, "networks": [{"uuid": site.network}]}
    refused = api.create_server(name="refused", **wanted)
    assert eventually(lambda: api.get_server(refused.id).status == "ERROR", WAIT)
    assert "No valid host" in api.get_server(refused.id).fault["message"]
    api.delete_server(refused.id)
    api.wait_for_delete(refused, wait=WAIT)

    back = compute.saltern("host", "return", "compute", "--json").json
    assert {one["id"] for one in back["guests"] if one["did"] == "started"} == ran
    assert api.get_server(first.id).status == "ACTIVE"
    assert "saltern_drained" not in api.get_server(first.id).metadata
    assert service() == ("enabled", None)


@full
def test_the_control_plane_gets_a_release_beside_a_guest_that_runs(compute: Cloud, site: Site, first: Server) -> None:
    """Its machine stays at the release that it has: who replaces that ends the guests."""
    before, uptime = compute.processes(), first.uptime()
    substitute(compute.model / COMMON, "openstack_version: zed", "openstack_version: '2025.1'")
    with (compute.model / "classes/cluster/compute/nova.yml").open("a") as file:
        file.write("parameters: {nova: {controller: {upgrade: {old_computes: true}}}}\n")
    compute.saltern("build")  # for itself: each command has its time
    plan = compute.saltern("plan", "--json").json
    moved = {one["workload"] for one in plan["impacts"] if one["effect"] not in ("untouched", "jobs")}
    assert moved == {"keystone", "glance", "placement", "nova", "neutron", "cinder", "heat", "barbican", "horizon"}
    compute.saltern("apply", "--yes")
    after = compute.processes()
    assert {name for name in before if name.startswith("compute-") and before[name] != after[name]} == set()
    assert eventually(lambda: first.uptime() > uptime, WAIT)
    assert "begun" not in first.since(uptime)
    later = site.boot("later", ["default"], value="of-a-newer-nova")
    assert later.says(f"metadata {later.id} of-a-newer-nova", BOOT), later.console()


def test_guests_that_are_deleted_leave_nothing(compute: Cloud, site: Site, first: Server) -> None:
    servers = list(site.connection.compute.servers())
    assert first.id in [server.id for server in servers]
    for server in servers:
        site.connection.compute.delete_server(server.id)
        site.connection.compute.wait_for_delete(server, wait=WAIT)
    listed = compute.call(
        "exec", f"{compute.name}-compute-libvirtd", "virsh", "-c", "qemu:///system", "list", "--all", "--name"
    )
    assert listed.strip() == ""
    assert not list(site.connection.network.ports(network_id=site.network, device_owner="compute:nova"))
