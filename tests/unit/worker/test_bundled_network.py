"""The formulas of the network, rendered by Salt for Debian 12 and 13: what runs, with which rights, what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import Metadata, read_metadata

from .conftest import Formula

BUNDLED = Path(__file__).parents[3] / "formulas"
LOGIN = {"host": "x", "name": "x", "user": "x", "password": "x", "tenant": "service"}
SERVER = {"enabled": True, "database": LOGIN, "identity": LOGIN}
OVN = {**SERVER, "backend": {"host": "ovn", "datapath_type": "netdev"}}
LINUXBRIDGE = {**SERVER, "backend": {"engine": "linuxbridge"}}
SOUTHBOUND = {"host": "ovn", "port": 6642}
METADATA = {"enabled": True, "southbound": SOUTHBOUND, "nova": {"host": "nova"}, "secret": "x"}
AGENT = {"enabled": True, "message_queue": LOGIN, "nova": {"host": "nova"}, "secret": "x"}
SWITCH = {"enabled": True, "datapath_type": "netdev", "bridge": {"br-ex": {"addresses": ["172.24.4.1/24"]}}}
UWSGI = ["neutron-api", "neutron-periodic-workers", "neutron-ovn-maintenance-worker"]
CENTRAL = ["ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "ovn-northd"]
AGENTS = ["neutron-linuxbridge-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent"]

CASES: dict[str, tuple[str, dict[str, Any], str, list[str]]] = {
    "server on 12": ("neutron", {"server": OVN}, "12", ["neutron-api"]),
    "server on 13": ("neutron", {"server": OVN}, "13", UWSGI),
    "metadata": ("neutron", {"metadata": METADATA}, "12", ["neutron-ovn-metadata-agent"]),
    "linuxbridge": ("neutron", {"server": LINUXBRIDGE}, "12", ["neutron-api"]),
    "agents": ("neutron", {"agent": AGENT}, "12", AGENTS),
    "central": ("ovn", {"central": {"enabled": True}}, "12", CENTRAL),
    "chassis": ("ovn", {"chassis": {"enabled": True, "central": SOUTHBOUND}}, "12", ["ovn-controller"]),
    "switch": ("openvswitch", {"switch": SWITCH}, "13", ["ovsdb-server", "ovs-vswitchd"]),
}


def compiled(formula: Formula, case: str) -> tuple[Metadata, dict[str, dict[str, Any]]]:
    name, pillar, release, _ = CASES[case]
    grains = {"os_family": "Debian", "os": "Debian", "osmajorrelease": int(release), "host": "node"}
    bundled = Formula(formula.worker, BUNDLED / name, {name: pillar}, grains)
    low = bundled.compile(name, kinds=("container", "upgrade", "verify"))
    return read_metadata("node", low.metadata), {chunk.id: chunk.raw for chunk in low.chunks}


@pytest.mark.parametrize("case", CASES)
def test_each_service_is_a_process_with_named_rights(formula: Formula, case: str) -> None:
    metadata, states = compiled(formula, case)
    running = [state["name"] for state in states.values() if (state["state"], state["fun"]) == ("service", "running")]
    assert sorted(running) == sorted(metadata.processes) == sorted(CASES[case][3])
    assert all(hints.capabilities is not None for hints in metadata.processes.values())
    assert set(metadata.phases) <= set(states)
    assert set(metadata.phases.values()) <= {"host"}


def test_only_user_space_forwarding_needs_a_device(formula: Formula) -> None:
    processes = {case: compiled(formula, case)[0].processes.values() for case in CASES}
    devices = {case: [device for hints in found for device in hints.devices] for case, found in processes.items()}
    assert {case: found for case, found in devices.items() if found} == {"switch": ["/dev/net/tun"]}


@pytest.mark.parametrize("case", CASES)
def test_agents_ask_nova_and_do_not_wait_for_it(formula: Formula, case: str) -> None:
    found = compiled(formula, case)[0]
    asks = case in ("metadata", "agents")
    assert [(one.host, one.port) for one in found.reaches] == ([("nova", 8775)] if asks else [])
    assert "nova" not in {one.host for one in found.connects}


@pytest.mark.parametrize(("case", "there"), [("server on 12", True), ("server on 13", False), ("linuxbridge", False)])
def test_zed_alone_must_be_told_how_chassis_forward(formula: Formula, case: str, there: bool) -> None:
    assert ("neutron_datapath_plugin" in compiled(formula, case)[1]) is there
