"""The formulas of examples/compute on plain machines with plain Salt: the files of the container path, and services."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from saltern.base.process import LocalRunner
from saltern.formulas.metadata import read_metadata
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project

from ..containers.plainsalt import ROOT, PlainMachine, applied_machines, failures
from .driver import CACHE, Cloud
from .test_parity import DESCRIBE, declared, seen_in_container

FULL = bool(os.environ.get("SALTERN_TESTS_FULL"))
BASE = ("mariadb", "memcached", "rabbitmq", "keystone", "glance")
"""What those below need; test_parity.py and test_formulas_plain.py have them from examples/single."""
SERVICES = ("placement", "nova", "neutron", "cinder", "heat", "horizon") if FULL else ()
NODES = ("ovn", *SERVICES, "compute") if FULL else ("ovn",)
"""Thirteen machines and their images take half an hour; OVN's databases need nobody else."""
ORDER = (*BASE, "ovn", *SERVICES, "compute") if FULL else NODES
"""As a person would do it: what others need comes first."""
UNITS = (
    *("ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "ovn-northd"),
    *("ovsdb-server", "ovs-vswitchd", "ovn-controller", "libvirtd"),
)
"""Services of which Debian has a unit and no init script: a plain machine without systemd cannot start them."""


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Nodes of examples/compute with their images; they are never brought up."""
    folder = tmp_path_factory.mktemp("parity")
    shutil.copytree(ROOT / "examples" / "compute", folder / "model")
    for node in (folder / "model" / "nodes").iterdir():
        if node.stem not in ORDER:
            node.unlink()
    (folder / "model" / "saltern.yml").write_text("cloud: e2e-parity\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-parity", folder / "model", folder / "state", engine, {})
    cloud.saltern("build")  # for itself: each command has its time
    yield cloud
    cloud.clean()


@pytest.fixture(scope="module")
def machines(compute: Cloud) -> Iterator[dict[str, PlainMachine]]:
    with applied_machines(compute.model, "debian-12", ORDER, UNITS) as made:
        if "neutron" in made:  # its check asks OVN
            made["ovn"].run("/etc/init.d/ovn-central", "start")
        yield made


@pytest.mark.parametrize("node", NODES)
def test_same_files(compute: Cloud, machines: dict[str, PlainMachine], node: str) -> None:
    paths = declared(compute, node)
    assert paths
    there = machines[node].run("sh", "-c", DESCRIBE, "sh", *paths)
    assert seen_in_container(compute, node, paths) == there.splitlines()


@pytest.mark.parametrize("node", SERVICES)
def test_service_does_what_it_is_for(machines: dict[str, PlainMachine], node: str) -> None:
    machine = machines[node]
    content = machine.salt("slsutil.renderer", f"path=salt://{node}/meta/verify.yml", "default_renderer=jinja|yaml")
    checks = read_metadata(node, {node: {"verify": content}}).checks
    assert checks
    for check in checks:
        proof = machine.run(*check.command, environment=check.environment).strip().splitlines()[-1]
        print(proof)  # noqa: T201 - shown with -rP


@pytest.mark.parametrize("node", NODES)
def test_second_apply_changes_nothing(compute: Cloud, machines: dict[str, PlainMachine], node: str) -> None:
    project = open_project(compute.model, Options(cache=CACHE / "saltern", state=compute.state))
    results = machines[node].apply(*project.member(node).node.applications)
    assert not failures(results, UNITS)
    assert {tag: one["changes"] for tag, one in results.items() if one["changes"]} == {}
