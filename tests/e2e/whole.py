"""Parts of examples/compute as models of tests, at addresses and ports of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import yaml

from .driver import ROOT, substitute

COMMON = "classes/cluster/compute/init.yml"
STANDS_ON = ("mariadb", "memcached", "rabbitmq")
"""What every service of the example needs."""
BOOTS = ("keystone", "glance", "placement", "nova", "neutron", "ovn", "compute")
"""The services without which no guest boots."""


def part(folder: Path, services: Collection[str] = ()) -> Path:
    """A copy of the example in which only these services are, and what they stand on; none named: all are."""
    model = shutil.copytree(ROOT / "examples" / "compute", folder / "model")
    if not services:
        return model
    for file in (model / "nodes").glob("*.yml"):
        if file.stem not in (*STANDS_ON, *services):
            file.unlink()
    classes = model / "classes/cluster/compute"
    _keep(classes / "keystone.yml", "system.keystone.client.service.", services)
    _keep(classes / "mariadb.yml", "system.mariadb.server.database.", services)
    if "cinder" not in services:  # its volumes are the computes' then
        substitute(classes / "compute.yml", "- system.nova.compute.share\n", "")
    return model


def _keep(file: Path, prefix: str, services: Collection[str]) -> None:
    """Of the classes of that kind only those of services that are there."""
    gone = [line for line in file.read_text().splitlines() if prefix in line and not line.endswith(tuple(services))]
    for line in gone:
        substitute(file, f"{line}\n", "")


def publish(model: Path, port: Callable[[int], int], address: str = "127.0.0.1") -> dict[str, int]:
    """Publish everything at ``address``, and at the port that takes the usual one's place; name of what → port."""
    named: dict[str, str] = {}
    for node in sorted(model.glob("nodes/*.yml")):
        for one in yaml.safe_load(node.read_text())["parameters"]["saltern"].get("publish", ()):
            named[one["name"]] = one["address"].rpartition(":")[2]
    moved = {usual: port(int(usual)) for usual in named.values()}
    for file in [*model.glob("nodes/*.yml"), model / COMMON]:
        text = re.sub(
            r"(127\.0\.0\.1|\{_param:public_address\}):([0-9]+)",
            lambda match: f"{match[1]}:{moved.get(match[2], match[2])}",
            file.read_text(),
        )
        file.write_text(text.replace("127.0.0.1", address))
    return {name: moved[usual] for name, usual in named.items()}
