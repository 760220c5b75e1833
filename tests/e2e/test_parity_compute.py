"""The formulas of examples/compute on plain machines with plain Salt: the files of the container path, and services."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.base.process import LocalRunner
from saltern.formulas.metadata import read_metadata
from saltern.images.engine.select import select_engine
from saltern.project.context import Options, open_project
from saltern.targets.compose import LABEL_NODE

from ..containers.plainsalt import ROOT, PlainMachine, applied_machines, failures
from .driver import CACHE, Cloud
from .test_parity import DESCRIBE, declared

pytestmark = pytest.mark.skipif(
    not os.environ.get("SALTERN_TESTS_FULL"), reason="fourteen machines and their images: make test-full"
)

BASE = ("mariadb", "memcached", "rabbitmq", "keystone", "glance")
"""What those below need; test_parity.py and test_formulas_plain.py have them from examples/single."""
SERVICES = ("placement", "nova", "neutron", "cinder", "heat", "barbican", "horizon")
NODES = ("ovn", *SERVICES, "compute")
ORDER = (*BASE, *NODES)
"""As a person would do it: what others need comes first."""
UNITS = (
    *("ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "ovn-northd"),
    *("ovsdb-server", "ovs-vswitchd", "ovn-controller", "libvirtd"),
)
"""Services of which Debian has a unit and no init script: a plain machine without systemd cannot start them."""


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """examples/compute with its images; it is never brought up."""
    folder = tmp_path_factory.mktemp("parity")
    shutil.copytree(ROOT / "examples" / "compute", folder / "model")
    (folder / "model" / "saltern.yml").write_text("cloud: e2e-parity\nengine: podman\n")
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    cloud = Cloud("e2e-parity", folder / "model", folder / "state", engine, {})
    cloud.saltern("build")  # for itself: each command has its time
    yield cloud
    cloud.clean()


@pytest.fixture(scope="module")
def machines(compute: Cloud) -> Iterator[dict[str, PlainMachine]]:
    with applied_machines(compute.model, "debian-12", ORDER, UNITS) as made:
        made["ovn"].run("/etc/init.d/ovn-central", "start")  # Neutron's check asks it
        yield made


@pytest.mark.parametrize("node", NODES)
def test_same_files(compute: Cloud, machines: dict[str, PlainMachine], node: str) -> None:
    paths = declared(compute, node)
    assert paths
    there = machines[node].run("sh", "-c", DESCRIBE, "sh", *paths)
    assert seen_in_container(compute, node, paths) == there.splitlines()


def seen_in_container(cloud: Cloud, node: str, paths: list[str]) -> list[str]:
    """What a new container of the node's image has with all that was rendered: each process gets only what it reads."""
    (image,) = {one["image"] for one in services(cloud).values() if one["labels"][LABEL_NODE] == node}
    (tree,) = (path for path in (cloud.own_state / "config" / node).iterdir() if path.is_dir())
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    assert files
    options = [word for path in files for word in ("--volume", f"{path}:/{path.relative_to(tree)}:ro")]
    place = ("--rm", "--network", "none", "--user", "0:0", *options, image)
    return cloud.call("run", *place, "/bin/sh", "-c", DESCRIBE, "sh", *paths).splitlines()


def services(cloud: Cloud) -> dict[str, Any]:
    with Path(cloud.saltern("render", "--json").json["file"]).open() as stream:
        found: dict[str, Any] = yaml.safe_load(stream)["services"]
    return found


@pytest.mark.parametrize("node", SERVICES)
def test_service_does_what_it_is_for(machines: dict[str, PlainMachine], node: str) -> None:
    machine = machines[node]
    content = machine.salt("slsutil.renderer", f"path=salt://{node}/meta/verify.yml", "default_renderer=jinja|yaml")
    checks = read_metadata(node, {node: {"verify": content}}).checks
    assert checks
    for check in checks:
        proof = machine.proof(check)
        print(proof)  # noqa: T201 - shown with -rP


@pytest.mark.parametrize("node", NODES)
def test_second_apply_changes_nothing(compute: Cloud, machines: dict[str, PlainMachine], node: str) -> None:
    project = open_project(compute.model, Options(cache=CACHE / "saltern", state=compute.state))
    results = machines[node].apply(*project.member(node).node.applications)
    assert not failures(results, UNITS)
    assert {tag: one["changes"] for tag, one in results.items() if one["changes"]} == {}
