"""What Placement, Nova and Cinder say around their services, rendered by Salt."""

from __future__ import annotations

from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.hosts import Hosted, read_controls, read_hosted
from saltern.formulas.lowstate import LowState
from saltern.formulas.metadata import Metadata, read_metadata
from saltern.formulas.upgrades import read_upgrades

from .conftest import Formula

BUNDLED = Path(__file__).parents[3] / "formulas"
SECRET = "pa/ss$word"
"""What no command line may show."""
COMMON: dict[str, Any] = {
    "enabled": True,
    "identity": {"host": "keystone", "user": "u", "password": SECRET, "tenant": "service"},
    "message_queue": {"host": "rabbitmq", "port": 5671, "user": "u", "password": SECRET},
}
SERVED = {**COMMON, "database": {"host": "mariadb", "name": "x", "user": "u", "password": SECRET}}
SHARES = [{"share": "cinder:/volumes", "name": "nfs", "host": "cinder"}, {"share": "filer:/a", "name": "a"}]
PILLARS = {
    "placement": {"placement": {"server": SERVED}},
    "controller": {"nova": {"controller": {**SERVED, "metadata": {"password": SECRET}}}},
    "compute": {
        "nova": {"compute": {**COMMON, "host": "kvm1", "network": {"host": "neutron"}, "volume": {"shares": SHARES}}}
    },
}


KINDS = ("container", "host", "verify", "upgrade")


def metadata(formula: Formula, name: str) -> Metadata:
    (root,) = PILLARS[name]
    bundled = Formula(formula.worker, BUNDLED / root, PILLARS[name])
    return read_metadata("node", bundled.compile(root, kinds=KINDS).metadata)


@pytest.mark.parametrize("name", PILLARS)
def test_no_secret_is_on_a_command_line(formula: Formula, name: str) -> None:
    found = metadata(formula, name)
    commands = [check.command for check in found.checks] + [hints.command for hints in found.processes.values()]
    assert found.checks
    assert SECRET not in str(commands)
    assert [check.environment["OS_PASSWORD"] for check in found.checks] == [SECRET]
    (script,) = (check.command[check.command.index("-c") + 1] for check in found.checks)
    compile(script, "verify.py", "exec")


def test_only_a_compute_is_root(formula: Formula) -> None:
    controller, compute = (metadata(formula, name).processes for name in ("controller", "compute"))
    assert next(iter(controller)) == "nova-conductor"
    assert {hints.user for hints in controller.values()} == {None}
    assert {hints.capabilities for hints in controller.values()} == {()}
    (only,) = compute.values()
    assert (only.user, only.capabilities) == ("root", ("CHOWN", "DAC_OVERRIDE", "FOWNER", "NET_ADMIN"))
    assert only.probe is not None
    assert only.probe.command[-1] == "5671"


def test_a_compute_runs_guests_and_a_controller_is_in_charge(formula: Formula) -> None:
    compute, controller = metadata(formula, "compute"), metadata(formula, "controller")
    assert (read_hosted(compute), read_controls(compute)) == ((Hosted("nova", "kvm1"),), ())
    assert read_hosted(controller) == ()
    (control,) = read_controls(controller)
    assert control.process == "nova-api"
    assert control.process in controller.processes
    program = (BUNDLED / "nova/nova/files/hosts.py").read_text().rstrip()
    commands = (control.listing, control.drain, control.take_back)
    assert [[word.rstrip() for word in command[command.index("-c") + 1 :]] for command in commands] == [
        [program, verb, "/etc/nova/nova.conf"] for verb in ("list", "drain", "return")
    ]


def test_a_compute_needs_no_database(formula: Formula) -> None:
    assert {one.host for one in metadata(formula, "compute").connects} == {"keystone", "rabbitmq", "neutron"}
    assert {one.host for one in metadata(formula, "controller").connects} == {"keystone", "rabbitmq", "mariadb"}


def controller(formula: Formula, **more: Any) -> LowState:
    pillar = {"nova": {"controller": {**PILLARS["controller"]["nova"]["controller"], **more}}}
    return Formula(formula.worker, BUNDLED / "nova", pillar).compile("nova", kinds=KINDS)


