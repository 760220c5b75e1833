"""A compute that plain Salt manages, beside one that is containers, in one cloud and of one model.

The host is a machine with systemd on the cloud's own network. Its minion has no master, and takes pillar and top data
through Saltern's module for Salt; no image and no container of Saltern is there.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.metadata import read_metadata
from saltern.images.engine.select import select_engine
from saltern.targets.compose import network_name

from ..authority import Authority
from ..containers.plainsalt import PlainMachine, failures, hypervisor
from .driver import CACHE, SALTERN, Cloud, eventually, free_port, substitute
from .test_cloud import client
from .test_compute import BOOT, WAIT, Server, Site, prepared
from .whole import BOOTS, part, publish

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # openstacksdk's own
    pytest.mark.skipif(not os.environ.get("SALTERN_TESTS_FULL"), reason="a whole cloud and a host: make test-full"),
]

NAME = "compute-host"
NODE = """\
classes:
- system.openvswitch.switch.single
- system.ovn.chassis.single
- system.neutron.metadata.single
- system.libvirt.server.single
- system.nova.compute.single
- cluster.compute
parameters:
  _param:
    openstack_version: ${_param:compute_version}
  saltern:
    target: none
"""
MOVES = """\
parameters:
  libvirt:
    server:
      tls:
        enabled: true
        ca: '?{{file:{pki}/ca.crt}}'
        certificate: '?{{file:{pki}/{host}.crt}}'
        key: '?{{file:{pki}/{host}.key}}'
  nova:
    compute:
      migration: {{enabled: true}}
"""
TUNNELS = """
mac=$(cat /sys/class/net/eth0/address)
given=$(ip -4 -oneline address show dev eth0 scope global | awk '{ print $4 }')
gateway=$(ip -4 route show default | awk '{ print $3 }')
ovs-vsctl --timeout=30 add-br br-tun -- add-port br-tun eth0 \\
  -- set Bridge br-tun datapath_type=netdev "other_config:hwaddr=\\"$mac\\""