def test_a_node_with_some_of_the_roles_has_what_is_theirs(formula: Formula) -> None:
    found = {}
    for roles in (["conductor", "scheduler"], ["novncproxy", "metadata", "api"]):
        low = controller(formula, roles=roles)
        about = read_metadata("node", low.metadata)
        (rules,) = read_upgrades("node", about.raw)
        found[roles[0]] = (
            [chunk.raw["name"] for chunk in low.chunks if chunk.raw["fun"] == "running"],
            list(about.processes),
            "nova_syncdb" in {chunk.id for chunk in low.chunks},
            [name for name in ("check", "expand", "migrate", "contract") if rules.stage(name)],
            len(about.checks) + len(read_controls(about)),
        )
    conductors, apis = ["nova-conductor", "nova-scheduler"], ["nova-novncproxy", "nova-api-metadata", "nova-api"]
    assert found == {
        "conductor": (conductors, conductors, True, ["expand"], 0),
        "novncproxy": (apis, apis, False, ["migrate"], 2),
    }
    for name in ("metadata", "scheduler"):
        (rules,) = read_upgrades("node", read_metadata("node", controller(formula, roles=[name]).metadata).raw)
        assert rules.stages == {}


def test_who_has_no_conductor_waits_for_the_node_that_has(formula: Formula) -> None:
    low = controller(formula, roles=["api"], conductor={"host": "nova-conductor"})
    assert ("nova-conductor", 0) in {(one.host, one.port) for one in read_metadata("node", low.metadata).connects}


@pytest.mark.parametrize("name", ["nova", "cinder"])
def test_replicas_are_known_by_their_own_names(formula: Formula, tmp_path: Path, name: str) -> None:
    found = {}
    for host in (None, "", "web"):
        more = {} if host is None else {"host": host}
        pillar = {name: {"controller": {**SERVED, "bind": {"port": 1}, **more}}}
        one = Formula(formula.worker, BUNDLED / name, pillar, {"host": "here"})
        lines = one.file(tmp_path, f"{name}/files/{name}.conf").splitlines()
        found[host] = [line for line in lines if line.startswith("host =")]
    assert found == {None: ["host = here"], "": [], "web": ["host = web"]}


def test_volumes_wait_for_the_api_of_a_controller_elsewhere(formula: Formula) -> None:
    volume = {**SERVED, "backend": {"nfs": {"engine": "nfs", "share": "v:/a"}}, "api": {"host": "haproxy"}}
    one = Formula(formula.worker, BUNDLED / "cinder", {"cinder": {"volume": volume}})
    about = read_metadata("node", one.compile("cinder", kinds=("container",)).metadata)
    assert ("haproxy", 8776) in {(peer.host, peer.port) for peer in about.connects}


PLACES = {"network": {"host": "neutron", "port": 9696}, "volume": {"host": "cinder", "port": "8776"}}


def test_a_controller_reaches_what_waits_for_it(formula: Formula) -> None:
    more = {"catalog": PLACES, "novncproxy": {"computes": {"kvm1.example.com": "kvm1", "kvm2.example.com": "kvm2"}}}
    pillar = {"nova": {"controller": {**PILLARS["controller"]["nova"]["controller"], **more}}}
    low = Formula(formula.worker, BUNDLED / "nova", pillar).compile("nova", kinds=("container",))
    reached = {(one.host, one.port) for one in read_metadata("node", low.metadata).reaches}
    # a guest's display has a port of its own
    assert reached == {("neutron", 9696), ("cinder", 8776), ("kvm1", 0), ("kvm2", 0)}
    assert metadata(formula, "controller").reaches == metadata(formula, "compute").reaches == ()


def test_a_share_of_another_node_is_where_nova_would_mount_it(formula: Formula) -> None:
    state, share = metadata(formula, "compute").volumes
    assert (state.path, state.kind) == ("/var/lib/nova", "data")
    # https://docs.openstack.org/nova/latest/configuration/config.html#libvirt.nfs_mount_point_base
    path = f"/var/lib/nova-shares/{md5(b'cinder:/volumes', usedforsecurity=False).hexdigest()}"
    assert (share.name, share.path, share.kind, share.of) == ("nfs", path, "borrowed", "cinder")