ip address flush dev eth0
ip address add "$given" dev br-tun
ip link set br-tun up
ip route replace default via "$gateway" dev br-tun
"""
"""A switch that forwards in user space finds the way to other computes only through a bridge of its own."""
UNITS = ("ovsdb-server", "ovs-vswitchd", "ovn-controller", "neutron-ovn-metadata-agent", "libvirtd", "nova-compute")
CHECKED = ("ovn", "neutron", "nova")
"""Formulas that can tell whether their services do what they are for."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """What a guest needs, with both computes in the model, up."""
    folder = tmp_path_factory.mktemp("mixed")
    model = part(folder, BOOTS)
    (model / f"nodes/{NAME}.yml").write_text(NODE)
    authority = Authority(folder / "pki")
    authority.make()
    for host in (NAME, "compute"):
        authority.issue(host, f"/CN={host}", f"DNS:{host}")
        moves = model / f"classes/moves/{host}.yml"
        moves.parent.mkdir(exist_ok=True)
        moves.write_text(MOVES.format(pki=authority.folder, host=host))
        substitute(model / f"nodes/{host}.yml", "parameters:\n", f"- moves.{host}\nparameters:\n")
    ports = publish(model, lambda usual: free_port())
    (model / "saltern.yml").write_text("cloud: e2e-host\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-host", model, folder / "state", engine, ports)
    with cloud.brought_up():
        yield cloud


@pytest.fixture(scope="module")
def machine(mixed: Cloud) -> Iterator[PlainMachine]:
    """The host as Salt found it: nothing is applied."""
    answers = {kind: asked(mixed, kind) for kind in ("pillar", "top")}
    with hypervisor(mixed.engine, CACHE, "debian-12", network_name(mixed.name), NAME, answers) as made:
        yield made


def asked(cloud: Cloud, kind: str) -> Any:
    """What Saltern's module for Salt asks for."""
    words = ("--model", str(cloud.model), "--salt", kind, "--json", f"--nodeinfo={NAME}")
    argv = (str(SALTERN), "inventory", *words)
    done = subprocess.run(argv, env=cloud.environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def host(machine: PlainMachine) -> PlainMachine:
    """The host after its first highstate."""
    failed = failures(machine.apply())
    assert not failed, failed
    return machine


@pytest.fixture(scope="module")
def site(mixed: Cloud, host: PlainMachine) -> Site:
    connection = client(mixed)
    wanted = {"compute", NAME}
    assert eventually(lambda: hypervisors(connection) == wanted, WAIT), hypervisors(connection)
    return prepared(connection)


def hypervisors(connection: Any) -> set[str]:
    """Those that are up; Nova tells only of hosts that are mapped to a cell."""
    return {one.name for one in connection.compute.hypervisors(details=True) if one.state == "up"}


@pytest.fixture(scope="module")
def guest(site: Site) -> Server:
    return site.boot("of-the-host", ["default"], NAME, value="seen")


def test_its_node_makes_no_containers(mixed: Cloud) -> None:
    services = {line["service"] for line in mixed.saltern("status", "--json").json["processes"]}
    assert "compute-nova-compute" in services
    assert not [name for name in services if name.startswith(NAME)]


def test_salt_starts_all_of_its_services(host: PlainMachine) -> None:
    states = host.run("sh", "-c", 'systemctl is-active "$@" || true', "sh", *UNITS).split()
    assert dict(zip(UNITS, states, strict=True)) == dict.fromkeys(UNITS, "active")


@pytest.mark.parametrize("formula", CHECKED)
def test_its_services_do_what_they_are_for(host: PlainMachine, formula: str) -> None:
    path = f"path=salt://{formula}/meta/verify.yml"
    content = host.salt("slsutil.renderer", path, "default_renderer=jinja|yaml")
    checks = read_metadata(formula, {formula: {"verify": content}}).checks
    assert checks
    for check in checks:
        proof = host.proof(check)
        assert NAME in proof
        print(proof)  # noqa: T201 - shown with -rP


def test_both_kinds_are_computes_of_the_cloud(site: Site) -> None:
    services = [one for one in site.connection.compute.services() if one.binary == "nova-compute"]
    assert {(one.host, one.state) for one in services} == {("compute", "up"), (NAME, "up")}
    agents = [one for one in site.connection.network.agents() if one.is_alive]
    assert {(one.host, one.binary) for one in agents} >= {
        (name, binary) for name in ("compute", NAME) for binary in ("ovn-controller", "neutron-ovn-metadata-agent")
    }


def test_a_guest_boots_on_the_host(host: PlainMachine, guest: Server) -> None:
    assert guest.says(f"address {guest.address}", BOOT), guest.console()
    assert guest.says(f"metadata {guest.id} seen", BOOT), guest.console()
    assert host.run("virsh", "-c", "qemu:///system", "list", "--uuid").split() == [guest.id]


def test_a_second_highstate_changes_nothing(mixed: Cloud, host: PlainMachine, guest: Server) -> None:
    before = guest.uptime()
    results = host.apply()
    assert not failures(results)
    assert {tag: one["changes"] for tag, one in results.items() if one["changes"]} == {}
    assert "Nothing to do" in mixed.saltern("up").stdout
    assert eventually(lambda: guest.uptime() > before, WAIT)


def test_the_switch_keeps_its_name_when_it_starts_again(host: PlainMachine) -> None:
    host.run("systemctl", "restart", "openvswitch-switch", "ovsdb-server", "ovs-vswitchd")
    assert host.run("ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids:system-id").strip() == NAME


def test_guests_of_both_kinds_reach_one_another(mixed: Cloud, site: Site, host: PlainMachine, guest: Server) -> None:
    """Pings: Open vSwitch of Debian 12 drops what a guest's card leaves to hardware when it goes into a tunnel."""
    mixed.call("exec", f"{mixed.name}-compute-ovs-vswitchd", "sh", "-ec", TUNNELS)
    host.run("sh", "-ec", TUNNELS)
    other = site.boot("of-the-containers", ["default"], "compute", value="beside")
    assert other.says(f"metadata {other.id} beside", BOOT), other.console()
    guest.tell(ping=other.address)
    assert guest.says(f"ping {other.address} answered"), guest.console()
    other.tell(ping=guest.address)
    assert other.says(f"ping {guest.address} answered"), other.console()


def test_a_drained_host_gives_its_guests_to_the_other_kind(mixed: Cloud, guest: Server) -> None:
    for drained, other in ((NAME, "compute"), ("compute", NAME)):
        before = guest.uptime()
        done = mixed.saltern("host", "drain", drained, "--guests", "migrate", "--json").json
        assert (done["complete"], done["host"]["running"]) == (True, 0)
        assert (guest.id, "migrated", other) in {(one["id"], one["did"], one["host"]) for one in done["guests"]}
        guest.tell(value=f"came-to-{other}")
        assert guest.says(f"metadata {guest.id} came-to-{other}"), guest.console()
        assert guest.uptime() > before > 0  # it did not begin anew
        mixed.saltern("host", "return", drained)


def test_guests_that_are_deleted_leave_nothing_on_the_host(site: Site, host: PlainMachine, guest: Server) -> None:
    compute = site.connection.compute
    for server in list(compute.servers()):
        compute.delete_server(server.id)
        compute.wait_for_delete(server, wait=WAIT)
    assert guest.id not in host.run("virsh", "-c", "qemu:///system", "list", "--all", "--uuid")
    assert "tap" not in host.run("ovs-vsctl", "list-ports", "br-int")
